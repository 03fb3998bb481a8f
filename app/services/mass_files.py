"""Files of mass orders: opened, weighed as a whole, held for people or made ready.

Nothing of a file leaves before the whole of it has been read and weighed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.findings import Finding, find
from app.domain.mass_checks import FileCounts, decide_hold
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import MassFileState, MassOrderState
from app.models.inbound_message import InboundMessage
from app.models.mass_order import MassFile, MassOrder
from app.services import alarms, inbound, mass_orders, rejects
from app.services.mass_staging import Staging
from app.services.slices import MassContext, Refusal
from app.settings import Settings
from integrations.cis.types import MassHead

FAILED_ALARM = mass_orders.FAILED_ALARM
_FETCH_ROWS = 20_000
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
    statement = text(
        "SELECT source_hash FROM work_order WHERE mass_id = :mass_id AND source_hash IS NOT NULL"
        " AND state NOT IN ('REJECTED', 'CANCELLED') AND NOT EXISTS (SELECT 1 FROM mass_order m"
        " WHERE m.mass_id = :mass_id AND m.cancelled_by IS NOT NULL) ORDER BY source_hash"
    )
    found = array("q")
    with transaction() as session:
        rows = session.execute(
            statement, {"mass_id": mass_id}, execution_options={"yield_per": _FETCH_ROWS}
        )
        for part in rows.scalars().partitions():
            found.extend(part)
    return found


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


def refuse_taken_since(session: Session, message_id: int, now: datetime) -> int:
    """Refuse items whose points another file of the mass order took while this one waited."""
    row = session.get_one(MassFile, message_id, with_for_update=True, populate_existing=True)
    if not session.execute(
        _OTHER_SINCE, {"id": message_id, "mass_id": row.mass_id, "since": row.created_at}
    ).scalar_one():
        return 0
    found = _mark_taken(session, message_id, row.mass_id, row.done_seq)
    row.rejected_count += len(found)
    row.refused_count += len(found)
    inbound.add_findings(session, message_id, [(one.order_id, one.finding) for one in found], now)
    return len(found)


_OTHER_SINCE = text(
    "SELECT EXISTS (SELECT 1 FROM mass_file WHERE mass_id = :mass_id AND inbound_message_id <> :id"
    " AND state = 'SPLIT' AND state_at >= :since)"
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
    found = session.execute(_SINCE_WEIGHED, {"id": message_id, "most": _TOLD_MOST}).all()
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


# What the CIS hears about one file; every finding stands in our own record all the same.
_TOLD_MOST = 20_000
_SINCE_WEIGHED = text(
    """
    SELECT n.order_id, n.code, n.path, n.text, n.line FROM inbound_finding n
    JOIN inbound_message m ON m.id = n.inbound_message_id
    WHERE m.id = :id AND n.severity = 'ERROR' AND n.at > m.interpreted_at
    ORDER BY n.id LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Weighing:
    """What the whole of a file amounts to, and what to tell the CIS of it."""

    state: MassFileState
    refusals: list[Refusal]
    twice: int


