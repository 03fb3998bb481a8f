"""Zones and which lanes are theirs: the only writer of both."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.zones import CENTRAL, CODE_PATTERN
from app.doorbell import ring_after_commit
from app.models.lane import Lane
from app.models.zone import Zone
from app.services import audit

_NAME_MOST = 60


class ZoneRefused(Exception):
    """Not possible; code says why.

    CODE_INVALID, ZONE_KNOWN, ZONE_UNKNOWN, ZONE_INACTIVE, LANE_UNKNOWN, LANE_STAYS (it works inside
    the product), ZONE_HAS_LANES, CENTRAL_STAYS.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def add(session: Session, code: str, name: str, now: datetime, *, by: str) -> None:
    """Add a zone; its first key counts at once. Raises: ZoneRefused."""
    words = " ".join(name.split())[:_NAME_MOST]
    if not CODE_PATTERN.fullmatch(code) or not words:
        raise ZoneRefused("CODE_INVALID")
    added = session.execute(
        insert(Zone)
        .values(
            code=code,
            name=words,
            key_generation=1,
            oldest_key_generation=1,
            active=True,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Zone.code)
    ).scalar_one_or_none()
    if added is None:
        raise ZoneRefused("ZONE_KNOWN")
    audit.record(session, by, "ZONE_ADDED", f"zone:{code}", {"name": words}, now)


def set_active(session: Session, code: str, active: bool, now: datetime, *, by: str) -> None:
    """Switch a zone on or off: off, none of its keys is good any more. Raises: ZoneRefused.

    Only a zone without lanes can be switched off, since nothing of theirs would leave.
    """
    zone = session.get(Zone, code, with_for_update=True, populate_existing=True)
    if zone is None:
        raise ZoneRefused("ZONE_UNKNOWN")
    if code == CENTRAL:
        raise ZoneRefused("CENTRAL_STAYS")
    has_lanes = session.execute(select(Lane.name).where(Lane.zone == code).limit(1)).first()
    if not active and has_lanes is not None:
        raise ZoneRefused("ZONE_HAS_LANES")
    if zone.active != active:
        zone.active = active
        action = "ZONE_SWITCHED_ON" if active else "ZONE_SWITCHED_OFF"
        audit.record(session, by, action, f"zone:{code}", {}, now)


_MOVE_PROCESS = text("UPDATE process SET zone = :zone WHERE lane = :lane")


def move_lane(session: Session, name: str, code: str, now: datetime, *, by: str) -> None:
    """Let a lane be drained in another zone from its next claim on. Raises: ZoneRefused.

    What is claimed already ends where it was claimed.
    """
    zone = session.get(Zone, code, populate_existing=True)
    if zone is None:
        raise ZoneRefused("ZONE_UNKNOWN")
    if not zone.active:
        raise ZoneRefused("ZONE_INACTIVE")
    lane = session.get(Lane, name, with_for_update=True, populate_existing=True)
    if lane is None:
        raise ZoneRefused("LANE_UNKNOWN")
    if not lane.sends and code != CENTRAL:
        raise ZoneRefused("LANE_STAYS")
    if lane.zone == code:
        return
    detail = {"from": lane.zone, "to": code}
    lane.zone = code
    session.execute(_MOVE_PROCESS, {"zone": code, "lane": name})
    audit.record(session, by, "LANE_MOVED", f"lane:{name}", detail, now)
    if code == CENTRAL:
        ring_after_commit(name)
