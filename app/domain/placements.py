"""Where meters hang: stays at metering points, made of what orders report about them.

Every report is a claim of one order: it hung this meter, it took that one down, at this time.
Claims come late and are taken back, so a stay remembers which order claims its beginning and which
its end, no claim ever swallows another, and the same claims give the same stays in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a meter at a metering point; None is not known, or for the end: not yet.

    A stay of which an order only claims the end is named by that order at both ends.
    """

    number: str
    gsrn: str
    installed_at: datetime | None
    removed_at: datetime | None
    installed_by: str | None
    removed_by: str | None

    @property
    def is_open(self) -> bool:
        """Whether the meter hangs there still."""
        return self.removed_at is None

    @property
    def is_end_only(self) -> bool:
        """Whether an order claims its end and nobody says anything about its beginning."""
        return self.installed_at is None and self.installed_by == self.removed_by is not None

    def had_begun(self, at: datetime) -> bool:
        """Whether the meter may have hung there at that time."""
        return self.installed_at is None or self.installed_at <= at


@dataclass(frozen=True, slots=True)
class Swap:
    """What one order claims: at this time the old meter came down and the new one went up."""

    order_id: str
    gsrn: str
    at: datetime
    old_number: str | None
    new_number: str | None


def with_swap(stays: Iterable[Stay], swap: Swap) -> list[Stay]:
    """The stays after the order's claims, whatever it had claimed before."""
    result = without(stays, swap.order_id)
    if swap.old_number == swap.new_number:
        return result
    if swap.old_number is not None:
        _take_down(result, swap.old_number, swap.gsrn, swap.at, swap.order_id)
    if swap.new_number is not None:
        _hang(result, swap.new_number, swap)
    return result


def without(stays: Iterable[Stay], order_id: str) -> list[Stay]:
    """The stays as if the order had never reported anything."""
    result = []
    for stay in stays:
        begun, ended = stay.installed_by == order_id, stay.removed_by == order_id
        if begun and (ended or stay.is_open):
            continue
        if begun:
            result.append(replace(stay, installed_at=None, installed_by=stay.removed_by))
        elif ended:
            result.append(replace(stay, removed_at=None, removed_by=None))
        else:
            result.append(stay)
    return result


def current(stays: Iterable[Stay]) -> Stay | None:
    """Where one meter hangs now, given all its stays: the latest that has not ended."""
    return max((stay for stay in stays if stay.is_open), key=_begin, default=None)


def is_overtaken(stays: Iterable[Stay], swap: Swap) -> bool:
    """Whether the point has moved on: what the swap hung came down, or another went up later."""
    return any(_moves_on(stay, swap) for stay in stays if stay.gsrn == swap.gsrn)


def latest(stays: Iterable[Stay]) -> Stay | None:
    """The last stay of one meter, whether it has ended or not."""
    return max(
        stays, key=lambda stay: (stay.is_open, _begin(stay), stay.removed_at or _EVER), default=None
    )


def _take_down(stays: list[Stay], number: str, gsrn: str, at: datetime, order_id: str) -> None:
    here = [
        stay for stay in stays if (stay.number, stay.gsrn) == (number, gsrn) and stay.had_begun(at)
    ]
    hanging = [stay for stay in here if stay.is_open]
    if hanging:
        stay = max(hanging, key=_begin)
        stays[stays.index(stay)] = replace(stay, removed_at=at, removed_by=order_id)
        return
    # Somebody else claims to have taken it down later: the first to do so ended the stay.
    later = [
        stay
        for stay in here
        if stay.removed_by is not None
        and not stay.is_end_only
        and stay.removed_at is not None
        and stay.removed_at > at
    ]
    if later:
        stay = min(later, key=lambda one: one.removed_at or _EVER)
        stays[stays.index(stay)] = replace(stay, removed_at=at, removed_by=order_id)
        if stay.removed_at is not None and stay.removed_by is not None:
            _take_down(stays, number, gsrn, stay.removed_at, stay.removed_by)
        return
    stays.append(Stay(number, gsrn, None, at, order_id, order_id))


def _hang(stays: list[Stay], number: str, swap: Swap) -> None:
    here = [stay for stay in stays if (stay.number, stay.gsrn) == (number, swap.gsrn)]
    # Its end may have been reported before its beginning.
    ends = [
        stay
        for stay in here
        if stay.is_end_only and stay.removed_at is not None and stay.removed_at >= swap.at
    ]
    # Or master data has shown it there before the report came.
    shown = [stay for stay in here if stay.is_open and stay.installed_by is None]
    found = min(ends, key=lambda one: one.removed_at or _EVER) if ends else next(iter(shown), None)
    hung = Stay(number, swap.gsrn, swap.at, None, swap.order_id, None)
    if found is None:
        stays.append(hung)
        return
    stays[stays.index(found)] = replace(
        hung, removed_at=found.removed_at, removed_by=found.removed_by
    )


def _moves_on(stay: Stay, swap: Swap) -> bool:
    if stay.number == swap.new_number and stay.installed_by == swap.order_id:
        return not stay.is_open
    is_other = stay.number not in (swap.old_number, swap.new_number)
    return is_other and stay.is_open and _begin(stay) > swap.at


def _begin(stay: Stay) -> datetime:
    return stay.installed_at or _EVER
