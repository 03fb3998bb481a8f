"""Times as people write them, on the clock on the wall in Finland, as instants.

On the night on which summer time begins some times do not exist, and when it ends some come twice:
neither is guessed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from app.domain.clock import HELSINKI


def instants_of(day: date, clock: time) -> tuple[datetime, ...]:
    """The instants, in UTC, at which that clock shows this time: none, one, or two in order."""
    readings = {
        reading.astimezone(UTC)
        for fold in (0, 1)
        if _shows(reading := datetime.combine(day, clock.replace(fold=fold), HELSINKI))
    }
    return tuple(sorted(readings))


def _shows(reading: datetime) -> bool:
    """Whether the clock really shows it: a time that is skipped comes back as another one."""
    back = reading.astimezone(UTC).astimezone(HELSINKI)
    return back.replace(tzinfo=None, fold=0) == reading.replace(tzinfo=None, fold=0)
