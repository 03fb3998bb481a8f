"""The walk through all that partners reported about an order, in the order in which it happened.

Each fact counts as far as the table of moves lets it. Work that was done stays done: STARTED,
COMPLETED and FAILED count whatever we believed before, and only CORRECTED undoes a completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.ack_facts import AckEffect, AckFact, AckType
from app.domain.failure_reasons import FAILURE_REASONS, FailureReason
from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode
from app.domain.states import (
    WORK_ORDER_MOVES,
    AckVerdict,
    SwapOutageState,
    WorkOrderState,
    check_move,
)

# A start that we hear of later than this is no news to anybody (REQ-18).
LATE_START = timedelta(minutes=30)
# After so many failed visits the order goes back to the company.
VISITS_BEFORE_RETURN = 3


@dataclass(slots=True)
class Derived:
    """What all acknowledgements of an order amount to.

    verdicts: by ack_id. notes: why an acknowledgement is STALE, REJECTED or waits. started_at,
    off_at and on_at belong to the latest visit. failed_count: failed visits of this revision.
    attempts: all visits that took place, of any revision. billing_held: the completion that counts
    has doubts. comm_missing: the new meter hangs but does not talk.
    """

    state: WorkOrderState
    verdicts: dict[str, AckVerdict] = field(default_factory=dict)
    notes: dict[str, Finding] = field(default_factory=dict)
    schedule_from: datetime | None = None
    schedule_to: datetime | None = None
    en_route_at: datetime | None = None
    started_at: datetime | None = None
    started_ack_id: str | None = None
    no_outage: bool = False
    off_at: datetime | None = None
    on_at: datetime | None = None
    completed_at: datetime | None = None
    completed_ack_id: str | None = None
    comm_missing: bool = False
    billing_held: bool = False
    failed_at: datetime | None = None
    failed_ack_id: str | None = None
    failed_reason: str | None = None
    failed_count: int = 0
    attempts: int = 0

    @property
    def swap_outage(self) -> SwapOutageState | None:
        """The cut of the latest visit, if it made one; only the clock can make it STALE."""
        if self.off_at is None:
            return None
        at_work = self.state is WorkOrderState.STARTED
        return SwapOutageState.OPEN if at_work else SwapOutageState.CLOSED


# A verdict, and in words what is behind it where that is not plain.
Outcome = tuple[AckVerdict, str | None]

_APPLIED: Outcome = (AckVerdict.APPLIED, None)
_PLANNED_STATE = {
    AckType.ACCEPTED: WorkOrderState.ACCEPTED,
    AckType.REJECTED: WorkOrderState.PARTNER_REJECTED,
    AckType.SCHEDULED: WorkOrderState.SCHEDULED,
    AckType.RESCHEDULED: WorkOrderState.RESCHEDULED,
    AckType.CANCELLED: WorkOrderState.CANCELLED,
}
_SCHEDULES = frozenset({AckType.SCHEDULED, AckType.RESCHEDULED})
_REFUSALS = frozenset({AckType.REJECTED, AckType.CANCELLED})
_ENDS = frozenset({AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})
_DONE = frozenset({WorkOrderState.COMPLETED, WorkOrderState.CORRECTED})
_BEGUN = _DONE | {WorkOrderState.STARTED}


class Course:
    """One walk; `now` is what the facts taken so far amount to."""

    def __init__(
        self,
        base: WorkOrderState,
        revision: int,
        partner_code: str | None,
        facts: tuple[AckFact, ...],
    ) -> None:
        self.now = Derived(base)
        self._facts = facts
        self._revision = revision
        self._partner_code = partner_code
        self._before_visit = base
        self._planned: set[WorkOrderState] = set()
        # Corrections of a completion that has not been reported yet.
        self._waiting: list[AckFact] = []

    def walk(self) -> Derived:
        """Take every fact in turn; their order is the caller's."""
        for ack in self._facts:
            self._note(ack, _HANDLERS[ack.type](self, ack))
        return self.now

    def plan(self, ack: AckFact) -> Outcome:
        """Accepted, refused, scheduled or called off: words about work to come."""
        if ack.revision < self._revision:
            return AckVerdict.STALE, f"It is about an older revision than {self._revision}."
        if self._partner_code is not None and ack.partner_code != self._partner_code:
            return AckVerdict.STALE, f"The order has gone to {self._partner_code} since."
        target = _PLANNED_STATE[ack.type]
        begun = self.now.state is WorkOrderState.STARTED
        if not begun and self._may(target):
            self._move(target)
        elif self.now.state is not target:
            contradicts = ack.type in _REFUSALS and self.now.state in _BEGUN
            if begun and self._before_visit is WorkOrderState.CANCELLED:
                return AckVerdict.STALE, "They go on; the end of the work answers the cancellation."
            verdict = AckVerdict.REJECTED if contradicts else AckVerdict.STALE
            return verdict, f"The order is {self.now.state} already."
        elif ack.type not in _SCHEDULES and target in self._planned:
            return AckVerdict.DUPLICATE, f"The order is {target} already."
        if ack.type in _SCHEDULES:
            self.now.schedule_from, self.now.schedule_to = ack.schedule_from, ack.schedule_to
        self._planned.add(target)
        return _APPLIED

    def cancelled(self, ack: AckFact) -> Outcome:
        """They will not do it; or they stop at work that the CIS has called off meanwhile."""
        begun = self.now.state is WorkOrderState.STARTED
        if not begun or self._before_visit is not WorkOrderState.CANCELLED:
            return self.plan(ack)
        self.now.attempts += 1
        self._move(WorkOrderState.CANCELLED)
        self.now.on_at = _back_at(ack, self.now.off_at)
        return _APPLIED

    def en_route(self, ack: AckFact) -> Outcome:
        """Somebody is on the way; interesting only until the work begins."""
        if self.now.state in _BEGUN:
            return AckVerdict.STALE, f"The order is {self.now.state} already."
        self.now.en_route_at = ack.happened_at
        return _APPLIED

    def started(self, ack: AckFact) -> Outcome:
        """A visit begins and, unless said otherwise, the power goes."""
        if self.now.state in _BEGUN:
            return AckVerdict.STALE, f"The order is {self.now.state} already."
        if not self._may(WorkOrderState.STARTED):
            return self._impossible()
        self._before_visit = self.now.state
        self._move(WorkOrderState.STARTED)
        self.now.started_at, self.now.started_ack_id = ack.happened_at, ack.ack_id
        self.now.no_outage = ack.no_outage
        self.now.off_at = None if ack.no_outage else ack.off_at or ack.happened_at
        self.now.on_at = None
        if self._told_too_late(ack):
            return AckVerdict.STALE, "It came too late to tell anybody; its times are kept."
        return _APPLIED

    def completed(self, ack: AckFact) -> Outcome:
        """The work is done."""
        if self.now.state in _DONE:
            if not (self.now.comm_missing and self.now.completed_ack_id == self.now.failed_ack_id):
                return self._contradicts_completion()
            # The same work, first reported as failed for want of a connection only.
            self.now.completed_ack_id, self.now.billing_held = ack.ack_id, _holds(ack)
            return _APPLIED
        if not self._may(WorkOrderState.COMPLETED):
            return self._impossible()
        self._complete(ack)
        return _APPLIED

    def failed(self, ack: AckFact) -> Outcome:
        """A visit ended without the work being done, unless only the connection is missing."""
        reason = _reason(ack)
        installed = reason is not None and reason.counts_as_installed
        if self.now.state in _DONE:
            if not installed:
                return self._contradicts_completion()
            self.now.comm_missing = True
            return _APPLIED
        if not installed or ack.new_meter_number is None:
            return self._end_visit(ack)
        if not self._may(WorkOrderState.COMPLETED):
            return self._impossible()
        self._complete(ack)
        self.now.comm_missing = True
        self.now.failed_ack_id, self.now.failed_reason = ack.ack_id, ack.reason_code
        return _APPLIED

    def corrected(self, ack: AckFact) -> Outcome:
        """The completion is restated or taken back."""
        if self.now.state in _DONE:
            self._correct(ack)
            return _APPLIED
        self._waiting.append(ack)
        return AckVerdict.HELD, "The completion that it corrects has not been reported yet."

    def _complete(self, ack: AckFact) -> None:
        off_at = ack.off_at or self._off_since()
        if self.now.state is not WorkOrderState.STARTED:
            self.now.started_at = self.now.started_ack_id = None
            self.now.no_outage = ack.no_outage
        self._move(WorkOrderState.COMPLETED)
        self.now.off_at, self.now.on_at = off_at, _back_at(ack, off_at)
        self.now.completed_at, self.now.completed_ack_id = ack.happened_at, ack.ack_id
        self.now.billing_held = _holds(ack)
        self.now.attempts += 1
        waiting, self._waiting = self._waiting, []
        for correction in waiting:
            self._note(correction, self.corrected(correction))

    def _correct(self, ack: AckFact) -> None:
        if self.now.state is WorkOrderState.COMPLETED:
            self._move(WorkOrderState.CORRECTED)
        off_at, on_at = ack.off_at or self.now.off_at, ack.on_at or self.now.on_at
        self.now.off_at, self.now.on_at = off_at, _not_before(off_at, on_at)
        if ack.reason_code is None:
            self.now.completed_ack_id, self.now.billing_held = ack.ack_id, _holds(ack)
            return
        self.now.completed_at = self.now.completed_ack_id = None
        self.now.billing_held = self.now.comm_missing = False
        self._fail(ack)

    def _end_visit(self, ack: AckFact) -> Outcome:
        at_work = self.now.state is WorkOrderState.STARTED
        resumes = self._before_visit if at_work else self.now.state
        # Such a visit was real, but what the order waits for has nothing to do with it.
        off_course = ack.revision < self._revision or resumes is WorkOrderState.CANCELLED
        repeats = self.now.state in {WorkOrderState.FAILED, WorkOrderState.RETURNED}
        if not (off_course or repeats or self._may(WorkOrderState.FAILED)):
            return self._impossible()
        self.now.attempts += 1
        if off_course and not at_work:
            return AckVerdict.STALE, "The order has been changed or cancelled since."
        if self.now.state is WorkOrderState.RETURNED:
            return AckVerdict.STALE, "The order has been returned already."
        off_at = ack.off_at or self._off_since()
        self.now.off_at, self.now.on_at = off_at, _back_at(ack, off_at)
        if off_course:
            self.now.state = resumes
        else:
            self._fail(ack)
        return _APPLIED

    def _fail(self, ack: AckFact) -> None:
        if self.now.state is not WorkOrderState.FAILED:
            self._move(WorkOrderState.FAILED)
        self.now.failed_at, self.now.failed_ack_id = ack.happened_at, ack.ack_id
        self.now.failed_reason = ack.reason_code
        self.now.failed_count += 1
        if self.now.failed_count >= VISITS_BEFORE_RETURN:
            self._move(WorkOrderState.RETURNED)

    def _off_since(self) -> datetime | None:
        """When the power went in the visit that is going on, if it did."""
        return self.now.off_at if self.now.state is WorkOrderState.STARTED else None

    def _told_too_late(self, ack: AckFact) -> bool:
        if ack.received_at - ack.happened_at > LATE_START:
            return True
        # Whoever stops at work that was called off ends a visit as well.
        called_off = self._before_visit is WorkOrderState.CANCELLED
        over = _ENDS | {AckType.CANCELLED} if called_off else _ENDS
        return any(
            end.type in over
            and end.happened_at >= ack.happened_at
            and end.received_at < ack.received_at
            for end in self._facts
        )

    def _may(self, target: WorkOrderState) -> bool:
        return WORK_ORDER_MOVES.allow(self.now.state, target)

    def _move(self, target: WorkOrderState) -> None:
        check_move(WORK_ORDER_MOVES, self.now.state, target)
        self.now.state = target

    def _impossible(self) -> Outcome:
        return AckVerdict.REJECTED, f"No work can be done on an order that is {self.now.state}."

    def _contradicts_completion(self) -> Outcome:
        return AckVerdict.REJECTED, (
            f"The order is {self.now.state}; only a CORRECTED acknowledgement changes that."
        )

    def _note(self, ack: AckFact, outcome: Outcome) -> None:
        verdict, why = outcome
        held = verdict is AckVerdict.APPLIED and _holds(ack)
        self.now.verdicts[ack.ack_id] = AckVerdict.HELD if held else verdict
        self.now.notes.pop(ack.ack_id, None)
        if why is not None:
            self.now.notes[ack.ack_id] = find(RejectCode.ACK_OUT_OF_ORDER, "type", why)


