"""Mass order files: read whole into the working table, then made into orders, slice by slice.

Both stages may die at any line. The first begins again and makes its rows anew; the second goes on
where it was, and what is there is not made twice (REQ-33).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import structlog
from flask import Flask, current_app

from app.db import is_connection_lost, transaction
from app.domain.mass_checks import check_allowed_models
from app.models.mass_order import MassFile
from app.services import (
    alarms,
    intake,
    mass_files,
    mass_follow,
    mass_orders,
    mass_split,
    runs,
)
from app.services.mass_staging import (
    LookUps,
    Numbered,
    Prepared,
    Staging,
    look_up,
    prepare,
    write,
)
from app.services.slices import Lists, MassContext, Refusal, Slice, SliceResult, our_finding
from app.settings import Settings
from integrations.cis.mass_order_codec import MassReader
from integrations.cis.types import MassHead, ParsedItem, SameItem

log = structlog.get_logger()

_PROCESS = "mass split"
# Items per transaction: of the reading, and of the making, where only the database works.
STAGE_ROWS = 500
SPLIT_ROWS = 5_000
# Two at a time: the database's processes share the cores, ours only waits.
_WRITERS = 2
# So many slices of following per job, lest files wait behind a long calling-off.
_FOLLOW_SLICES = 40
# How long a mass order whose orders could not follow is left alone, and until when each is.
_FOLLOW_PAUSE_S = 30.0
_follow_again_at: dict[str, float] = {}


@dataclass(slots=True)
class MassReading:
    """A mass file while it is read."""

    message_id: int
    reader: MassReader
    head: MassHead | None = None
    staging: Staging = field(default_factory=lambda: Staging(bytearray()))
    # The file was weighed before, so there is nothing to read.
    over: bool = False

    def items(self, parts: Iterator[object], now: datetime) -> Iterator[Numbered]:
        """Number the items, once the head has been read and the file opened."""
        head = next(parts, None)
        if not isinstance(head, MassHead):
            return
        self.head = head
        with transaction() as session:
            self.over = not mass_files.open_file(session, self.message_id, head, now)
        if self.over:
            return
        known = mass_files.known_hashes(head.mass_id)
        self.reader.known = known
        self.staging = Staging(bytearray(len(known)))
        for seq, item in enumerate(parts, start=1):
            if isinstance(item, (ParsedItem, SameItem)):
                yield seq, item

    def context(self) -> MassContext:
        """What the checks have to know of the mass order, as this file says it."""
        assert self.head is not None  # noqa: S101 - items come behind the head.
        return MassContext(self.head.mass_id, self.head.wave, frozenset(self.head.allowed_models))

    def take(self, part: Slice, batch: list[object]) -> SliceResult:
        """Stage a slice in one go, in a transaction of its own."""
        items: list[Numbered] = batch  # type: ignore[assignment] # as items() has made them
        with transaction() as session:
            done = prepare(part, items, look_up(session, items, part.now))
            write(session, part, done)
        self.staging.note(items)
        return done.result

    def head_refusals(self, lists: Lists) -> list[Refusal]:
        """What the head itself has wrong with it, which stops no item."""
        if self.head is None or self.over:
            return []
        found = [our_finding(finding) for finding in self.head.findings]
        found += check_allowed_models(self.head.allowed_models, lists.codes)
        return [Refusal(None, finding) for finding in found]


Take = Callable[[list[object]], SliceResult]


def stage_all(
    mass: MassReading,
    batches: Iterable[list[object]],
    part_of: Callable[[MassContext], Slice],
    fall_back: Take,
    add: Callable[[SliceResult], None],
) -> None:
    """Stage slice after slice; the database answers and writes while we read and decide.

    A thread of its own only waits for the database, so that it does not take turns with us. A slice
    that fails is handed to fall_back, when its turn comes. At most three slices are in memory.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.

    def _look_up(items: list[Numbered], now: datetime) -> LookUps:
        with app.app_context(), transaction() as session:
            return look_up(session, items, now)

    def _write(slice_: Slice, done: Prepared) -> None:
        with app.app_context(), transaction() as session:
            write(session, slice_, done)

    def _settle(items: list[Numbered], result: SliceResult, written: Future[None]) -> None:
        try:
            written.result()
        except Exception as error:
            if is_connection_lost(error):
                raise
            add(fall_back(items))  # type: ignore[arg-type] # a list of items is one of objects
        else:
            mass.staging.note(items)
            add(result)

    with ThreadPoolExecutor(1, thread_name_prefix="stage") as database:
        asked: tuple[list[Numbered], Future[LookUps]] | None = None
        under_way: tuple[list[Numbered], SliceResult, Future[None]] | None = None

        def _decide() -> None:
            nonlocal under_way
            if asked is None:
                return
            items, known = asked
            slice_ = part_of(mass.context())
            try:
                done = prepare(slice_, items, known.result())
            except Exception as error:
                if is_connection_lost(error):
                    raise
                add(fall_back(items))  # type: ignore[arg-type] # as above
                return
            if under_way is not None:
                _settle(*under_way)
            under_way = (items, done.result, database.submit(_write, slice_, done))

        try:
            for batch in batches:
                items: list[Numbered] = batch  # type: ignore[assignment] # as items() made them
                following = (items, database.submit(_look_up, items, datetime.now(UTC)))
                _decide()
                asked = following
        finally:
            # Also when the file breaks off: what came before the break is written and counted.
            _decide()
            if under_way is not None:
                _settle(*under_way)


def split_files(settings: Settings, lease: int, trigger: str) -> None:
    """Make the orders of every file that is ready, and let orders follow decisions."""
    while True:
        with transaction() as session:
            row = mass_files.next_ready(session, datetime.now(UTC))
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
        mass_files.refuse_taken_since(session, row.inbound_message_id, now)
        run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject=row.mass_id)
        key = settings.partner_key.get_secret_value()
        lists = intake.load_lists(session, key, now)
    result = SliceResult()
    error: str | None = None
    try:
        _make_all(row, lists, run_id, result)
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
        state = "FAILED" if error else "PARTLY" if result.counts["REJECTED"] else "OK"
        runs.finish_run(session, run_id, state, now, counts=dict(result.counts), error=error)


def _make_all(row: MassFile, lists: Lists, run_id: int, result: SliceResult) -> None:
    """Two slices at a time; the place from which to go on after a death moves in their order."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.
    # What is as it was has no row in the working table, and a file of nothing else makes nothing.
    last = row.item_count if row.staged_count else 0
    slices = [
        (first, min(first + SPLIT_ROWS - 1, last))
        for first in range(row.done_seq + 1, last + 1, SPLIT_ROWS)
    ]
    make = partial(_make, app, row, lists, run_id)
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="split") as writers:
        for at in range(0, len(slices), _WRITERS):
            some = slices[at : at + _WRITERS]
            for seqs, part in zip(some, writers.map(make, some), strict=True):
                result.counts.update(part.counts)
                with transaction() as session:
                    mass_files.note_done(session, row.inbound_message_id, seqs[1])


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
