"""Weighing a mass file as a whole: what is there twice, and whether it may go on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.findings import find
from app.domain.mass_checks import FileCounts, decide_hold
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import MassFileState
from app.models.mass_order import MassFile
from app.services import alarms, inbound, mass_orders, mass_twice
from app.services.mass_staging import Staging
from app.services.slices import Refusal
from app.settings import Settings
from integrations.cis.types import MassHead


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
    marked, twice = mass_twice.mark_twice(session, message_id, now)
    refusals = mass_twice.refuse_taken(session, message_id, head.mass_id, staging, known)
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


_COUNT = text(
    """
    SELECT count(*) FILTER (WHERE verdict IN ('REJECTED', 'BAD', 'TWICE')),
        count(*) FILTER (WHERE verdict IN ('BAD', 'TWICE')),
        count(*) FILTER (WHERE verdict = 'CANCEL')
    FROM mass_stage WHERE inbound_message_id = :id
    """
)
