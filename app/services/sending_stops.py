"""The stop: one row keeps a whole channel from sending, in every process, before its next slice.

Processes do not have to be reached: each looks at the table in the transaction that begins a slice,
so what may still leave after a stop has committed is what is on the wire already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.lanes import EMAIL, SMS
from app.domain.notice_types import TOPIC_PRIORITY, Channel, Topic
from app.doorbell import ring_after_commit
from app.models.sending import SendingStop
from app.services import alarms, audit

ALARM = "SENDING_STOPPED"
LANE_OF = {Channel.SMS: SMS, Channel.EMAIL: EMAIL}
CHANNEL_OF = {lane: channel for channel, lane in LANE_OF.items()}
_SERVICE = TOPIC_PRIORITY[Topic.SERVICE]

# From the most to the least urgent priority that may leave; None means all.
Urgencies = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Stop:
    """One channel that is stopped now."""

    channel: str
    keep_service: bool
    reason: str
    stopped_by: str
    stopped_at: datetime


def current(session: Session) -> list[Stop]:
    """What is stopped now, for the banner and the pages."""
    rows = session.execute(
        select(
            SendingStop.channel,
            SendingStop.keep_service,
            SendingStop.reason,
            SendingStop.stopped_by,
            SendingStop.stopped_at,
        ).order_by(SendingStop.channel)
    )
    return [Stop(*row) for row in rows]


def allowed(session: Session, lane: str) -> tuple[bool, Urgencies]:
    """Whether anything of the lane may leave now, and if so how urgent it has to be."""
    channel = CHANNEL_OF.get(lane)
    if channel is None:
        return True, None
    keep = session.execute(
        select(SendingStop.keep_service).where(SendingStop.channel == channel)
    ).scalar_one_or_none()
    if keep is None:
        return True, None
    return bool(keep), (_SERVICE, _SERVICE)


def stop(
    session: Session,
    channels: Sequence[Channel],
    *,
    keep_service: bool,
    reason: str,
    by: str,
    now: datetime,
) -> None:
    """Stop channels, or change how they are stopped; by: who, as staff:aino."""
    for channel in channels:
        values = {"keep_service": keep_service, "reason": reason, "stopped_by": by}
        statement = insert(SendingStop).values(channel=channel, stopped_at=now, **values)
        session.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=values))
        alarms.open_alarm(session, ALARM, channel, f"Stopped by {by}: {reason}", now)
        detail = {"reason": reason, "keep_service": keep_service}
        audit.record(session, by, "SENDING_STOPPED", f"channel:{channel}", detail, now)


def start(
    session: Session, channels: Sequence[Channel], *, reason: str, by: str, now: datetime
) -> list[Channel]:
    """Let channels send again; returns those that were stopped."""
    started = []
    for channel in channels:
        found = session.execute(
            delete(SendingStop).where(SendingStop.channel == channel).returning(SendingStop.channel)
        ).scalar_one_or_none()
        if found is None:
            continue
        started.append(channel)
        alarms.close_alarm(session, ALARM, channel, now)
        audit.record(session, by, "SENDING_STARTED", f"channel:{channel}", {"reason": reason}, now)
        ring_after_commit(LANE_OF[channel])
    return started
