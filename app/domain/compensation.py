"""The standard compensation of a long cut, by its length.

Source: section 100 of the Electricity Market Act (588/2013), as network companies publish it.
"""

from __future__ import annotations

from datetime import timedelta

# From this length on, so many percent of the yearly network fee.
CLASSES: tuple[tuple[timedelta, int], ...] = (
    (timedelta(hours=12), 10),
    (timedelta(hours=24), 25),
    (timedelta(hours=48), 50),
    (timedelta(hours=72), 100),
    (timedelta(hours=120), 150),
    (timedelta(hours=288), 200),
)
SHORTEST = CLASSES[0][0]
MOST_CENTS = 200_000


def compensation_percent(length: timedelta) -> int:
    """The share of the yearly network fee that a cut of this length earns; 0 for a short one."""
    return max((percent for start, percent in CLASSES if length >= start), default=0)


def compensation_cents(length: timedelta, annual_fee_cents: int | None) -> int | None:
    """What will be credited, never above the cap; None while the fee is not known to us."""
    if annual_fee_cents is None:
        return None
    return min(annual_fee_cents * compensation_percent(length) // 100, MOST_CENTS)
