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

FAILED_ALARM = "MASS_SPLIT_FAILED"
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

    Refused and called-off ones are left out, since the same words mean something anew for them.
    """
    statement = text(
        "SELECT source_hash FROM work_order WHERE mass_id = :mass_id AND source_hash IS NOT NULL"
        " AND state NOT IN ('REJECTED', 'CANCELLED') ORDER BY source_hash"
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
    """The oldest file of which orders may be made now."""
    return session.execute(
        select(MassFile)
        .where(MassFile.state == MassFileState.READY, MassFile.next_at <= now)
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


def note_done(session: Session, message_id: int, seq: int) -> None:
    """Orders are made up to this item; after a death the making goes on behind it."""
    session.execute(
        text("UPDATE mass_file SET done_seq = :seq WHERE inbound_message_id = :id"),
        {"id": message_id, "seq": seq},
    )


def answer(session: Session, message_id: int, refusals: Sequence[Refusal], now: datetime) -> None:
    """Tell the CIS of items that turned out impossible only when their orders were made."""
    row = session.get_one(InboundMessage, message_id)
    rejects.put_reject(
        session,
        file_name=f"{row.name.rsplit('.', 1)[0]}.orders.xml",
        body_hash=row.body_hash,
        message_id=row.message_id,
        refusals=[(one.order_id, one.finding) for one in refusals],
        now=now,
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
    refusals = _refuse_twice(session, message_id, head.mass_id, staging, known)
    twice = sum(1 for one in refusals if one.order_id is not None)
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
    return Weighing(state, told, twice)


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
    WITH numbered AS (
        SELECT seq, first_value(seq) OVER (PARTITION BY item_no ORDER BY seq) AS first_seq
        FROM mass_stage WHERE inbound_message_id = :id AND item_no IS NOT NULL),
    placed AS (
        SELECT seq, first_value(seq) OVER (PARTITION BY gsrn ORDER BY seq) AS first_seq
        FROM mass_stage WHERE inbound_message_id = :id AND verdict = 'NEW'),
    twice AS (
        SELECT seq, 'ItemNo' AS path, first_seq FROM numbered WHERE seq <> first_seq
        UNION ALL
        SELECT seq, 'MeteringPoint/Identification', first_seq FROM placed
        WHERE seq <> first_seq AND seq NOT IN (SELECT seq FROM numbered WHERE seq <> first_seq))
    UPDATE mass_stage s SET verdict = 'TWICE', cause = twice.path
    FROM twice JOIN mass_stage f ON f.inbound_message_id = :id AND f.seq = twice.first_seq
    WHERE s.inbound_message_id = :id AND s.seq = twice.seq
    RETURNING s.order_id, s.line, twice.path, f.item_no, f.line AS first_line
    """
)
# An order of the same mass order for the same point that goes on and that this file is not about.
_MARK_TAKEN = text(
    """
    UPDATE mass_stage s SET verdict = 'TWICE', cause = 'MeteringPoint/Identification'
    FROM work_order o
    WHERE s.inbound_message_id = :id AND s.verdict = 'NEW' AND o.gsrn = s.gsrn
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


def _refuse_twice(
    session: Session,
    message_id: int,
    mass_id: str,
    staging: Staging,
    known: Sequence[int],
) -> list[Refusal]:
    """Of items with one number or one point the first counts; the others are refused alone."""
    found: list[Refusal] = []
    key = {"id": message_id}
    if session.execute(_ANY_TWICE, key).scalar_one():
        for row in session.execute(_MARK_TWICE, key):
            words = f"{row.path} occurs before, in the item on line {row.first_line}."
            found.append(_twice(row.order_id, row.path, row.line, words))
    if known:
        for row in session.execute(_MARK_TAKEN, {**key, "mass_id": mass_id}):
            words = f"The metering point has order {row.other} of the same mass order."
            found.append(_twice(row.order_id, "MeteringPoint/Identification", row.line, words))
        for row in session.execute(_ALREADY_SAME, key).all():
            place = bisect_left(known, row.source_hash)
            if place < len(known) and known[place] == row.source_hash and staging.seen[place]:
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


def _twice(order_id: str | None, path: str, line: int | None, words: str) -> Refusal:
    severity = Severity.ERROR
    return Refusal(order_id, Finding(RejectCode.MASS_DUP_ITEM, path, words, line, severity))
