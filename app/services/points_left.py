"""What is left of a notice about several points when some of them must not be spoken of any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_values import several_points, short_address


@dataclass(frozen=True, slots=True)
class Left:
    """facts: what the text is filled with, by the times of the first point that is left."""

    facts: Mapping[str, Any]
    count: int
    only: str | None

    def address(self, language: Language) -> str | None:
        """Where they are, as a text says it."""
        return self.only if self.count == 1 else several_points(self.count, language)


# Where another outage went on longer, the power came back with its end (audience_sql.py).
_LEFT = text(
    """
    SELECT np.gsrn, p.off_at, greatest(p.on_at, (SELECT q.on_at FROM outage_point q
            WHERE q.outage_id = CAST(:after_id AS bigint) AND q.gsrn = np.gsrn)) AS on_at,
        m.street_name, m.house_number, m.staircase, m.apartment
    FROM notice_point np JOIN notice n ON n.id = np.notice_id
    LEFT JOIN outage_point p ON p.outage_id = :outage_id AND p.gsrn = np.gsrn
    LEFT JOIN metering_point m ON m.gsrn = np.gsrn
    WHERE np.notice_id = :id AND np.gsrn <> ALL(:but)
    ORDER BY np.gsrn <> n.gsrn, np.gsrn
    """
)
_SPEAKS_OF = text("UPDATE notice SET gsrn = :first, point_count = :count WHERE id = :id")
# That of which a notice speaks alone is in its own row.
_NO_MORE_OF = text(
    "DELETE FROM notice_point WHERE notice_id = :id"
    " AND (gsrn = ANY(:but) OR CAST(:count AS int) = 1)"
)


def narrow(
    session: Session,
    notice_id: int,
    outage_id: int,
    facts: Mapping[str, Any],
    but: Sequence[str],
) -> Left:
    """Have a notice of an outage's end be about its other points only, so that these are still owed it.

    The notice must be locked, and have other points.
    """
    values: dict[str, Any] = {"id": notice_id, "but": list(but)}
    where = {"outage_id": outage_id, "after_id": facts.get("after_id")}
    rows = session.execute(_LEFT, values | where).all()
    first, values["count"] = rows[0], len(rows)
    session.execute(_SPEAKS_OF, values | {"first": first.gsrn})
    session.execute(_NO_MORE_OF, values)
    times: dict[str, Any] = {}
    if first.off_at is not None and first.on_at is not None:
        times = {
            "off_at": first.off_at.isoformat(),
            "on_at": first.on_at.isoformat(),
            "duration_s": int((first.on_at - first.off_at).total_seconds()),
        }
    address = short_address(first.street_name, first.house_number, first.staircase, first.apartment)
    return Left({**facts, **times}, len(rows), address)
