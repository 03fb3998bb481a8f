"""The notices lane: makes notices of what has been announced, the most urgent first.

One planner works at a time. Between two slices it looks for something more urgent, so that a
warning never waits behind a hundred thousand others (REQ-27).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from app.db import held_lock, transaction
from app.services import notice_plan, runs
from app.settings import Settings
from workers.run_end import end_run

_LOCK_SPACE = 7_403_010
_LOCK_KEY = 1


def plan_notices(
    settings: Settings,
    lease: int,
    trigger: str,
    stopping: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Plan every announcement that is due; returns how many were told and how many not."""
    counts: Counter[str] = Counter()
    with held_lock(_LOCK_SPACE, _LOCK_KEY) as ours:
        while ours and not stopping():
            with transaction() as session:
                announcement_id = notice_plan.next_announcement(session, _now())
            if announcement_id is None:
                break
            counts += _plan(announcement_id, settings, lease, trigger, stopping)
    return counts


def _plan(
    announcement_id: int,
    settings: Settings,
    lease: int,
    trigger: str,
    stopping: Callable[[], bool],
) -> Counter[str]:
    counts: Counter[str] = Counter()
    overtaking: Counter[str] = Counter()
    error: str | None = None
    with transaction() as session:
        subject = f"announcement:{announcement_id}"
        run_id = runs.start_run(
            session, "plan notices", trigger, _now(), lease=lease, subject=subject
        )
    try:
        for slice_ in notice_plan.plan(announcement_id, settings, _now):
            counts["told"] += slice_.told
            counts["suppressed"] += slice_.suppressed
            if stopping():
                break
            overtaking += _overtakers(announcement_id, settings, lease, trigger, stopping)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        end_run(run_id, "FAILED" if error else "OK", counts, error)
    return counts + overtaking


def _overtakers(
    announcement_id: int,
    settings: Settings,
    lease: int,
    trigger: str,
    stopping: Callable[[], bool],
) -> Counter[str]:
    """Plan whatever is more urgent than the announcement under way."""
    counts: Counter[str] = Counter()
    while not stopping():
        with transaction() as session:
            urgent = notice_plan.next_announcement(session, _now(), before=announcement_id)
        if urgent is None:
            break
        counts += _plan(urgent, settings, lease, trigger, stopping)
    return counts


def _now() -> datetime:
    return datetime.now(UTC)
