"""Mass order files that have been read whole: made into orders, slice by slice.

A death at any line: the making goes on where it was, and what is there is not made twice (REQ-33).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import structlog
from flask import Flask, current_app

from app.db import is_connection_lost, transaction
from app.domain.lanes import INTAKE
from app.models.mass_order import MassFile
from app.services import (
    alarms,
    intake,
    lanes,
    mass_files,
    mass_follow,
    mass_orders,
    mass_split,
    mass_twice,
    runs,
)
from app.services.slices import Lists, SliceResult
from app.settings import Settings

log = structlog.get_logger()

_PROCESS = "mass split"
# Items per transaction, in which only the database works.
SPLIT_ROWS = 5_000
# Two at a time: the database's processes share the cores, ours only waits.
_WRITERS = 2
# So many slices of following per job, lest files wait behind a long calling-off.
_FOLLOW_SLICES = 40
# How long a mass order whose orders could not follow is left alone, and until when each is.
_FOLLOW_PAUSE_S = 30.0
_follow_again_at: dict[str, float] = {}


def split_files(settings: Settings, lease: int, trigger: str) -> None:
    """Make the orders of every file that is ready, and let orders follow decisions.

    A pause of the lane stops the making, also in the middle of a file; decisions are followed.
    """
    while True:
        with transaction() as session:
            paused = lanes.is_paused(session, INTAKE)
            row = None if paused else mass_files.next_ready(session, datetime.now(UTC))
        if row is None:
            break
        _split(settings, row, lease, trigger)
    _follow(settings, lease, trigger)


def _split(settings: Settings, row: MassFile, lease: int, trigger: str) -> None:
    """One file; one that fails by a fault of ours waits, and lets the others pass."""
    now = datetime.now(UTC)
    with transaction() as session:
        if not mass_split.is_staged(session, row):
            mass_split.read_again(session, row.inbound_message_id, now)
            return
        if mass_files.hold_if_called_off(session, row.inbound_message_id, now):
            return
        mass_twice.refuse_taken_since(session, row.inbound_message_id, now)
        run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject=row.mass_id)
        key = settings.partner_key.get_secret_value()
        lists = intake.load_lists(session, key, now)
    result = SliceResult()
    whole = False
    error: str | None = None
    try:
        whole = _make_all(row, lists, run_id, result)
        if whole:
            _finish(row)
    except Exception as caught:
        if is_connection_lost(caught):
            raise
        log.exception("mass_split_failed", message=row.inbound_message_id)
        error = type(caught).__name__
    now = datetime.now(UTC)
    subject = str(row.inbound_message_id)
    with transaction() as session:
        if error:
            mass_files.postpone(session, row.inbound_message_id, error, now)
        else:
            alarms.close_alarm(session, mass_files.FAILED_ALARM, subject, now)
        bad = result.counts["REJECTED"] or not whole
        state = "FAILED" if error else "PARTLY" if bad else "OK"
        runs.finish_run(session, run_id, state, now, counts=dict(result.counts), error=error)


def _make_all(row: MassFile, lists: Lists, run_id: int, result: SliceResult) -> bool:
    """Two slices at a time; the place from which to go on after a death moves in their order.

    False when the lane was paused before the end.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.
    # What is as it was has no row in the working table, and a file of nothing else makes nothing.
    last = row.item_count if row.staged_count else 0
    slices = deque(
        (first, min(first + SPLIT_ROWS - 1, last))
        for first in range(row.done_seq + 1, last + 1, SPLIT_ROWS)
    )
    make = partial(_make, app, row, lists, run_id)
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="split") as writers:
        under_way: deque[tuple[int, Future[SliceResult]]] = deque()

        def _settle_first() -> bool:
            last_seq, made = under_way.popleft()
            result.counts.update(made.result().counts)
            with transaction() as session:
                mass_files.note_done(session, row.inbound_message_id, last_seq)
                return lanes.is_paused(session, INTAKE)

        paused = False
        while slices and not paused:
            if len(under_way) == _WRITERS:
                paused = _settle_first()
            else:
                seqs = slices.popleft()
                under_way.append((seqs[1], writers.submit(make, seqs)))
        while under_way:
            _settle_first()
    return not slices


def _make(
    app: Flask, row: MassFile, lists: Lists, run_id: int, seqs: tuple[int, int]
) -> SliceResult:
    with app.app_context(), transaction() as session:
        return mass_split.split_slice(session, row, seqs, lists, run_id, datetime.now(UTC))


def _finish(row: MassFile) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        mass_split.finish(session, row.inbound_message_id, now)
        mass_files.answer(session, row.inbound_message_id, now)


def _follow(settings: Settings, lease: int, trigger: str) -> None:
    """Each mass order by itself: one that fails by a fault of ours lets the others pass."""
    with transaction() as session:
        waiting = mass_follow.waiting(session)
    for mass_id in waiting:
        if time.monotonic() < _follow_again_at.get(mass_id, 0.0):
            continue
        now = datetime.now(UTC)
        with transaction() as session:
            run_id = runs.start_run(
                session, "mass follow", trigger, now, lease=lease, subject=mass_id
            )
            lists = intake.load_lists(session, settings.partner_key.get_secret_value(), now)
        counts: Counter[str] = Counter()
        error: str | None = None
        try:
            _follow_one(mass_id, lists, run_id, counts)
        except Exception as caught:
            if is_connection_lost(caught):
                raise
            log.exception("mass_follow_failed", mass=mass_id)
            error = type(caught).__name__
        now = datetime.now(UTC)
        with transaction() as session:
            if error:
                _follow_again_at[mass_id] = time.monotonic() + _FOLLOW_PAUSE_S
                words = f"{mass_id}: {error}"
                alarms.open_alarm(session, mass_follow.FAILED_ALARM, mass_id, words, now)
            else:
                _follow_again_at.pop(mass_id, None)
                alarms.close_alarm(session, mass_follow.FAILED_ALARM, mass_id, now)
            state = "FAILED" if error else "OK"
            runs.finish_run(session, run_id, state, now, counts=dict(counts), error=error)


def _follow_one(mass_id: str, lists: Lists, run_id: int, counts: Counter[str]) -> None:
    for _ in range(_FOLLOW_SLICES):
        with transaction() as session:
            moment = datetime.now(UTC)
            count = mass_follow.follow_slice(session, mass_id, lists, run_id, moment)
        counts["MOVED"] += count
        if not count:
            return


def count_mass_orders(now: datetime) -> None:
    """Count the orders of mass orders whose numbers are old, each in a transaction of its own."""
    with transaction() as session:
        due = mass_orders.due_for_count(session, now)
    for mass_id in due:
        with transaction() as session:
            mass_orders.refresh(session, mass_id, now)
