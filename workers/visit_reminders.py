"""Reminders of tomorrow's visits: batch by batch, and one by one where a batch fails.

One that fails by a fault of ours keeps nobody else from being reminded. It is tried again every minute
of the evening, and an alarm about its order until it is done or the visit has begun.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from app.db import db, is_connection_lost, transaction
from app.services import alarms, runs, visit_notices, visits

log = structlog.get_logger()

PROCESS = "remind of visits"
FAILED_ALARM = "REMINDER_FAILED"
_PAUSE = timedelta(minutes=1)
_FAILED_LATELY = text(
    "SELECT subject FROM alarm WHERE kind = :kind AND closed_at IS NULL AND last_seen_at > :since"
)


def remind_of_visits(lease: int, trigger: str, now: datetime) -> Counter[str]:
    """Remind of every visit that is due; what a death leaves undone the next round finds."""
    counts: Counter[str] = Counter()
    left_alone = _left_alone(now)
    while True:
        try:
            with transaction() as session:
                count = visit_notices.remind(session, now, but=left_alone)
                if count:
                    run_id = runs.start_run(session, PROCESS, trigger, now, lease=lease)
                    runs.finish_run(session, run_id, "OK", now, counts={"LOOKED_AT": count})
        except Exception as error:
            if is_connection_lost(error):
                raise
            db.session.remove()
            failed = _one_by_one(lease, trigger, now, left_alone, counts)
            if not failed:
                # No single one is to blame, so nobody would ever see it otherwise.
                raise
            left_alone |= failed
            continue
        counts["LOOKED_AT"] += count
        if not count:
            return +counts


def _left_alone(now: datetime) -> set[str]:
    """What failed a moment ago; alarms about reminders that nobody is owed any more end here."""
    with transaction() as session:
        for order_id in alarms.open_subjects(session, FAILED_ALARM):
            # After midnight it is too late to say "tomorrow", and nobody has been told all the same.
            if not visits.is_reminder_owed(session, order_id, now):
                alarms.close_alarm(session, FAILED_ALARM, order_id, now)
        values = {"kind": FAILED_ALARM, "since": now - _PAUSE}
        return set(session.execute(_FAILED_LATELY, values).scalars())


def _one_by_one(
    lease: int, trigger: str, now: datetime, left_alone: set[str], counts: Counter[str]
) -> set[str]:
    """The next batch, each in a transaction of its own; returns the orders that failed."""
    with transaction() as session:
        due = visit_notices.due_for_reminder(session, now, but=left_alone)
        run_id = runs.start_run(session, PROCESS, trigger, now, lease=lease)
    log.warning("reminders_one_by_one", count=len(due))
    part: Counter[str] = Counter()
    failed: set[str] = set()
    for order_id in due:
        try:
            with transaction() as session:
                part["LOOKED_AT"] += visit_notices.remind(session, now, only=order_id)
                alarms.close_alarm(session, FAILED_ALARM, order_id, now)
        except Exception as error:
            if is_connection_lost(error):
                raise
            log.exception("reminder_failed", order=order_id)
            db.session.remove()
            failed.add(order_id)
            part["FAILED"] += 1
            words = f"Nobody could be reminded of the visit: {type(error).__name__}."
            with transaction() as session:
                alarms.open_alarm(session, FAILED_ALARM, order_id, words, now)
                step = runs.StepRow(
                    "remind", "FAILED", (order_id,), now, error_class=type(error).__name__
                )
                runs.add_steps(session, run_id, [step])
    counts.update(part)
    with transaction() as session:
        state = "PARTLY" if failed else "OK"
        runs.finish_run(session, run_id, state, now, counts=dict(+part))
    return failed
