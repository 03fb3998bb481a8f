"""Whether quiet hours hold a message, and until when (REQ-09, REQ-10).

One rule for the decision and for the moment of sending: in between a message may have waited,
behind a hundred thousand others, for a provider that did not answer, for money or for the stop to
be lifted, and come into the night. What it tells is still true then, so it is held and not dropped.
"""

from __future__ import annotations

from datetime import datetime, time
from functools import lru_cache

from app.domain.notice_types import NOTICE_RULES, NoticeType, Urgency
from app.domain.quiet_hours import quiet_until

# Hundreds of thousands of recipients share a handful of quiet hours.
quiet_end = lru_cache(maxsize=1024)(quiet_until)


def night_hold(
    kind: NoticeType,
    at: datetime,
    *,
    event_at: datetime,
    quiet_from: time | None,
    quiet_to: time | None,
    night_ok: bool = False,
    live: bool = True,
    needed_by: datetime | None = None,
) -> tuple[datetime | None, str]:
    """Until when quiet hours hold what would leave at this time; None if it may. And why.

    night_ok: the recipient has lifted them for this topic. live: False for what is told later than
    it happened. needed_by: when somebody who has not heard by then acts on what is no longer so.
    """
    until = quiet_end(at, quiet_from, quiet_to)
    if until is None:
        return None, "Outside quiet hours."
    rule = NOTICE_RULES[kind]
    if rule.urgency is Urgency.SAFETY:
        return None, "In quiet hours, but it is about safety."
    if night_ok:
        return None, "In quiet hours, which the recipient has lifted for this topic."
    if rule.urgency is Urgency.LIVE and live and at - event_at <= rule.live_for:
        return None, "In quiet hours, but it is happening right now."
    if needed_by is not None and at < needed_by <= until:
        return None, "In quiet hours, but it changes what begins before they end."
    return until, "Held until the end of quiet hours."
