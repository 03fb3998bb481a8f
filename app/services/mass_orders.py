"""Mass orders: the only writer of their state, and what people decide about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.lanes import INTAKE
from app.domain.mass_course import course_of
from app.domain.states import (
    MASS_FILE_MOVES,
    MASS_ORDER_MOVES,
    MassFileState,
    MassOrderState,
    check_move,
)
from app.doorbell import ring_after_commit
from app.models.mass_order import MassFile, MassOrder
from app.services import alarms, audit, outbox
from integrations.cis.types import MassHead

PAUSE_REASON = outbox.MASS_PAUSED
HELD_ALARM = "MASS_FILE_HELD"
FAILED_ALARM = "MASS_SPLIT_FAILED"
_NOTHING_YET = frozenset({MassOrderState.RECEIVED, MassOrderState.HELD, MassOrderState.REJECTED})
_BEFORE_SPLIT = frozenset({MassOrderState.RECEIVED, MassOrderState.VALIDATED, MassOrderState.HELD})


class Todo(StrEnum):
    """What the orders of a mass order have to follow."""

    HOLD = "HOLD"
    RELEASE = "RELEASE"
    CANCEL = "CANCEL"


class MassRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    WRONG_STATE: somebody else was quicker. SAME_PERSON: a second person has to confirm.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def get_for_share(session: Session, mass_id: str) -> MassOrder:
    """The mass order, kept from being paused or called off until the commit."""
    return session.execute(
        select(MassOrder)
        .where(MassOrder.mass_id == mass_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).scalar_one()


def get_for_update(session: Session, mass_id: str) -> MassOrder | None:
    """The mass order, locked until the commit."""
    return session.execute(
        select(MassOrder)
        .where(MassOrder.mass_id == mass_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def move(order: MassOrder, state: MassOrderState, now: datetime) -> None:
    """Move along the table; staying where it is, is no move."""
    if order.state == state:
        return
    check_move(MASS_ORDER_MOVES, order.state, state)
    order.state, order.state_at, order.updated_at = state, now, now


def move_file(row: MassFile, state: MassFileState, now: datetime) -> None:
    """Move a file along its table."""
    check_move(MASS_FILE_MOVES, row.state, state)
    row.state, row.state_at = state, now


def is_called_off(session: Session, mass_id: str) -> bool:
    """Whether the whole of it was called off, so that new items need a decision."""
    found = session.get(MassOrder, mass_id)
    return found is not None and found.cancelled_by is not None


def note_weighed(
    session: Session, head: MassHead, message_id: int, state: MassFileState, now: datetime
) -> None:
    """What a file that was weighed means for its mass order: the newest one describes it."""
    order = get_for_update(session, head.mass_id)
    assert order is not None  # noqa: S101 - opening the file has made it.
    order.wave, order.area_name = head.wave, head.area_name
    order.contract_ref = head.contract_ref
    order.planned_from_on, order.planned_to_on = head.planned_from_on, head.planned_to_on
    order.allowed_models = list(head.allowed_models)
    order.inbound_message_id, order.updated_at = message_id, now
    if order.state in _BEFORE_SPLIT or order.state == MassOrderState.REJECTED:
        to = {
            MassFileState.HELD: MassOrderState.HELD,
            MassFileState.READY: MassOrderState.VALIDATED,
            MassFileState.REJECTED: MassOrderState.REJECTED,
        }[state]
        move(order, to, now)


def note_split(session: Session, mass_id: str, now: datetime) -> None:
    """All orders of a file are made."""
    order = get_for_update(session, mass_id)
    if order is not None and order.state in (MassOrderState.VALIDATED, MassOrderState.HELD):
        move(order, MassOrderState.SPLIT, now)
    refresh(session, mass_id, now)


def propose_release(
    session: Session, message_id: int, note: str, now: datetime, *, by: str
) -> None:
    """The first of two people says that a held file may go on; raises MassRefused."""
    row = _held(session, message_id)
    row.proposed_by, row.proposed_at, row.decision_note = by, now, note
    _record(session, row, "MASS_RELEASE_PROPOSED", now, by)


def release(session: Session, message_id: int, now: datetime, *, by: str) -> None:
    """The second person lets a held file go on; raises MassRefused."""
    row = _held(session, message_id)
    if row.proposed_by is None:
        raise MassRefused("WRONG_STATE")
    if row.proposed_by == by:
        raise MassRefused("SAME_PERSON")
    move_file(row, MassFileState.READY, now)
    row.decided_by, row.decided_at, row.next_at = by, now, now
    order = get_for_update(session, row.mass_id)
    if order is not None:
        order.cancelled_by = None
        if order.state == MassOrderState.HELD:
            move(order, MassOrderState.VALIDATED, now)
    alarms.close_alarm(session, HELD_ALARM, str(message_id), now)
    _record(session, row, "MASS_RELEASED", now, by)
    ring_after_commit(INTAKE)


def reject(session: Session, message_id: int, note: str, now: datetime, *, by: str) -> None:
    """Nothing of a held file is taken; one person may decide that. Raises MassRefused."""
    row = _held(session, message_id)
    move_file(row, MassFileState.REJECTED, now)
    row.decided_by, row.decided_at, row.decision_note = by, now, note
    _go_on_without(session, row, now)
    session.execute(
        text("DELETE FROM mass_stage WHERE inbound_message_id = :id"), {"id": message_id}
    )
    for kind in (HELD_ALARM, FAILED_ALARM):
        alarms.close_alarm(session, kind, str(message_id), now)
    _record(session, row, "MASS_REJECTED", now, by)


def _go_on_without(session: Session, row: MassFile, now: datetime) -> None:
    """The mass order of a file that was rejected: over, unless it has orders or another file."""
    order = get_for_update(session, row.mass_id)
    if order is None or order.state not in (MassOrderState.HELD, MassOrderState.VALIDATED):
        return
    has_orders, has_files = session.execute(
        _ELSE, {"mass_id": row.mass_id, "id": row.inbound_message_id}
    ).one()
    if has_orders:
        # Making them had begun before it was held.
        move(order, MassOrderState.SPLIT, now)
        session.flush()
        refresh(session, row.mass_id, now)
    elif not has_files:
        move(order, MassOrderState.REJECTED, now)


_ELSE = text(
    "SELECT EXISTS (SELECT 1 FROM work_order WHERE mass_id = :mass_id),"
    " EXISTS (SELECT 1 FROM mass_file WHERE mass_id = :mass_id AND inbound_message_id <> :id"
    " AND state IN ('READING', 'HELD', 'READY'))"
)


def pause(session: Session, mass_id: str, now: datetime, *, by: str) -> None:
    """Nothing more of it leaves; what is at the partner goes on. Raises MassRefused."""
    order = get_for_update(session, mass_id)
    if order is None or not MASS_ORDER_MOVES.allow(order.state, MassOrderState.PAUSED):
        raise MassRefused("WRONG_STATE")
    move(order, MassOrderState.PAUSED, now)
    if order.todo == Todo.CANCEL:
        raise MassRefused("WRONG_STATE")
    order.paused_by, order.todo = by, Todo.HOLD
    audit.record(session, by, "MASS_PAUSED", f"mass:{mass_id}", {}, now)
    ring_after_commit(INTAKE)


def resume(session: Session, mass_id: str, now: datetime, *, by: str) -> None:
    """It goes on where it stood. Raises MassRefused."""
    order = get_for_update(session, mass_id)
    if order is None or order.state != MassOrderState.PAUSED:
        raise MassRefused("WRONG_STATE")
    order.paused_by = None
    # One that was called off meanwhile stays called off; what is left over is released behind that.
    order.todo = Todo.CANCEL if order.todo == Todo.CANCEL else Todo.RELEASE
    # What it really is, the next count tells.
    move(order, MassOrderState.SPLIT, now)
    audit.record(session, by, "MASS_RESUMED", f"mass:{mass_id}", {}, now)
    refresh(session, mass_id, now)
    ring_after_commit(INTAKE)


def call_off(session: Session, mass_id: str, now: datetime, *, by: str) -> None:
    """Call the whole of it off: its orders follow slice by slice. Raises MassRefused."""
    order = get_for_update(session, mass_id)
    if order is None or order.cancelled_by is not None or order.state in _NOTHING_YET:
        raise MassRefused("WRONG_STATE")
    order.cancelled_by, order.todo, order.updated_at = by, Todo.CANCEL, now
    if order.state == MassOrderState.PAUSED:
        # Nobody has to resume what is over; what is held is called off before anything is released.
        order.paused_by = None
        move(order, MassOrderState.SPLIT, now)
    audit.record(session, by, "MASS_CALLED_OFF", f"mass:{mass_id}", {}, now)
    ring_after_commit(INTAKE)


_COUNTS = text(
    "SELECT state, count(*) AS number FROM work_order WHERE mass_id = :mass_id GROUP BY state"
)
_REFUSED = text(
    "SELECT coalesce(sum(refused_count), 0) FROM mass_file"
    " WHERE mass_id = :mass_id AND inbound_message_id ="
    " (SELECT max(inbound_message_id) FROM mass_file WHERE mass_id = :mass_id AND state = 'SPLIT')"
)


def count_states(session: Session, mass_id: str) -> dict[str, int]:
    """How many of its orders are in each state; REFUSED are items that never became one."""
    rows = session.execute(_COUNTS, {"mass_id": mass_id})
    counts = {str(row.state): int(row.number) for row in rows}
    refused = int(session.execute(_REFUSED, {"mass_id": mass_id}).scalar_one())
    if refused:
        counts["REFUSED"] = refused
    return counts


def refresh(session: Session, mass_id: str, now: datetime) -> None:
    """Count its orders and move it to where they stand."""
    order = get_for_update(session, mass_id)
    if order is None or order.state in _BEFORE_SPLIT or order.state == MassOrderState.REJECTED:
        return
    counts: Mapping[str, Any] = count_states(session, mass_id)
    if counts != order.counts:
        order.counts, order.updated_at = dict(counts), now
    order.counted_at = now
    if order.state != MassOrderState.PAUSED:
        move(order, course_of(counts, called_off=order.cancelled_by is not None), now)


_COUNT_EVERY = timedelta(seconds=15)
_COUNT_AGAIN_EVERY = timedelta(minutes=10)
_GOES_ON = ("SPLIT", "DISPATCHING", "RUNNING", "PAUSED")


def due_for_count(session: Session, now: datetime) -> list[str]:
    """Mass orders whose numbers are old; of those that are over, corrections may still come."""
    statement = text(
        "SELECT mass_id FROM mass_order WHERE state = ANY(:going) AND counted_at < :soon"
        " OR state IN ('PARTIAL', 'DONE', 'CANCELLED') AND counted_at < :seldom ORDER BY mass_id"
    )
    values = {
        "going": list(_GOES_ON),
        "soon": now - _COUNT_EVERY,
        "seldom": now - _COUNT_AGAIN_EVERY,
    }
    return list(session.execute(statement, values).scalars())


def _held(session: Session, message_id: int) -> MassFile:
    row = session.get(MassFile, message_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != MassFileState.HELD:
        raise MassRefused("WRONG_STATE")
    return row


def _record(session: Session, row: MassFile, action: str, now: datetime, by: str) -> None:
    detail = {"file": row.inbound_message_id, "reason": row.hold_reason, "note": row.decision_note}
    audit.record(session, by, action, f"mass:{row.mass_id}", detail, now)