def weigh_file(
    session: Session,
    message_id: int,
    head: MassHead,
    staging: Staging,
    known: Sequence[int],
    broken: str | None,
    settings: Settings,
    now: datetime,
) -> Weighing:
    """Find items that are there twice, and decide whether the file may go on by itself."""
    if staging.staged_count:
        # It was empty or full of something else a moment ago, and plans go by that.
        session.execute(text("ANALYZE mass_stage"))
    marked, twice = _mark_twice(session, message_id, now)
    refusals = _refuse_taken(session, message_id, head.mass_id, staging, known)
    twice += sum(1 for one in refusals if one.order_id is not None)
    bad, refused, cancels = session.execute(_COUNT, {"id": message_id}).one()
    bad += len(staging.twice)
    counts = FileCounts(
        head.declared_count,
        staging.item_count,
        bad,
        broken,
        called_off=mass_orders.is_called_off(session, head.mass_id)
        and cancels < staging.staged_count,
    )
    reason = decide_hold(counts, settings.mass_hold_percent, settings.mass_hold_count)
    row = session.get_one(MassFile, message_id, with_for_update=True)
    row.item_count, row.same_count = staging.item_count, staging.same_count
    row.rejected_count, row.refused_count = bad, refused + len(staging.twice)
    row.staged_count, row.done_seq = staging.staged_count, 0
    if row.decided_by is not None:
        # Two people let it go before the database lost what had been prepared.
        reason = None
    state = MassFileState.HELD if reason else MassFileState.READY
    if staging.item_count == 0 and broken is not None:
        state = MassFileState.REJECTED
    mass_orders.move_file(row, state, now)
    row.hold_reason = reason
    if counts.items != counts.declared:
        words = f"DeclaredCount is {counts.declared}, the file has {counts.items} items."
        refusals.insert(0, Refusal(None, find(RejectCode.MASS_COUNT, "DeclaredCount", words)))
    if bad:
        words = f"{bad} of {counts.items} items were not taken."
        refusals.insert(0, Refusal(None, find(RejectCode.MASS_PARTIAL, "Items", words)))
    if state is MassFileState.HELD:
        words = f"{head.mass_id}: {staging.item_count} items, {reason}"
        alarms.open_alarm(session, mass_orders.HELD_ALARM, str(message_id), words, now)
    mass_orders.note_weighed(session, head, message_id, state, now)
    if state is MassFileState.READY and head.action == "CANCEL" and not staging.item_count:
        mass_orders.call_off(session, head.mass_id, now, by="system:cis")
    inbound.add_findings(
        session, message_id, [(one.order_id, one.finding) for one in refusals], now
    )
    told = [one for one in refusals if one.finding.severity is Severity.ERROR]
    return Weighing(state, told + marked, twice)


def _described(head: MassHead) -> dict[str, object]:
    return {
        "wave": head.wave,
        "area_name": head.area_name,
        "contract_ref": head.contract_ref,
        "planned_from_on": head.planned_from_on,
        "planned_to_on": head.planned_to_on,
    }


_COUNT = text(
    """
    SELECT count(*) FILTER (WHERE verdict IN ('REJECTED', 'BAD', 'TWICE')),
        count(*) FILTER (WHERE verdict IN ('BAD', 'TWICE')),
        count(*) FILTER (WHERE verdict = 'CANCEL')
    FROM mass_stage WHERE inbound_message_id = :id
    """
)
# Grouping tells quickly that nothing is there twice, which is the rule; only then is it looked for.
_ANY_TWICE = text(
    """
    SELECT EXISTS (SELECT 1 FROM mass_stage WHERE inbound_message_id = :id AND item_no IS NOT NULL
                   GROUP BY item_no HAVING count(*) > 1)
        OR EXISTS (SELECT 1 FROM mass_stage WHERE inbound_message_id = :id AND verdict = 'NEW'
                   GROUP BY gsrn HAVING count(*) > 1)
    """
)
_MARK_TWICE = text(
    """
    WITH firsts AS (
        SELECT seq,
            CASE WHEN item_no IS NULL THEN seq
                ELSE first_value(seq) OVER (PARTITION BY item_no ORDER BY seq) END AS number_seq,
            CASE WHEN verdict <> 'NEW' THEN seq ELSE first_value(seq)
                OVER (PARTITION BY verdict = 'NEW', gsrn ORDER BY seq) END AS point_seq
        FROM mass_stage WHERE inbound_message_id = :id),
    twice AS (
        SELECT seq, CASE WHEN seq <> number_seq THEN number_seq ELSE point_seq END AS first_seq,
            CASE WHEN seq <> number_seq THEN 'ItemNo' ELSE 'MeteringPoint/Identification' END
                AS path
        FROM firsts WHERE seq <> number_seq OR seq <> point_seq),
    marked AS (
        UPDATE mass_stage s SET verdict = 'TWICE', cause = twice.path
        FROM twice JOIN mass_stage f ON f.inbound_message_id = :id AND f.seq = twice.first_seq
        WHERE s.inbound_message_id = :id AND s.seq = twice.seq
        RETURNING s.seq, s.order_id, s.line, twice.path,
            twice.path || ' occurs before, in the item on line ' || f.line || '.' AS words),
    kept AS (
        INSERT INTO inbound_finding (inbound_message_id, order_id, line, path, code, severity,
            text, at)
        SELECT :id, order_id, line, path, :code, 'ERROR', words, :now FROM marked ORDER BY seq)
    SELECT order_id, line, path, words, count(*) OVER () AS number FROM marked
    ORDER BY seq LIMIT :most
    """
)
# An order of the same mass order for the same point that goes on and that this file is not about.
_MARK_TAKEN = text(
    """
    UPDATE mass_stage s SET verdict = 'TWICE', cause = 'MeteringPoint/Identification'
    FROM work_order o
    WHERE s.inbound_message_id = :id AND s.seq > :done AND s.verdict = 'NEW' AND o.gsrn = s.gsrn
      AND o.mass_id = :mass_id AND o.order_id <> s.order_id
      AND o.state NOT IN ('REJECTED', 'CANCELLED', 'RETURNED')
      AND NOT EXISTS (SELECT 1 FROM mass_stage m WHERE m.inbound_message_id = :id
                      AND m.order_id = o.order_id AND m.verdict IN ('NEW', 'CANCEL'))
    RETURNING s.order_id, s.line, o.order_id AS other
    """
)
_ALREADY_SAME = text(
    """
    SELECT s.seq, s.order_id, s.line, o.source_hash FROM mass_stage s
    JOIN work_order o ON o.order_id = s.order_id
    WHERE s.inbound_message_id = :id AND s.verdict <> 'TWICE' AND o.source_hash IS NOT NULL
    """
)


