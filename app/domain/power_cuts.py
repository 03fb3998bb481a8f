"""Power cuts of one metering point: which one is going on, which one is ahead.

Customer service's page and the answers to text messages both go by this, so that they cannot differ
(REQ-21).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

_FAULT = "FAULT"
_SUSPECTED = "DETECTED"
_SWAP = "METER_SWAP"
_PLANNED = "PLANNED"
_PLAN_ONLY = ("DRAFT", "APPROVED", "ANNOUNCED", "RESCHEDULED", "REMINDED")
_TOLD_PLANS = ("ANNOUNCED", "RESCHEDULED", "REMINDED")
_OVER = ("CLOSED", "MERGED", "FALSE_ALARM", "CANCELLED", "ENDED")


@dataclass(frozen=True, slots=True)
class Cut:
    """One time without power at this point, or one that is planned.

    etr_at: the estimate as it may be told: none while a storm's damage has not been assessed.
    """

    kind: str
    state: str
    source_ref: str
    off_at: datetime
    on_at: datetime | None
    cause_code: str | None = None
    etr_at: datetime | None = None
    planned_from_at: datetime | None = None
    planned_to_at: datetime | None = None

    @property
    def is_swap(self) -> bool:
        """Whether a meter is replaced."""
        return self.kind == _SWAP

    @property
    def is_planned(self) -> bool:
        """Whether we switch the power off on purpose, for work on the network."""
        return self.kind == _PLANNED

    @property
    def is_suspected(self) -> bool:
        """Whether only reports speak of a fault, which nobody has confirmed yet."""
        return self.kind == _FAULT and self.state == _SUSPECTED

    @property
    def is_unconfirmed(self) -> bool:
        """Whether a visit is over, or takes too long, and nobody has said that the power is back."""
        return self.is_swap and self.on_at is None and self.state != "OPEN"

    @property
    def is_open(self) -> bool:
        """Whether the power is off because of it, as far as we know.

        A swap without an end stays open whatever its state: nobody has reported the power back.
        """
        if self.on_at is not None:
            return False
        if self.is_swap:
            return True
        return self.state not in _OVER and not (self.is_planned and self.state in _PLAN_ONLY)

    @property
    def until_at(self) -> datetime | None:
        """Until when it is to last, as far as customers know."""
        return self.etr_at or self.planned_to_at

    def is_ahead(self, now: datetime) -> bool:
        """Whether it is a planned cut that customers know of and that is still to come."""
        ends_at = self.planned_to_at or self.off_at
        return self.is_planned and self.state in _TOLD_PLANS and ends_at > now


def open_cut(cuts: Iterable[Cut]) -> Cut | None:
    """The cut that is going on: a sure one before one that is only suspected, then the latest.

    What it says of a fault's end is what counts at the point, see last_estimate.
    """
    going_on = [cut for cut in cuts if cut.is_open]
    first = min(going_on, key=lambda cut: cut.is_suspected or cut.is_unconfirmed, default=None)
    if first is None or not is_sure_fault(first.kind, first.state):
        return first
    estimates = (cut.etr_at for cut in going_on if is_sure_fault(cut.kind, cut.state))
    return replace(first, etr_at=last_estimate(estimates))


def is_sure_fault(kind: str, state: str) -> bool:
    """Whether it is a fault that somebody has confirmed."""
    return kind == _FAULT and state != _SUSPECTED


def last_estimate(estimates: Iterable[datetime | None]) -> datetime | None:
    """What counts of the estimates of all sure faults that cut a point: the power is back with the last."""
    return max((etr_at for etr_at in estimates if etr_at is not None), default=None)


def cut_ahead(cuts: Iterable[Cut], now: datetime) -> Cut | None:
    """The planned cut that comes first."""
    ahead = [cut for cut in cuts if cut.is_ahead(now)]
    return min(ahead, key=lambda cut: cut.planned_from_at or cut.off_at, default=None)
