"""Making the orders of a mass file, slice by slice, each slice in one transaction.

What is new is made by the database itself out of the working table; what is known already goes the
way of single orders. A slice may be made again after a death: what is there is not made twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.lanes import ACKS, partner_lane
from app.domain.reject_codes import RejectCode, Severity
from app.domain.revisions import Action, Verdict
from app.domain.states import MassFileState, WorkOrderState
from app.doorbell import ring_after_commit
from app.models.mass_order import MassFile
from app.services import inbound, intake, mass_files, mass_orders, order_store, points, runs
from app.services.order_store import Existing, Weighed
from app.services.slices import Lists, Refusal, Slice, SliceResult
from app.services.work_orders import KIND
from integrations.cis.types import CisWorkOrder

_decoder = msgspec.json.Decoder(CisWorkOrder)


def split_slice(
    session: Session,
    row: MassFile,
    seqs: tuple[int, int],
    lists: Lists,
    run_id: int,
    now: datetime,
) -> SliceResult:
    """Make the orders of the items from seqs[0] to seqs[1], their history and what has to leave."""
    message_id = row.inbound_message_id
    mass = mass_files.context_of(session, row.mass_id)
    part = Slice(message_id, run_id, now, lists, mass)
    where = {"id": message_id, "first": seqs[0], "last": seqs[1]}
    result = SliceResult()
    _add_points(session, where, now)
    # Locked in one sequence, before anything is decided about them.
    known = session.execute(_KNOWN, where).all()
    values = {
        **where,
        "mass_id": mass.mass_id,
        "run_id": run_id,
        "hold_reason": mass.hold_reason,
        "kind": KIND,
        "now": now,
        # Its rules were those of then: whatever has begun since may still help.
        "staged_at": row.created_at,
        "known": [row.order_id for row in known if row.exists],
    }
    made = session.execute(_MAKE, values).all()
    for verdict, partner, count in made:
        result.counts[verdict] += count
        if partner is not None:
            ring_after_commit(partner_lane(partner))
    if made:
        _let_acks_in(session, where)
    for some in _in_rounds(known):
        _take_known(session, part, some, result)
    if result.counts:
        runs.add_steps(session, run_id, [_step(mass.mass_id, seqs, result.counts, now)])
    return result


def finish(session: Session, message_id: int, now: datetime) -> None:
    """All orders of the file are made, so the working table is done with it."""
    row = session.get_one(MassFile, message_id, with_for_update=True)
    mass_orders.move_file(row, MassFileState.SPLIT, now)
    session.execute(
        text("DELETE FROM mass_stage WHERE inbound_message_id = :id"), {"id": message_id}
    )
    mass_orders.note_split(session, row.mass_id, now)


def is_staged(session: Session, row: MassFile) -> bool:
    """Whether the working table still has what was prepared; a crash of the database empties it."""
    statement = text("SELECT count(*) FROM mass_stage WHERE inbound_message_id = :id")
    found = session.execute(statement, {"id": row.inbound_message_id}).scalar_one()
    return int(found) == row.staged_count


def read_again(session: Session, message_id: int, now: datetime) -> None:
    """Have the file read anew from our own copy; what people decided about it stays."""
    row = session.get_one(MassFile, message_id, with_for_update=True)
    mass_orders.move_file(row, MassFileState.READING, now)
    session.execute(
        text(
            "UPDATE inbound_message SET state = 'STORED', attempts = 0, next_at = :now"
            " WHERE id = :id"
        ),
        {"id": message_id, "now": now},
    )


# One scan, whose rows the three tables are filled from without any join: nothing here depends on
# statistics, which no planner has of a table that was empty a moment ago. The facts are taken apart
# once per item. Only one process makes orders of files, so what is not there now will not be there.
_MAKE = text(
    """
    WITH s AS MATERIALIZED (
        SELECT order_id, gsrn, verdict, content_hash, source_hash, municipality_code, customer_id,
            cause, partner_code, route_rule_id, route_set_number, payload_hash, key_info, payload,
            facts,
            CAST(facts->>'revision' AS int) AS revision,
            coalesce(CAST(facts->>'priority' AS int), 3) AS priority,
            CASE WHEN verdict = 'REJECTED' THEN 'REJECTED' WHEN partner_code IS NULL THEN 'NO_ROUTE'
                ELSE 'ROUTED' END AS state
        FROM (SELECT *, CAST(m.facts_text AS jsonb) AS facts FROM (
                SELECT order_id, gsrn, verdict, content_hash, source_hash, municipality_code,
                    customer_id, cause, partner_code, route_rule_id, route_set_number, payload_hash,
                    key_info, payload, facts AS facts_text
                FROM mass_stage
                WHERE inbound_message_id = :id AND seq BETWEEN :first AND :last
                  AND verdict IN ('NEW', 'REJECTED') AND order_id <> ALL(:known)
                OFFSET 0) m) n),
    made AS (
        INSERT INTO work_order (order_id, revision, content_hash, order_type_code, state, state_at,
            base_state, priority, mass_id, source_hash, gsrn, municipality_code, customer_id,
            old_meter_number, required_model, window_from, window_to, due_on, presence_required,
            facts, key_info, partner_code, route_rule_id, route_reason, route_set_number,
            routed_at, attempts, inbound_message_id, created_at, updated_at)
        SELECT order_id, revision, content_hash, facts->>'order_type_code', state, :now, state,
            priority, :mass_id, source_hash, gsrn, municipality_code, customer_id,
            facts->>'old_meter_number', facts->>'required_model',
            CAST(facts->>'window_from' AS timestamptz), CAST(facts->>'window_to' AS timestamptz),
            CAST(facts->>'due_on' AS date),
            coalesce(CAST(facts->>'presence_required' AS boolean), false), facts, key_info,
            partner_code, route_rule_id, CASE WHEN verdict = 'NEW' THEN cause END,
            route_set_number, :staged_at, 0, :id, :now, :now
        FROM s),
    told AS (
        INSERT INTO work_order_change (order_id, revision, at, from_state, states, cause, run_id)
        SELECT order_id, revision, :now, NULL,
            CASE WHEN state = 'REJECTED' THEN ARRAY['RECEIVED', 'REJECTED']
                ELSE ARRAY['RECEIVED', 'VALIDATED', state] END,
            'CIS NEW: ' || coalesce(cause, ''), :run_id
        FROM s),
    leaving AS (
        INSERT INTO outbox_item (lane, kind, business_key, order_key, gsrn, version, dedupe_key,
            payload, payload_hash, mode, priority, state, hold_reason, attempts, next_at,
            created_at)
        SELECT 'partner.' || partner_code, :kind, order_id, gsrn, gsrn, revision,
            order_id || '-' || revision, CAST(payload AS jsonb), payload_hash, 'idempotent',
            10 * priority,
            CASE WHEN CAST(:hold_reason AS text) IS NULL THEN 'READY' ELSE 'HELD' END, :hold_reason,
            0, :now, :now
        FROM s WHERE state = 'ROUTED'
        ON CONFLICT (dedupe_key) DO NOTHING)
    SELECT CASE WHEN state = 'REJECTED' THEN 'REJECTED' ELSE 'NEW' END AS verdict, partner_code,
        count(*) AS count
    FROM s GROUP BY 1, 2
    """
)
_KNOWN = text(
    """
    SELECT s.order_id, s.verdict, s.line, s.counted, s.content_hash, s.source_hash, s.facts,
        s.key_info, o.order_id IS NOT NULL AS exists
    FROM mass_stage s LEFT JOIN work_order o ON o.order_id = s.order_id
    WHERE s.inbound_message_id = :id AND s.seq BETWEEN :first AND :last
      AND (s.verdict = 'CANCEL' OR s.verdict IN ('NEW', 'REJECTED') AND o.order_id IS NOT NULL)
    ORDER BY s.seq
    """
)
_UNKNOWN_POINTS = text(
    """
    SELECT s.facts, s.key_info FROM mass_stage s
    WHERE s.inbound_message_id = :id AND s.seq BETWEEN :first AND :last AND s.verdict = 'NEW'
      AND NOT EXISTS (SELECT 1 FROM metering_point p WHERE p.gsrn = s.gsrn)
    ORDER BY s.gsrn
    """
)
_HELD_ACKS = text(
    """
    SELECT DISTINCT m.business_key FROM inbound_message m
    JOIN mass_stage s ON s.order_id = m.business_key AND s.inbound_message_id = :id
        AND s.seq BETWEEN :first AND :last
    WHERE m.kind = 'ACK' AND m.state IN ('STORED', 'HELD')
    """
)


def _add_points(session: Session, where: dict[str, Any], now: datetime) -> None:
    unknown = [_order_of(row) for row in session.execute(_UNKNOWN_POINTS, where)]
    points.add_unknown(session, unknown, {}, now)


def _let_acks_in(session: Session, where: dict[str, Any]) -> None:
    """Acknowledgements that came before their orders may be read now."""
    keys = list(session.execute(_HELD_ACKS, where).scalars())
    if inbound.reopen(session, "ACK", keys, "ACK_UNKNOWN_ORDER"):
        ring_after_commit(ACKS)


def _in_rounds(rows: Sequence[Any]) -> list[list[Any]]:
    """An order that is there twice is weighed the second time against the first."""
    rounds: list[list[Any]] = []
    seen: Counter[str] = Counter()
    for row in rows:
        place = seen[row.order_id]
        seen[row.order_id] += 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(row)
    return rounds


def _take_known(session: Session, part: Slice, rows: Sequence[Any], result: SliceResult) -> None:
    """Weigh items whose orders are known, or that call one off, as single orders are weighed."""
    existing = intake.find_existing(session, [row.order_id for row in rows])
    orders = [_order_of(row) for row in rows]
    found = intake.find_points(session, [order.gsrn for order in orders])
    weighed: list[Weighed] = []
    kept: list[tuple[str | None, Finding]] = []
    for row, order in zip(rows, orders, strict=True):
        before = existing.get(order.order_id)
        if before is not None and _is_taken(row, before, part.message_id):
            result.counts["TAKEN_BEFORE"] += 1
            continue
        if before is not None and not row.counted and before.inbound_message_id > part.message_id:
            # The file waited meanwhile, and what it says has no number of its own to be weighed by.
            result.counts[Verdict.STALE] += 1
            kept.append((order.order_id, _overtaken(row.line)))
            continue
        if before is not None and _is_same(row, order, before):
            result.counts["SAME"] += 1
            continue
        if not row.counted and before is not None:
            order = msgspec.structs.replace(order, revision=_next_revision(before))  # noqa: PLW2901
        one = intake.weigh(order, row.content_hash, before, found, part)
        weighed.append(msgspec.structs.replace(one, source_hash=row.source_hash))
        result.counts[one.outcome] += 1
        if row.verdict == one.outcome == "REJECTED":
            # What is wrong with it was recorded, and told, when the file was weighed.
            continue
        kept += [(order.order_id, replace(f, line=row.line)) for f in one.findings]
    order_store.write(session, weighed, part, found)
    inbound.add_findings(session, part.message_id, kept, part.now)
    result.refusals += [
        Refusal(order_id, f) for order_id, f in kept if f.severity is Severity.ERROR
    ]


def _is_taken(row: Any, before: Existing, message_id: int) -> bool:
    """Whether this very file brought the order, before we died.

    One that was called off since and is made all the same was let go by two people: it comes alive.
    """
    revived = row.verdict == "NEW" and before.known.state is WorkOrderState.CANCELLED
    return before.inbound_message_id == message_id and not revived


def _overtaken(line: int) -> Finding:
    words = "A later file has changed the order; what this one says of it is older."
    return replace(find(RejectCode.STALE_REVISION, "Revision", words), line=line)


def _is_same(row: Any, order: CisWorkOrder, before: Existing) -> bool:
    if order.action == Action.CANCEL:
        # base_state: called off while they were at it, and not answered yet.
        return WorkOrderState.CANCELLED in (before.known.state, before.base_state)
    alive = before.known.state not in (WorkOrderState.REJECTED, WorkOrderState.CANCELLED)
    waiting = before.known.waiting
    newest = waiting[max(waiting)] if waiting else before.known.content_hash
    return alive and newest == row.content_hash


def _next_revision(before: Existing) -> int:
    rejected = before.known.state is WorkOrderState.REJECTED
    newest = max([before.known.revision, *before.known.waiting])
    return newest + (0 if rejected else 1)


def _order_of(row: Any) -> CisWorkOrder:
    order = _decoder.decode(row.facts)
    return msgspec.structs.replace(order, key_info=row.key_info) if row.key_info else order


def _step(mass_id: str, seqs: tuple[int, int], counts: Counter[str], now: datetime) -> runs.StepRow:
    words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return runs.StepRow(
        name="mass slice",
        state="OK",
        keys=(mass_id,),
        started_at=now,
        detail=f"items {seqs[0]} to {seqs[1]}: {words}",
    )
