"""What happens to customers' data by the clock: codes, welcomes, ended contracts, retention."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import transaction
from app.services import enrolment, retention, runs, tenancies, verification
from app.settings import Settings


def care(settings: Settings, lease: int, trigger: str, now: datetime) -> None:
    """Do what is due; each part commits by itself, and a run says what it came to."""
    with transaction() as session:
        verification.redact(session, now)
    with transaction() as session:
        if counts := enrolment.welcome(session, settings, now):
            _record(session, "welcome", counts, lease, trigger, now)
    with transaction() as session:
        if counts := tenancies.end_left(session, now):
            _record(session, tenancies.TASK, counts, lease, trigger, now)
    _retain(settings, lease, trigger, now)


def _retain(settings: Settings, lease: int, trigger: str, now: datetime) -> None:
    counts: Counter[str] = Counter()
    with transaction() as session:
        due = list(retention.days_due(session, settings, now))
    for rule, day in due:
        with transaction() as session:
            counts += retention.clear_day(session, rule, day, now)
    with transaction() as session:
        months = retention.months_due(session, settings, now)
    for name, month in months:
        with transaction() as session:
            counts += retention.drop_month(session, name, month, now)
    if counts:
        with transaction() as session:
            _record(session, retention.PROCESS, counts, lease, trigger, now)


def _record(
    session: Session, process: str, counts: Counter[str], lease: int, trigger: str, now: datetime
) -> None:
    run_id = runs.start_run(session, process, trigger, now, lease=lease)
    runs.finish_run(
        session, run_id, "OK", now, counts={name.upper(): count for name, count in counts.items()}
    )
