"""What runners tell of their attempts, carried into items and what these are about.

Each attempt is settled once: told again, it changes nothing. What is told after the lease has ended
is the truth all the same: a doubt ends by it, and what had gone back to be sent again stays where it
has arrived; only an item that moved on meanwhile keeps its state, and the attempt is on record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array
from app.domain.lanes import Mode, mode_of
from app.domain.zones import CallEnd
from app.models.zone import LaneRunner, RunnerClaim
from app.services import lane_runners, lanes, runs, sending_slices
from app.services.call_ends import after_error
from app.services.outbox import Claimed, Settlement
from app.settings import Settings
from integrations.outcomes import (
    CallError,
    ContractBroken,
    Finding,
    LaneDown,
    Rejected,
    Retryable,
    UnknownOutcome,
    plain,
)
from integrations.runner_api.types import ClaimAsked, Report

APPLIED, RECORDED, ALREADY, UNKNOWN = "APPLIED", "RECORDED", "ALREADY", "UNKNOWN"


@dataclass(frozen=True, slots=True)
class _Told:
    """A report with the item that it is about, and what is to be recorded of it."""

    attempt_id: UUID
    lane: str
    lease: int
    end: str
    settlement: Settlement


def settle(
    session: Session,
    row: LaneRunner,
    reports: Sequence[Report],
    settings: Settings,
    now: datetime,
) -> list[str]:
    """Take reports in; returns what became of each, in their order."""
    found = {
        claim.attempt_id: claim
        for claim in lane_runners.find_claims(
            session, row.zone_code, [report.attempt for report in reports]
        )
    }
    results: list[str] = []
    told: dict[UUID, _Told] = {}
    for report in reports:
        claim = found.get(report.attempt)
        if claim is None:
            results.append(UNKNOWN)
        elif claim.settled_at is not None or report.attempt in told:
            results.append(ALREADY)
        else:
            told[report.attempt] = _told(claim, report, now)
            results.append(RECORDED)
    _adopt_what_arrived(session, told, found)
    moved = _record(session, row, list(told.values()), settings, now)
    _note_settled(session, list(told.values()), now)
    return [
        APPLIED
        if result == RECORDED and told[report.attempt].settlement.item.id in moved
        else result
        for report, result in zip(reports, results, strict=True)
    ]


def recall(
    session: Session, row: LaneRunner, asked: ClaimAsked, settings: Settings, now: datetime
) -> None:
    """Take back what was handed in an answer that got lost, if its lane was paused meanwhile.

    A runner asks for a claim again only as long as it has written nothing of it down. Not of messages
    to people: those are not begun later than a moment after the last look, and a request that comes
    twice by itself must put none of them back that has been begun.
    """
    name = plain(asked.lane)
    if mode_of(name) is Mode.ONCE or not lanes.is_paused(session, name):
        return
    lost = session.execute(
        select(RunnerClaim.attempt_id).where(
            RunnerClaim.claim_id == asked.claim,
            RunnerClaim.runner_id == row.id,
            RunnerClaim.settled_at.is_(None),
        )
    ).scalars()
    reports = [Report(attempt=attempt, end="NOT_BEGUN") for attempt in lost]
    if reports:
        settle(session, row, reports, settings, now)


def _adopt_what_arrived(
    session: Session, told: Mapping[UUID, _Told], found: Mapping[UUID, Any]
) -> None:
    """What went back when the lease ended, and has arrived after all, is not sent again.

    Nor once it was held meanwhile by a pause.
    """
    ids = [
        one.settlement.item.id
        for one in told.values()
        if one.end == CallEnd.SENT and found[one.attempt_id].state in ("READY", "HELD")
    ]
    leases = {one.settlement.item.id: one.lease for one in told.values()}
    if ids:
        session.execute(
            text(
                "UPDATE outbox_item item SET state = 'CLAIMED', lease = n.lease, hold_reason = NULL"
                " FROM unnest(CAST(:ids AS bigint[]), CAST(:leases AS bigint[])) AS n (id, lease)"
                " WHERE item.id = n.id AND item.state IN ('READY', 'HELD')"
            ),
            {"ids": plain_array(ids), "leases": plain_array(leases[one] for one in ids)},
        )


def _record(
    session: Session,
    row: LaneRunner,
    told: Sequence[_Told],
    settings: Settings,
    now: datetime,
) -> set[int]:
    moved: set[int] = set()
    for lane, own in _by(told, lambda one: one.lane):
        run_id = lane_runners.start_run(session, row, lane, now)
        for lease, part in _by(own, lambda one: one.lease):
            done = [one.settlement for one in part]
            moved |= sending_slices.record(
                session, lane, lease, done, run_id, now, settings.unknown_grace_s
            )
            if any(one.outcome == "UNKNOWN" for one in done):
                lane_runners.doubts_stay(session, lease)
        # What was never begun says nothing about the receiver.
        called = [one.settlement for one in own if one.end != CallEnd.NOT_BEGUN]
        if called:
            sending_slices.note_outcomes(session, lane, called, now)
        counts = Counter(
            CallEnd.NOT_BEGUN.value if one.end == CallEnd.NOT_BEGUN else one.settlement.outcome
            for one in own
        )
        bad = counts["REJECTED"] + counts["UNKNOWN"] + counts["NOT_SENT"]
        runs.finish_run(session, run_id, "PARTLY" if bad else "OK", now, counts=counts)
    return moved


def _by(told: Sequence[_Told], key: Any) -> Iterator[tuple[Any, list[_Told]]]:
    groups: dict[Any, list[_Told]] = {}
    for one in told:
        groups.setdefault(key(one), []).append(one)
    yield from groups.items()


def _note_settled(session: Session, told: Sequence[_Told], now: datetime) -> None:
    if told:
        session.execute(
            text(
                "UPDATE runner_claim c SET settled_at = :now, told = n.told"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:told AS text[])) AS n (id, told)"
                " WHERE c.attempt_id = n.id"
            ),
            {
                "now": now,
                "ids": plain_array(one.attempt_id for one in told),
                "told": text_array([one.end for one in told]),
            },
        )


def _told(claim: Any, report: Report, now: datetime) -> _Told:
    item = Claimed(*claim[:12])
    mode = Mode(claim.mode)
    started_at = min(max(report.started_at or claim.claimed_at, claim.claimed_at), now)
    finished_at = min(max(report.finished_at or started_at, started_at), now)
    outcome, state, error = "SENT", "SENT", None
    next_at: datetime | None = None
    attempt_id: UUID | None = claim.attempt_id
    if report.end == CallEnd.NOT_BEGUN:
        outcome, state, next_at = "NOT_SENT", "READY", now
        # Only mode once has an attempt on record before its call; the other was never tried.
        attempt_id = claim.attempt_id if mode is Mode.ONCE else None
    elif report.end != CallEnd.SENT:
        error = _error(report)
        most = None if claim.probe else claim.max_attempts
        outcome, state, next_at = after_error(item, error, started_at, mode, most)
    return _Told(
        claim.attempt_id,
        claim.lane,
        claim.lease,
        report.end,
        Settlement(
            item=item,
            attempt_id=attempt_id,
            outcome=outcome,
            state=state,
            started_at=started_at,
            finished_at=finished_at,
            next_at=next_at,
            error_class=_class(report, error),
            error=plain(report.why) if report.why else None,
            ref=plain(report.ref) if report.ref else None,
            findings=tuple(
                (f.path, f.code, f.text)
                for f in (error.findings if isinstance(error, Rejected) else ())
            ),
            route=claim.taken,
            cost_millicents=claim.cost_millicents,
        ),
    )


def _class(report: Report, error: CallError | None) -> str | None:
    if report.end == CallEnd.NOT_BEGUN:
        return "NotBegun"
    if report.end == CallEnd.DIED:
        return "RunnerDied"
    return type(error).__name__ if error is not None else None


def _error(report: Report) -> CallError:
    why = plain(report.why or "no reason was told")
    if report.end == CallEnd.DIED:
        return UnknownOutcome("the runner died during the call")
    if report.error == "Rejected":
        findings = (Finding(plain(f.path), plain(f.code), plain(f.text)) for f in report.findings)
        return Rejected(why, tuple(findings))
    if report.error == "Retryable":
        return Retryable(why, report.after_s)
    if report.error == "LaneDown":
        return LaneDown(why, report.after_s)
    if report.error == "ContractBroken":
        return ContractBroken(why)
    # A word that we do not know leaves open what happened.
    return UnknownOutcome(why)
