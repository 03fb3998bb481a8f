"""Files of mass orders: opened, taken up when they are ready, put off, held and answered.

Nothing of a file leaves before the whole of it has been read and weighed (`mass_weighing.py`).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db import fetch, transaction
from app.domain.findings import Finding
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import MassFileState, MassOrderState
from app.models.inbound_message import InboundMessage
from app.models.mass_order import MassFile, MassOrder
from app.services import alarms, mass_orders, rejects
from app.services.slices import MassContext
from integrations.cis.types import MassHead

FAILED_ALARM = mass_orders.FAILED_ALARM
# Waits before orders are made again after a fault of ours.
_RETRY_AFTER_S = (5, 30, 120, 600)


def open_file(session: Session, message_id: int, head: MassHead, now: datetime) -> bool:
    """Begin a file, or begin it again after a death; False when it is over and done with."""
    session.execute(
        insert(MassOrder)
        .values(
            mass_id=head.mass_id,
            state=MassOrderState.RECEIVED,
            state_at=now,
            allowed_models=list(head.allowed_models),
            counts={},
            counted_at=now,
            inbound_message_id=message_id,
            created_at=now,
            updated_at=now,
            **_described(head),
        )
        .on_conflict_do_nothing()
    )
    row = session.get(MassFile, message_id, with_for_update=True)
    if row is None:
        row = MassFile(
            inbound_message_id=message_id,
            mass_id=head.mass_id,
            state=MassFileState.READING,
            state_at=now,
            declared_count=head.declared_count,
            item_count=0,
            same_count=0,
            rejected_count=0,
            refused_count=0,
            staged_count=0,
            done_seq=0,
            attempts=0,
            next_at=now,
            created_at=now,
        )
        session.add(row)
        session.flush()
    elif row.state != MassFileState.READING:
        return False
    # What an earlier reading left behind before it died is made anew.
    for table in ("mass_stage", "inbound_finding"):
        session.execute(
            text(f"DELETE FROM {table} WHERE inbound_message_id = :id"),  # noqa: S608 - our names.
            {"id": message_id},
        )
    return True


def known_hashes(mass_id: str) -> Sequence[int]:
    """Source hashes of the items in force, in rising order: 8 bytes each, whatever their number.

    Refused and called-off ones are left out, since the same words mean something anew for them; of a
    mass order that was called off, all: the rest is about to follow.
    """
    with transaction() as session:
        told = fetch(session.connection(), _KNOWN, (mass_id, mass_id), binary=True)[0][0]
    found = array("q", told or b"")
    if sys.byteorder == "little":
        found.byteswap()
    return found


# As one value: 430,000 rows took 90 MB on their way, which the interpreter never gave back.
_KNOWN = """
    SELECT string_agg(int8send(source_hash), ''::bytea ORDER BY source_hash) FROM work_order
    WHERE mass_id = %s AND source_hash IS NOT NULL AND state NOT IN ('REJECTED', 'CANCELLED')
      AND NOT EXISTS (
        SELECT 1 FROM mass_order m WHERE m.mass_id = %s AND m.cancelled_by IS NOT NULL)