def _mark_twice(session: Session, message_id: int, now: datetime) -> tuple[list[Refusal], int]:
    """Of items with one number or one point the first counts; the others are refused alone.

    The database keeps the findings, since every item of a large file may be such a one; here come
    those that the CIS hears of, and how many there are.
    """
    if not session.execute(_ANY_TWICE, {"id": message_id}).scalar_one():
        return [], 0
    values = {
        "id": message_id,
        "code": RejectCode.MASS_DUP_ITEM.value,
        "now": now,
        "most": _TOLD_MOST,
    }
    rows = session.execute(_MARK_TWICE, values).all()
    told = [_twice(row.order_id, row.path, row.line, row.words) for row in rows]
    return told, rows[0].number if rows else 0


def _refuse_taken(
    session: Session,
    message_id: int,
    mass_id: str,
    staging: Staging,
    known: Sequence[int],
) -> list[Refusal]:
    """Refuse items that an order of an earlier file, or an item left as it was, stands for."""
    found: list[Refusal] = []
    key = {"id": message_id}
    if session.execute(_ANY_ORDER, {"mass_id": mass_id}).scalar_one():
        found += _mark_taken(session, message_id, mass_id)
    if staging.same_count:
        rows = session.execute(_ALREADY_SAME, key, execution_options={"yield_per": _FETCH_ROWS})
        for row in [one for one in rows if _was_seen(one.source_hash, staging, known)]:
            session.execute(
                text(
                    "UPDATE mass_stage SET verdict = 'TWICE'"
                    " WHERE inbound_message_id = :id AND seq = :seq"
                ),
                {**key, "seq": row.seq},
            )
            words = "ItemNo occurs twice, once unchanged."
            found.append(_twice(row.order_id, "ItemNo", row.line, words))
    if staging.twice:
        words = f"{len(staging.twice)} items occur twice, word for word."
        found.append(_twice(None, "ItemNo", None, words))
    return found


# Orders that were changed by themselves have no hash among the known ones, and count all the same.
_ANY_ORDER = text("SELECT EXISTS (SELECT 1 FROM work_order WHERE mass_id = :mass_id)")


def _mark_taken(
    session: Session, message_id: int, mass_id: str, done_seq: int = 0
) -> list[Refusal]:
    """Refuse items behind done_seq for whose points the mass order has other orders that go on."""
    rows = session.execute(_MARK_TAKEN, {"id": message_id, "mass_id": mass_id, "done": done_seq})
    return [
        _twice(
            row.order_id,
            "MeteringPoint/Identification",
            row.line,
            f"The metering point has order {row.other} of the same mass order.",
        )
        for row in rows
    ]


def _was_seen(source_hash: int, staging: Staging, known: Sequence[int]) -> bool:
    place = bisect_left(known, source_hash)
    return place < len(known) and known[place] == source_hash and bool(staging.seen[place])


def _twice(order_id: str | None, path: str, line: int | None, words: str) -> Refusal:
    severity = Severity.ERROR
    return Refusal(order_id, Finding(RejectCode.MASS_DUP_ITEM, path, words, line, severity))
