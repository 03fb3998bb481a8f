"""What a partner can stand: the row of its lane decides, the bundle says what that begins with.

The first form of orders that comes into force for a partner sets its lane to the manifest's limits.
From then on people set the lane: where a manifest says otherwise it is shown beside and may be taken
over by a click, never slipped in by a new version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.lanes import partner_lane
from app.domain.mapping.canonical import Direction, Document
from app.models.lane import Lane
from app.models.partner_bundle import PartnerBundle
from app.services import lane_bounds
from app.services.bundle_content import from_row
from app.services.lane_bounds import BoundValues
from integrations.partners.manifest import Limits


@dataclass(frozen=True, slots=True)
class Offer:
    """The bounds of a partner's lane as they are, and as a bundle's manifest asks for them."""

    lane: str
    now: BoundValues
    asked: BoundValues


def begin(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> None:
    """Let the lane begin with the manifest's limits, if no form of orders was in force before."""
    earlier = select(PartnerBundle.id).where(
        PartnerBundle.partner_code == row.partner_code,
        PartnerBundle.document == row.document,
        PartnerBundle.direction == row.direction,
        PartnerBundle.activated_at.is_not(None),
        PartnerBundle.id != row.id,
    )
    if _sends(row) and session.execute(earlier.limit(1)).first() is None:
        take(session, row, by=by, now=now)


def find_offer(session: Session, row: PartnerBundle) -> Offer | None:
    """Where a manifest asks for other bounds than the lane has; None where it does not."""
    if not _sends(row):
        return None
    lane = session.get(Lane, partner_lane(row.partner_code))
    if lane is None or not lane.sends:
        return None
    bounds = BoundValues(lane.rate_per_s, lane.in_flight_count, lane.day_cap, lane.hours)
    asked = _asked(bounds, from_row(row.content).limits)
    return None if asked == bounds else Offer(lane.name, bounds, asked)


def take(session: Session, row: PartnerBundle, *, by: str, now: datetime) -> bool:
    """Set the lane to what the manifest asks for; False when there is nothing to change."""
    offer = find_offer(session, row)
    if offer is None:
        return False
    reason = f"bundle {row.kind} {row.document} {row.direction} {row.version}"
    return lane_bounds.set_bounds(session, offer.lane, offer.asked, reason, by=by, now=now)


def _sends(row: PartnerBundle) -> bool:
    return (row.document, row.direction) == (Document.ORDER, Direction.OUT)


def _asked(bounds: BoundValues, limits: Limits) -> BoundValues:
    """What a manifest does not speak of stays as people have set it."""
    return replace(
        bounds,
        rate_per_s=limits.per_s or bounds.rate_per_s,
        in_flight_count=limits.in_flight or bounds.in_flight_count,
    )
