"""Planned cuts as anybody may see them: when, where and why, by municipality, never who.

Where fewer than five homes are cut, not even how many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

# Fewer could be told apart by their neighbours.
MASK_BELOW = 5
_CUTS_MOST = 2000


@dataclass(frozen=True, slots=True)
class PublicCut:
    """One planned cut in one municipality.

    count: None where fewer than MASK_BELOW metering points are cut; places: post offices with at
    least as many. changes counts what people were told, so that calendars know the newer one.
    """

    id: int
    municipality: str
    state: str
    cause_code: str | None
    from_at: datetime
    to_at: datetime
    overrun: bool
    changes: int
    updated_at: datetime
    count: int | None
    places: tuple[str, ...]


_CUTS = text(
    """
    WITH cut AS (
        SELECT o.id, o.state, o.cause_code, o.planned_from_at, o.planned_to_at, o.etr_at,
            c.plan_version, o.updated_at
        FROM outage o JOIN planned_cut c ON c.outage_id = o.id
        WHERE o.kind = 'PLANNED' AND c.told_at IS NOT NULL
          AND o.state NOT IN ('DRAFT', 'APPROVED')
          AND (o.planned_to_at >= :now OR o.state IN ('ONGOING', 'OVERRUN'))
          AND (:with_cancelled OR o.state NOT IN ('CANCELLED', 'ENDED'))
        ORDER BY o.planned_from_at LIMIT :limit)
    SELECT cut.id, m.municipality_code AS municipality, cut.state, cut.cause_code,
        cut.planned_from_at AS from_at, coalesce(cut.etr_at, cut.planned_to_at) AS to_at,
        cut.plan_version AS changes, cut.updated_at, initcap(m.post_office) AS place,
        count(*) AS points
    FROM cut JOIN outage_point p ON p.outage_id = cut.id
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE m.municipality_code IS NOT NULL
      AND (CAST(:municipality AS text) IS NULL OR m.municipality_code = :municipality)
    GROUP BY cut.id, m.municipality_code, cut.state, cut.cause_code, cut.planned_from_at,
        cut.etr_at, cut.planned_to_at, cut.plan_version, cut.updated_at, initcap(m.post_office)
    ORDER BY cut.planned_from_at, cut.id, m.municipality_code, points DESC
    """
)


def public_cuts(
    session: Session, now: datetime, *, municipality: str | None = None, with_over: bool = False
) -> list[PublicCut]:
    """Cuts that people have been told of and that are not over, in the order of their beginning.

    with_over: also those that were called off or ended before their time, for calendars that have
    them already.
    """
    values = {
        "now": now,
        "municipality": municipality,
        "with_cancelled": with_over,
        "limit": _CUTS_MOST,
    }
    rows = session.execute(_CUTS, values).mappings()
    return [
        _cut(list(group))
        for _, group in groupby(rows, key=lambda row: (row["id"], row["municipality"]))
    ]


def municipalities_of(cuts: Iterable[PublicCut]) -> list[str]:
    """The codes of the municipalities in which something is planned."""
    return sorted({cut.municipality for cut in cuts})


def _cut(rows: list[RowMapping]) -> PublicCut:
    first = rows[0]
    count = sum(row["points"] for row in rows)
    return PublicCut(
        id=first["id"],
        municipality=first["municipality"],
        state=first["state"],
        cause_code=first["cause_code"],
        from_at=first["from_at"],
        to_at=first["to_at"],
        overrun=first["state"] == "OVERRUN",
        changes=first["changes"],
        updated_at=first["updated_at"],
        count=count if count >= MASK_BELOW else None,
        places=tuple(row["place"] for row in rows if row["place"] and row["points"] >= MASK_BELOW),
    )
