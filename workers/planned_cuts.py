"""Planned cuts by the clock, one transaction each: one that fails keeps none of the others waiting."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import structlog

from app.db import db, is_connection_lost, transaction
from app.services import alarms, planned_clock, planned_watch, runs
from app.services.runs import StepRow

log = structlog.get_logger()

PROCESS = "planned cuts"
FAILED_ALARM = "PLANNED_STEP_FAILED"


def turn_planned_cuts(lease: int, trigger: str, now: datetime) -> Counter[str]:
    """Do all that is due; a run is recorded when something was."""
    counts: Counter[str] = Counter()
    with transaction() as session:
        due = planned_clock.due_ids(session, now)
    run_id: int | None = None
    for outage_id in due:
        subject = planned_watch.subject_of(outage_id)
        try:
            with transaction() as session:
                done = planned_clock.turn(session, outage_id, now)
                run = run_id
                if done:
                    run = run or runs.start_run(session, PROCESS, trigger, now, lease=lease)
                    steps = [StepRow(f"planned {step}", "OK", (subject,), now) for step in done]
                    runs.add_steps(session, run, steps)
                alarms.close_alarm(session, FAILED_ALARM, subject, now)
            # Only now is the run there.
            run_id = run
            counts.update(done)
        except Exception as error:
            if is_connection_lost(error):
                raise
            log.exception("planned_step_failed", outage=outage_id)
            db.session.remove()
            counts["FAILED"] += 1
            with transaction() as session:
                words = f"The clock could not do what is due: {type(error).__name__}."
                alarms.open_alarm(session, FAILED_ALARM, subject, words, now)
    if run_id is not None:
        with transaction() as session:
            state = "PARTLY" if counts["FAILED"] else "OK"
            runs.finish_run(session, run_id, state, now, counts=counts)
    with transaction() as session:
        planned_watch.raise_alarms(session, now)
    return counts