def _reason(ack: AckFact) -> FailureReason | None:
    return FAILURE_REASONS.get(ack.reason_code or "")


def _holds(ack: AckFact) -> bool:
    return ack.effect is AckEffect.HOLD


def _back_at(ack: AckFact, off_at: datetime | None) -> datetime | None:
    """When the power came back: as reported, else with the end of the visit."""
    if off_at is None:
        return ack.on_at
    reason = _reason(ack)
    if ack.on_at is None and reason is not None and reason.leaves_power_off:
        return None
    return _not_before(off_at, ack.on_at or ack.happened_at)


def _not_before(off_at: datetime | None, on_at: datetime | None) -> datetime | None:
    # A return of the power before the cut was mistyped, as the checks say; nothing else is known.
    return on_at if off_at is None or on_at is None else max(off_at, on_at)


_HANDLERS: Mapping[AckType, Callable[[Course, AckFact], Outcome]] = {
    AckType.ACCEPTED: Course.plan,
    AckType.REJECTED: Course.plan,
    AckType.SCHEDULED: Course.plan,
    AckType.RESCHEDULED: Course.plan,
    AckType.CANCELLED: Course.cancelled,
    AckType.EN_ROUTE: Course.en_route,
    AckType.STARTED: Course.started,
    AckType.COMPLETED: Course.completed,
    AckType.FAILED: Course.failed,
    AckType.CORRECTED: Course.corrected,
}
