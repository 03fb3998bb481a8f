"""The estimated time of restoration: when a change is worth telling, and what is shown of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.clock import helsinki_day

# An estimate that only wavers is no news, whatever else is true of it.
HYSTERESIS = timedelta(minutes=10)
ALWAYS_NEWS = timedelta(minutes=30)
NEWS_SHARE = 0.2


def is_significant(told: datetime, new: datetime, now: datetime) -> bool:
    """Whether somebody who was told one estimate is to be told the new one.

    Worth telling is half an hour, a fifth of what remained of the wait, or another day; ten minutes
    up or down never are.
    Source: REQ-07 in docs/domain.md.
    """
    change = abs(new - told)
    if change <= HYSTERESIS:
        return False
    if change >= ALWAYS_NEWS or told <= now:
        return True
    return change >= NEWS_SHARE * (told - now) or helsinki_day(told) != helsinki_day(new)


def shown_etr(etr_at: datetime | None, now: datetime) -> datetime | None:
    """The estimate as anybody may see it: one that has passed is none (REQ-06)."""
    return etr_at if etr_at is not None and etr_at > now else None
