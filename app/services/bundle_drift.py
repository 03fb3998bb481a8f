"""Fields that partners send and nobody reads: an alarm until somebody has looked at them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import alarms, audit

ALARM = "BUNDLE_DRIFT"
# What has not come for so long is no drift any more.
_FRESH_FOR = timedelta(days=7)
_NAMED_MOST = 3

_DRIFTING = text(
    """
    SELECT partner_code, document, count(*) AS fields, sum(count) AS times,
        array_agg(path ORDER BY last_at DESC, path) AS paths
    FROM unmapped_field WHERE accepted_at IS NULL AND last_at > :since
    GROUP BY partner_code, document
    """
)
_OPEN = text("SELECT subject FROM alarm WHERE kind = :kind AND closed_at IS NULL")


def watch(session: Session, now: datetime) -> None:
    """Open an alarm for each document of a partner that has unknown fields; close it when none has."""
    drifting = {}
    for row in session.execute(_DRIFTING, {"since": now - _FRESH_FOR}):
        named = ", ".join(row.paths[:_NAMED_MOST])
        rest = f" and {row.fields - _NAMED_MOST} more" if row.fields > _NAMED_MOST else ""
        detail = f"Fields that no rule reads: {named}{rest} ({row.times} times)"
        drifting[f"{row.partner_code} {row.document}"] = detail
    for subject, detail in sorted(drifting.items()):
        alarms.open_alarm(session, ALARM, subject, detail, now)
    for subject in session.execute(_OPEN, {"kind": ALARM}).scalars().all():
        if subject not in drifting:
            alarms.close_alarm(session, ALARM, subject, now)


def accept(
    session: Session, partner_code: str, document: str, path: str, *, by: str, now: datetime
) -> bool:
    """Somebody has looked at a field and does not need it; False when it was never seen."""
    found = session.execute(
        text(
            "UPDATE unmapped_field SET accepted_by = :by, accepted_at = :now"
            " WHERE partner_code = :partner AND document = :document AND path = :path"
            " RETURNING path"
        ),
        {"partner": partner_code, "document": document, "path": path, "by": by, "now": now},
    ).scalar_one_or_none()
    if found is None:
        return False
    detail = {"document": document, "path": path}
    audit.record(session, by, "UNMAPPED_FIELD_ACCEPTED", f"partner:{partner_code}", detail, now)
    return True
