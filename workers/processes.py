"""The lane of processes: takes starts one by one and does their chores.

A death at any line leaves a start that runs under a dead lease; the dispatcher lets it wait again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.db import is_connection_lost, transaction
from app.domain.states import ProcessStartState
from app.services import process_starts, runs
from app.services.process_starts import Taken
from app.settings import Settings
from workers.chores import chore_of
from workers.task import Task

log = structlog.get_logger()

S = ProcessStartState
_BAD = ("FAILED", "REJECTED")


@dataclass(frozen=True, slots=True)
class Working:
    """Who works, until when: batches bounds the number of starts, None means all."""

    settings: Settings
    lease: int
    trigger: str
    stopping: Callable[[], bool]
    batches: int | None = None


def run_processes(work: Working) -> int:
    """Do what waits until nothing may be taken; returns how many starts were done.

    A chore that fails by a fault of ours ends its own start only; the database going away ends the
    job.
    """
    done = 0
    for _ in itertools.count() if work.batches is None else range(work.batches):
        if work.stopping():
            break
        with transaction() as session:
            taken = process_starts.claim(session, work.lease, work.trigger, datetime.now(UTC))
        if taken is None:
            break
        _do(work, taken)
        done += 1
    return done


def _do(work: Working, taken: Taken) -> None:
    asked_to_stop = False

    def stopping() -> bool:
        nonlocal asked_to_stop
        with transaction() as session:
            asked_to_stop = process_starts.stop_is_asked(session, taken.id)
        return asked_to_stop or work.stopping()

    task = Task(
        taken.id,
        taken.key_id,
        taken.process,
        taken.run_id,
        taken.params,
        work.settings,
        stopping,
        taken.asked_by,
    )
    counts: Mapping[str, int] = {}
    reason: str | None = None
    try:
        chore = chore_of(taken.chore)
        if chore is None:
            reason = "CHORE_UNKNOWN"
        elif not stopping():
            counts = chore(task)
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("chore_failed", chore=taken.chore, start=taken.id)
        reason = f"INTERNAL {type(error).__name__}"
    _end(work, taken, counts, reason, asked_to_stop)


def _end(
    work: Working,
    taken: Taken,
    counts: Mapping[str, int],
    reason: str | None,
    asked_to_stop: bool,
) -> None:
    """How the start and its run ended, in one transaction: whoever waits for the end sees both."""
    now = datetime.now(UTC)
    bad = any(counts.get(name) for name in _BAD)
    if reason is not None:
        state, run_state = S.FAILED, "FAILED"
    elif asked_to_stop:
        state, run_state, reason = S.STOPPED, "PARTLY", "STOPPED"
    elif work.stopping():
        # It may have ended early for our sake: it is done again from the start.
        state, run_state = S.WAITING, "PARTLY"
    else:
        state, run_state = S.DONE, "PARTLY" if bad else "OK"
    with transaction() as session:
        process_starts.finish(session, taken.id, state, now, reason)
        runs.finish_run(session, taken.run_id, run_state, now, counts=dict(counts), error=reason)
