"""When a cron expression is due, on the clocks of Finland.

A time that the change to summer time skips is made up for right after it; one that comes twice
in autumn counts once, the first time. Expressions with a * for the minute or the hour go by what
the clock shows, as Debian's cron does (library `cronsim`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from app.domain.clock import HELSINKI

CHARS_MOST = 100


class CronInvalid(ValueError):
    """It is no cron expression, or never due; the text says why."""


def check_cron(expression: str) -> str:
    """The expression with single spaces. Raises: CronInvalid."""
    plain = " ".join(expression.split())
    if len(plain) > CHARS_MOST or len(plain.split(" ")) != 5:
        raise CronInvalid("it needs five parts")
    next_time(plain, datetime(2026, 1, 1, tzinfo=UTC))
    return plain


def next_time(expression: str, after: datetime) -> datetime:
    """The first instant after `after` at which it is due, in UTC. Raises: CronInvalid."""
    try:
        return next(CronSim(expression, after.astimezone(HELSINKI))).astimezone(UTC)
    except (CronSimError, StopIteration) as error:
        raise CronInvalid(str(error) or "it is never due") from None
