"""The notices lane: makes notices of what has been announced, the most urgent first.

One planner works at a time. Between two slices it looks for something more urgent, so that a
warning never waits behind a hundred thousand others (REQ-27).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from flask import current_app

from app.db import held_lock, transaction
from app.domain.lock_spaces import LockSpace
from app.services import notice_plan, runs
from app.services.audience import Listener
from app.services.notice_plan import Planned, PlanSlice
from app.settings import Settings
from workers.run_end import end_run

# The first slice is small, so that the first message leaves at once.
_FIRST_SLICE_COUNT = 200
_SLICE_COUNT = 4000


def plan_notices(
    settings: Settings,
    lease: int,
    trigger: str,
    stopping: Callable[[], bool] = lambda: False,
    slices: int | None = None,
) -> Counter[str]:
    """Plan every announcement that is due; returns how many were told and how many not.

    slices: end after so many, for whoever has other things to do.
    """
    work = _Work(settings, lease, trigger, stopping, slices)
    counts: Counter[str] = Counter()
    with held_lock(LockSpace.NOTICES, 1) as ours:
        while ours and not work.is_over():
            with transaction() as session:
                announcement_id = notice_plan.next_announcement(session, _now())
            if announcement_id is None:
                break
            counts += _plan(announcement_id, work)
    return counts


@dataclass(slots=True)
class _Work:
    """What one call of plan_notices may still do."""

    settings: Settings
    lease: int
    trigger: str
    stopping: Callable[[], bool]
    slices_left: int | None

    def is_over(self) -> bool:
        return self.stopping() or (self.slices_left is not None and self.slices_left <= 0)

    def count_slice(self) -> None:
        if self.slices_left is not None:
            self.slices_left -= 1


def _plan(announcement_id: int, work: _Work) -> Counter[str]:
    counts: Counter[str] = Counter()
    overtaking: Counter[str] = Counter()
    error: str | None = None
    with transaction() as session:
        subject = f"announcement:{announcement_id}"
        run_id = runs.start_run(
            session, "plan notices", work.trigger, _now(), lease=work.lease, subject=subject
        )
    try:
        for slice_ in plan_slices(announcement_id, work.settings, _now):
            counts["told"] += slice_.told
            counts["suppressed"] += slice_.suppressed
            work.count_slice()
            if work.is_over():
                break
            overtaking += _overtakers(announcement_id, work)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        end_run(run_id, "FAILED" if error else "OK", counts, error)
    return counts + overtaking


def plan_slices(
    announcement_id: int, settings: Settings, clock: Callable[[], datetime]
) -> Iterator[Planned]:
    """Make the notices of one announcement, a commit per slice; yields after each.

    Ends early when the announcement is held or withdrawn. One slice is written while the next is
    decided, so that neither Python nor PostgreSQL waits for the other.
    """
    with transaction() as session:
        plan = notice_plan.begin_plan(session, announcement_id, settings, clock())
    if plan is None:
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.

    def write(part: PlanSlice) -> Planned | None:
        with app.app_context(), transaction() as session:
            return notice_plan.write_slice(session, plan, part, settings)

    with notice_plan.listeners(plan) as people, ThreadPoolExecutor(1) as writer:
        under_way: Future[Planned | None] | None = None
        for chunk in _chunks(people):
            part = notice_plan.decide_slice(plan, chunk, clock())
            with transaction() as session:
                part = notice_plan.build_slice(session, plan, part, settings)
            if under_way is not None:
                counts = under_way.result()
                if counts is None:
                    return
                under_way = writer.submit(write, part)
                yield counts
            else:
                under_way = writer.submit(write, part)
        if under_way is not None:
            counts = under_way.result()
            if counts is None:
                return
            yield counts
    with transaction() as session:
        notice_plan.end_plan(session, plan, clock())


def _chunks(people: Iterator[Listener]) -> Iterator[list[Listener]]:
    size = _FIRST_SLICE_COUNT
    while chunk := list(islice(people, size)):
        yield chunk
        size = _SLICE_COUNT


def _overtakers(announcement_id: int, work: _Work) -> Counter[str]:
    """Plan whatever is more urgent than the announcement under way."""
    counts: Counter[str] = Counter()
    while not work.is_over():
        with transaction() as session:
            urgent = notice_plan.next_announcement(session, _now(), before=announcement_id)
        if urgent is None:
            break
        counts += _plan(urgent, work)
    return counts


def _now() -> datetime:
    return datetime.now(UTC)
