"""Whether a message that was to leave has come into the night meanwhile (REQ-09).

It was decided by day and then waited: behind a hundred thousand others, for a provider that did not
answer, for money or for the stop to be lifted. What it tells is still true, so it is not dropped.
"""

from __future__ import annotations

from datetime import datetime, time

from app.domain.notice_types import NOTICE_RULES, NoticeType, Urgency
from app.domain.quiet_hours import quiet_until
from app.domain.telling import CHANGES

# The others leave at any hour, or were let go because they change what begins before the morning.
HELD_AT_NIGHT = frozenset(
    kind
    for kind, rule in NOTICE_RULES.items()
    if rule.urgency is not Urgency.SAFETY and kind not in CHANGES
)


def night_end(
    kind: NoticeType,
    event_at: datetime,
    now: datetime,
    quiet_from: time | None,
    quiet_to: time | None,
) -> datetime | None:
    """Until when quiet hours hold it; None if it may leave now."""
    if kind not in HELD_AT_NIGHT:
        return None
    rule = NOTICE_RULES[kind]
    if rule.urgency is Urgency.LIVE and now - event_at <= rule.live_for:
        return None
    return quiet_until(now, quiet_from, quiet_to)
