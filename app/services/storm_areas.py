"""Which storm a fault belongs to: one that is under way where the fault's points are."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models.outage import Outage

_ANY = text("SELECT EXISTS (SELECT 1 FROM storm WHERE ended_at IS NULL)")
_OF_POINTS = text(
    """
    SELECT s.id FROM storm s WHERE s.ended_at IS NULL AND EXISTS (
        SELECT 1 FROM outage_point p JOIN metering_point m ON m.gsrn = p.gsrn
        WHERE p.outage_id = :id AND p.on_at IS NULL
          AND m.municipality_code = ANY(s.municipality_codes))
    ORDER BY s.id LIMIT 1
    """
)


def attach(session: Session, outage: Outage) -> None:
    """Count the fault to the storm in whose area it is; once counted, it stays."""
    if outage.storm_id is not None or not session.execute(_ANY).scalar():
        return
    storm_id = session.execute(_OF_POINTS, {"id": outage.id}).scalar_one_or_none()
    if storm_id is not None:
        outage.storm_id = storm_id
        session.flush()