"""


def context_of(session: Session, mass_id: str, head: MassHead | None = None) -> MassContext:
    """What slices have to know of the mass order; locked against being paused until the commit.

    head: that of a file which has not been weighed yet, so that the mass order says the old things.
    """
    order = mass_orders.get_for_share(session, mass_id)
    reason = mass_orders.PAUSE_REASON if order.state == MassOrderState.PAUSED else None
    wave, models = (head.wave, head.allowed_models) if head else (order.wave, order.allowed_models)
    return MassContext(mass_id, wave, frozenset(models), reason)


def next_ready(session: Session, now: datetime) -> MassFile | None:
    """The oldest file of which orders may be made now.

    Not while orders of the same mass order are being called off: the new ones would follow them.
    """
    being_called_off = select(MassOrder.mass_id).where(MassOrder.todo == mass_orders.Todo.CANCEL)
    return session.execute(
        select(MassFile)
        .where(MassFile.state == MassFileState.READY, MassFile.next_at <= now)
        .where(MassFile.mass_id.not_in(being_called_off))
        .order_by(MassFile.inbound_message_id)
        .limit(1)
    ).scalar_one_or_none()


def postpone(session: Session, message_id: int, error_class: str, now: datetime) -> None:
    """After a fault of ours: try again later, and after the last time hold it for people."""
    row = session.get_one(MassFile, message_id, with_for_update=True, populate_existing=True)
    row.attempts += 1
    if row.attempts > len(_RETRY_AFTER_S):
        mass_orders.move_file(row, MassFileState.HELD, now)
        row.hold_reason, row.proposed_by, row.decided_by = f"INTERNAL {error_class}", None, None
        row.attempts = 0
    else:
        row.next_at = now + timedelta(seconds=_RETRY_AFTER_S[row.attempts - 1])
    words = f"{row.mass_id}: {error_class}"
    alarms.open_alarm(session, FAILED_ALARM, str(message_id), words, now)


def hold_if_called_off(session: Session, message_id: int, now: datetime) -> bool:
    """Whether a file that was ready waits for people after all: its mass order was called off since.

    A file of which only cancellations are left goes on.
    """
    row = session.get_one(MassFile, message_id, with_for_update=True, populate_existing=True)
    order = mass_orders.get_for_update(session, row.mass_id)
    if row.state != MassFileState.READY or order is None or order.cancelled_by is None:
        return False
    left = {"id": message_id, "done": row.done_seq}
    if not session.execute(_ANY_LEFT, left).scalar_one():
        return False
    mass_orders.move_file(row, MassFileState.HELD, now)
    row.hold_reason, row.proposed_by, row.decided_by = "CALLED_OFF", None, None
    if order.state == MassOrderState.VALIDATED:
        mass_orders.move(order, MassOrderState.HELD, now)
    words = f"{row.mass_id}: {row.item_count} items, CALLED_OFF"
    alarms.open_alarm(session, mass_orders.HELD_ALARM, str(message_id), words, now)
    return True


_ANY_LEFT = text(
    "SELECT EXISTS (SELECT 1 FROM mass_stage WHERE inbound_message_id = :id AND seq > :done"
    " AND verdict IN ('NEW', 'REJECTED'))"
)


def note_done(session: Session, message_id: int, seq: int) -> None:
    """Orders are made up to this item; after a death the making goes on behind it."""
    session.execute(
        text("UPDATE mass_file SET done_seq = :seq WHERE inbound_message_id = :id"),
        {"id": message_id, "seq": seq},
    )


def answer(session: Session, message_id: int, now: datetime) -> None:
    """Tell the CIS of items that turned out impossible only when their orders were made.

    They are read from our own record, so that none is forgotten with a process that died meanwhile.
    """
    found = session.execute(_SINCE_WEIGHED, {"id": message_id, "most": rejects.TOLD_MOST}).all()
    if not found:
        return
    row = session.get_one(InboundMessage, message_id)
    rejects.put_reject(
        session,
        file_name=f"{row.name.rsplit('.', 1)[0]}.orders.xml",
        body_hash=row.body_hash,
        message_id=row.message_id,
        refusals=[
            (
                one.order_id,
                Finding(RejectCode(one.code), one.path, one.text, one.line, Severity.ERROR),
            )
            for one in found
        ],
        now=now,
    )


_SINCE_WEIGHED = text(
    """
    SELECT n.order_id, n.code, n.path, n.text, n.line FROM inbound_finding n
    JOIN inbound_message m ON m.id = n.inbound_message_id
    WHERE m.id = :id AND n.severity = 'ERROR' AND n.at > m.interpreted_at
    ORDER BY n.id LIMIT :most
    """
)


def _described(head: MassHead) -> dict[str, object]:
    return {
        "wave": head.wave,
        "area_name": head.area_name,
        "contract_ref": head.contract_ref,
        "planned_from_on": head.planned_from_on,
        "planned_to_on": head.planned_to_on,
    }
