"""Planned cuts as the DMS reports them: versioned, repeated, out of order.

The DMS knows when the power really goes and comes back, so that is believed whatever we planned.
What customers are told ahead follows our own rules: a draft of the DMS is approved by a person, and
a change that could be told only late waits for somebody's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from app.domain.cause_codes import PLANNED_CAUSES
from app.domain.planned_course import ALLOWED_IN, Action
from app.domain.point_list import read_numbers
from app.domain.states import PlannedCutState
from app.domain.working_days import is_in_time
from app.services import alarms, planned_points, planned_running, planned_telling, planned_watch
from app.services.holiday_calendar import days_off
from app.services.planned_cuts import Draft, draft, edit, find_id, lock_name
from app.services.planned_points import Wanted
from app.services.planned_rows import Plan, PlanRefused, hold, note

SOURCE = "DMS"
BY = "system:dms"
CONTRADICTION_ALARM = "PLANNED_BEGAN_CANCELLED"
_USUAL_CAUSE = "MAINTENANCE"

_BEFORE = ALLOWED_IN[Action.EDIT]
_AHEAD = ALLOWED_IN[Action.RESCHEDULE]
_AT_WORK = ALLOWED_IN[Action.END]


class PlannedRecord(Protocol):
    """One planned cut in the DMS's feed, whatever its wire format: a full snapshot."""

    @property
    def source_ref(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def planned_from_at(self) -> datetime: ...
    @property
    def planned_to_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def restored_at(self) -> datetime | None: ...
    @property
    def cause_code(self) -> str | None: ...
    @property
    def gsrns(self) -> Sequence[str]: ...


def take_from_dms(session: Session, record: PlannedRecord, now: datetime) -> str:
    """Take one record: NEW, UPDATE, STALE (an older version, or the same again), or WAITS.

    WAITS: taken, but a change in it waits for an operator, with an alarm.
    Raises: PlanRefused (TIMES_INVALID, TOO_LONG, IN_THE_PAST) -> the record cannot be a plan.
    """
    lock_name(session, SOURCE, record.source_ref)
    outage_id = find_id(session, SOURCE, record.source_ref)
    verdict = "UPDATE"
    if outage_id is None:
        outage_id = _draft(session, record, now)
        verdict = "NEW"
    plan = hold(session, outage_id)
    known = plan.outage.source_version
    if verdict != "NEW" and known is not None and record.version <= known:
        return "STALE"
    plan.outage.source_version = record.version
    if verdict != "NEW":
        _take_plan(session, plan, record, now)
    _take_work(session, hold(session, outage_id), record, now)
    return "WAITS" if hold(session, outage_id).cut.wanted_why else verdict


def cancel_from_dms(session: Session, source_ref: str, version: int, now: datetime) -> str:
    """The DMS has called a cut off: UPDATE, STALE, or UNKNOWN. Those who know of it are told."""
    lock_name(session, SOURCE, source_ref)
    outage_id = find_id(session, SOURCE, source_ref)
    if outage_id is None:
        return "UNKNOWN"
    plan = hold(session, outage_id)
    known = plan.outage.source_version
    if known is not None and version <= known:
        return "STALE"
    plan.outage.source_version = version
    if plan.state in ALLOWED_IN[Action.CANCEL]:
        planned_telling.cancel(session, outage_id, reason="DMS", by=BY, now=now, version=None)
    elif plan.state in _AT_WORK:
        # The power may be off: when it is back has to be said by somebody who knows.
        _ask(session, plan, "it was called off although it had begun", None, now)
        return "WAITS"
    return "UPDATE"


def points_back(
    session: Session, source_ref: str, back: Mapping[str, datetime], now: datetime
) -> int:
    """Some points of a cut under way have power again, each since its own time; returns how many."""
    outage_id = find_id(session, SOURCE, source_ref)
    count = 0
    for at in sorted(set(back.values())):
        if outage_id is None or hold(session, outage_id).state not in _AT_WORK:
            break
        gsrns = [gsrn for gsrn, since in back.items() if since == at]
        with suppress(PlanRefused):
            # Those that are known to be on already are no news.
            count += len(
                planned_running.restore_points(
                    session, outage_id, gsrns, at, by=BY, now=now, version=None
                )
            )
    return count


def _wish(record: PlannedRecord) -> Draft:
    known = record.cause_code in PLANNED_CAUSES
    return Draft(
        name=record.source_ref,
        from_at=record.planned_from_at,
        to_at=record.planned_to_at,
        cause_code=record.cause_code if known and record.cause_code else _USUAL_CAUSE,
        wanted=Wanted(points=read_numbers(record.gsrns)),
    )


def _draft(session: Session, record: PlannedRecord, now: datetime) -> int:
    # A record that comes late tells of a cut that has begun or is over: it is taken all the same.
    drafted = draft(
        session,
        _wish(record),
        source=SOURCE,
        source_ref=record.source_ref,
        source_version=record.version,
        by=BY,
        now=now,
        late_ok=True,
    )
    return drafted.plan.id


def _take_plan(session: Session, plan: Plan, record: PlannedRecord, now: datetime) -> None:
    """What the record says about the plan itself."""
    if plan.state in _BEFORE and record.planned_from_at > now:
        if not _says_the_same(session, plan, record):
            edit(session, plan.id, _wish(record), by=BY, now=now, version=None)
    elif plan.state in _AHEAD and record.started_at is None:
        _change(session, plan, record, now)
    elif plan.state in _AT_WORK and record.restored_at is None:
        latest = plan.outage.etr_at or plan.to_at
        if record.planned_to_at > max(latest, now):
            planned_running.extend(
                session, plan.id, record.planned_to_at, by=BY, now=now, version=None
            )


def _says_the_same(session: Session, plan: Plan, record: PlannedRecord) -> bool:
    wish = _wish(record)
    found = planned_points.find_points(session, wish.wanted)
    plans = (plan.from_at, plan.to_at, plan.outage.cause_code)
    points = planned_points.points_of(session, plan.id)
    return plans == (wish.from_at, wish.to_at, wish.cause_code) and points == list(found.gsrns)


def _change(session: Session, plan: Plan, record: PlannedRecord, now: datetime) -> None:
    """Another time, or other points, of a cut that people know of."""
    found = planned_points.find_points(session, _wish(record).wanted)
    present = set(planned_points.points_of(session, plan.id))
    gone = len(present - set(found.gsrns))
    times = (record.planned_from_at, record.planned_to_at)
    moved = times != (plan.from_at, plan.to_at)
    more = bool(set(found.gsrns) - present)
    off = days_off(record.planned_from_at)
    if (moved or more) and not is_in_time(record.planned_from_at, now, off):
        _ask(session, plan, "the change cannot be told two working days ahead", times, now)
        return
    if moved or more:
        wanted = _wish(record).wanted
        planned_telling.reschedule(
            session, plan.id, *times, by=BY, now=now, version=None, wanted=wanted
        )
    if gone:
        why = f"{gone} metering points, whose customers were told, are no longer in it"
        _ask(session, plan, why, None, now)


def _take_work(session: Session, plan: Plan, record: PlannedRecord, now: datetime) -> None:
    """When the power went and came back; believed in every state but the last ones."""
    if record.started_at is not None and plan.state in (_BEFORE | _AHEAD):
        planned_running.begin(session, plan, record.started_at, by=BY, now=now)
    elif record.started_at is not None and plan.state in _AT_WORK:
        planned_running.set_beginning(session, plan, record.started_at)
    elif record.started_at is not None and plan.state is PlannedCutState.CANCELLED:
        _cancelled_and_begun(session, plan, record, now)
    if record.restored_at is None:
        return
    if plan.state in (_BEFORE | _AHEAD):
        began_at = min(plan.from_at, record.restored_at)
        planned_running.begin(session, plan, began_at, by=BY, now=now)
    if plan.state in _AT_WORK:
        planned_running.end(session, plan, record.restored_at, by=BY, now=now)


def _cancelled_and_begun(
    session: Session, plan: Plan, record: PlannedRecord, now: datetime
) -> None:
    """People were told that the cut is off and it happens: somebody has to know until it is over."""
    subject = planned_watch.subject_of(plan.id)
    if record.restored_at is not None:
        alarms.close_alarm(session, CONTRADICTION_ALARM, subject, now)
    else:
        words = "The DMS reports that it has begun, although it was cancelled and people were told."
        alarms.open_alarm(session, CONTRADICTION_ALARM, subject, words, now)
    note(session, plan, "BEGAN_THOUGH_CANCELLED", {}, at=record.started_at or now, by=BY, now=now)


def _ask(
    session: Session,
    plan: Plan,
    why: str,
    times: tuple[datetime, datetime] | None,
    now: datetime,
) -> None:
    """Leave a change to an operator; the watch raises the alarm."""
    plan.cut.wanted_why = why
    plan.cut.wanted_from_at, plan.cut.wanted_to_at = times or (None, None)
    note(session, plan, "CHANGE_WAITS", {"why": why}, at=now, by=BY, now=now)
