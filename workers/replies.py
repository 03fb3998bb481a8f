"""The replies lane: handles text messages to us, one after the other, until none waits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from app.db import is_connection_lost, transaction
from app.domain.lanes import REPLIES
from app.models.reply import InboundSms
from app.queries.point_cuts import cuts_of
from app.services import inbound_sms, lanes, replies, reply_cases, runs
from app.services.inbound_sms import Taken
from app.services.reply_cases import CaseReason
from app.settings import Settings
from workers.run_end import end_run

log = structlog.get_logger()

# A worker that is told to stop finishes its job first, so a job must not last for ever.
_JOB_COUNT = 500


def handle_replies(settings: Settings, lease: int, trigger: str) -> Counter[str]:
    """Handle what waits; returns how many got which verdict.

    A fault of ours postpones the one message and lets the next pass; after a few tries a person
    gets it.
    """
    counts: Counter[str] = Counter()
    run_id: int | None = None
    error: str | None = None
    try:
        while sum(counts.values()) < _JOB_COUNT:
            with transaction() as session:
                if lanes.is_paused(session, REPLIES):
                    break
                taken = inbound_sms.take(session, _now())
            if taken is None:
                break
            run_id, verdict = _handle(taken, settings, run_id, lease, trigger)
            counts[verdict] += 1
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        bad = counts["POSTPONED"] + counts["HELD"]
        end_run(run_id, "FAILED" if error else "PARTLY" if bad else "OK", counts, error)
    return counts


def _handle(
    taken: Taken, settings: Settings, run_id: int | None, lease: int, trigger: str
) -> tuple[int, str]:
    now = _now()
    try:
        with transaction() as session:
            this_run = run_id or runs.start_run(session, "replies", trigger, now, lease=lease)
            sms = inbound_sms.lock(session, taken.id)
            if sms is None:
                verdict = "DUPLICATE"
            elif taken.attempts > inbound_sms.TRIES:
                verdict = _give_up(session, sms, now)
            else:
                verdict = replies.handle(session, sms, settings, now, cuts_of)
            runs.add_steps(session, this_run, [_step(taken.id, sms, verdict, now)])
    except Exception as caught:
        if is_connection_lost(caught):
            raise
        log.exception("reply_not_handled", message=taken.id)
        return _postpone(taken, run_id, lease, trigger, type(caught).__name__)
    return this_run, verdict


def _give_up(session: Session, sms: InboundSms, now: datetime) -> str:
    sms.case_id = reply_cases.open_case(session, sms.from_number, CaseReason.FAILED, now)
    inbound_sms.hold(sms, now)
    return "HELD"


def _postpone(
    taken: Taken, run_id: int | None, lease: int, trigger: str, error: str
) -> tuple[int, str]:
    now = _now()
    with transaction() as session:
        this_run = run_id or runs.start_run(session, "replies", trigger, now, lease=lease)
        inbound_sms.note_failure(session, taken.id, error)
        step = runs.StepRow(
            name="reply",
            state="POSTPONED",
            keys=(_key(taken.id),),
            started_at=now,
            detail=f"try {taken.attempts} of {inbound_sms.TRIES}",
            error_class=error,
        )
        runs.add_steps(session, this_run, [step])
    return this_run, "POSTPONED"


def _step(message_id: int, sms: InboundSms | None, verdict: str, now: datetime) -> runs.StepRow:
    about = (sms.gsrn, sms.order_id, sms.sid) if sms is not None else ()
    return runs.StepRow(
        name="reply",
        state=verdict if verdict in ("HELD", "DUPLICATE") else "APPLIED",
        keys=(_key(message_id), *(key for key in about if key)),
        started_at=now,
        detail=verdict,
    )


def _key(message_id: int) -> str:
    return f"sms:{message_id}"


def _now() -> datetime:
    return datetime.now(UTC)
