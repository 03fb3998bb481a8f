"""A moment as a person types it into a datetime-local field: the clock on the wall in Finland."""

from __future__ import annotations

from datetime import datetime

from app.domain.clock import HELSINKI
from app.domain.wall_clock import instants_of

_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def read_moment(text: str, near: datetime) -> datetime | None:
    """The instant that was meant, or None when there is none.

    In the hour that comes twice when summer time ends, the one nearer to `near` is meant: what
    people report has just happened.
    """
    for pattern in _FORMATS:
        try:
            typed = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - wall time; the zone follows.
        except ValueError:
            continue
        found = instants_of(typed.date(), typed.time())
        return min(found, key=lambda one: abs(one - near)) if found else None
    return None


def local_text(at: datetime) -> str:
    """An instant as such a field shows it."""
    return at.astimezone(HELSINKI).strftime("%Y-%m-%dT%H:%M")
