"""Quiet hours: when people are left alone, on the clock on the wall in Finland (REQ-09)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from app.domain.clock import HELSINKI

DEFAULT_QUIET_FROM = time(22)
DEFAULT_QUIET_TO = time(7)


def quiet_until(now: datetime, quiet_from: time | None, quiet_to: time | None) -> datetime | None:
    """When the quiet hours that `now` falls into end (UTC), or None if it falls into none.

    None as a time means the company's default; two equal times mean no quiet hours at all.
    """
    begin = DEFAULT_QUIET_FROM if quiet_from is None else quiet_from
    end = DEFAULT_QUIET_TO if quiet_to is None else quiet_to
    local = now.astimezone(HELSINKI)
    clock = local.time()
    over_midnight = begin > end
    quiet = (clock >= begin or clock < end) if over_midnight else begin <= clock < end
    if not quiet:
        return None
    day = local.date() + timedelta(days=1) if over_midnight and clock >= begin else local.date()
    until = datetime.combine(day, end, HELSINKI)
    if until.astimezone(UTC) <= now:
        # In the hour that winter time repeats, the first of two equal times may have passed.
        until = until.replace(fold=1)
    return until.astimezone(UTC)
