"""Zones: networks in which lanes are drained, and how their runners stand.

The lanes of the zone `central` are drained by our own workers, those of any other zone by lane
runners that reach us from there.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

CENTRAL = "central"
CODE_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)

# A runner beats every few seconds; after so long it is late, and after so long it is missed.
LATE_AFTER = timedelta(seconds=30)
SILENT_AFTER = timedelta(seconds=120)
# Times of calls are put right by the difference, so a wrong clock does no harm; yet somebody
# should mend it, since certificates and the runner's own log rest on it.
CLOCK_OFF_MS = 5_000


class RunnerStanding(StrEnum):
    """How a runner stands: seen just now, late, missed, or ended by itself."""

    WELL = "WELL"
    LATE = "LATE"
    SILENT = "SILENT"
    ENDED = "ENDED"


class CallEnd(StrEnum):
    """What a runner says about one attempt.

    SENT: the receiver has it. FAILED: the error says what is to be done. NOT_BEGUN: surely no call
    was made. DIED: a call may have begun, and the runner died before it knew.
    """

    SENT = "SENT"
    FAILED = "FAILED"
    NOT_BEGUN = "NOT_BEGUN"
    DIED = "DIED"


def standing_of(heartbeat_at: datetime, ended_at: datetime | None, now: datetime) -> RunnerStanding:
    """How a runner stands that was heard of last at this time."""
    if ended_at is not None:
        return RunnerStanding.ENDED
    if now - heartbeat_at > SILENT_AFTER:
        return RunnerStanding.SILENT
    return RunnerStanding.LATE if now - heartbeat_at > LATE_AFTER else RunnerStanding.WELL


def is_clock_off(offset_ms: int) -> bool:
    """Whether a runner's clock differs so much from ours that somebody should mend it."""
    return abs(offset_ms) > CLOCK_OFF_MS
