"""Reading mass order files into the working table, batch by batch.

A reading may die at any line; it begins again and makes its rows anew. Reading a large file keeps a
processor busy, and so do the decisions about its items: both are done in processes beside ours,
which shuttles between them and the database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from flask import Flask, current_app

from app.db import is_connection_lost, transaction
from app.domain.mass_checks import check_allowed_models
from app.services import mass_files
from app.services.mass_deciding import (
    Batch,
    LookUps,
    Prepared,
    answer_question,
    prepare,
    put_question,
    read_answer,
)
from app.services.mass_staging import Staging, look_up, write
from app.services.slices import Lists, MassContext, Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import MassHead
from workers.beside import Beside
from workers.mass_source import BATCH_ROWS, MassSource, Part, open_source

# Batches that are looked up, decided about and written while the next is read.
_UNDER_WAY_MOST = 3
# A smaller file is done before processes of its own pay: about 5,000 items.
BESIDE_FROM_BYTES = 3_000_000

Take = Callable[[list[object]], SliceResult]
Decide = Callable[[Slice, Batch, LookUps], Prepared]


@dataclass(slots=True)
class MassReading:
    """A mass file while it is read."""

    part: Slice
    head: MassHead | None = None
    # Source hashes of the items that were in force before, in rising order.
    known: Sequence[int] = ()
    staging: Staging = field(default_factory=lambda: Staging(bytearray()))
    # The file was weighed before, so there is nothing to read.
    over: bool = False

    def batches(self, source: MassSource, parts: Iterator[Part]) -> Iterator[Batch]:
        """The batches, once the head has been read and the file opened."""
        head = next(parts, None)
        if not isinstance(head, MassHead):
            return
        self.head = head
        self.part = replace(self.part, mass=_context(head))
        with transaction() as session:
            self.over = not mass_files.open_file(session, self.part.message_id, head, _now())
        if self.over:
            return
        self.known = mass_files.known_hashes(head.mass_id)
        source.know(self.known)
        self.staging = Staging(bytearray(len(self.known)))
        for part in parts:
            if isinstance(part, Batch):
                yield part

    def take(self, items: list[object]) -> SliceResult:
        """Stage items in one go, in a transaction of its own, as `decide_here` does."""
        part = replace(self.part, now=_now())
        batch = Batch.of(items)  # type: ignore[arg-type] # as Batch.numbered() has made them
        with transaction() as session:
            done = decide_here(part, batch, look_up(session, batch, part.now))
            write(session, part, done)
        return self.note(batch, done)

    def note(self, batch: Batch, done: Prepared) -> SliceResult:
        """Count a batch that has been written."""
        self.staging.note(batch.count, batch.same)
        return _with_same(done.result, batch)

    def head_refusals(self, lists: Lists) -> list[Refusal]:
        """What the head itself has wrong with it, which stops no item."""
        if self.head is None or self.over:
            return []
        found = [our_finding(finding) for finding in self.head.findings]
        found += check_allowed_models(self.head.allowed_models, lists.codes)
        return [Refusal(None, finding) for finding in found]


@contextmanager
def open_reading(
    part: Slice, chunks: Iterable[bytes], size_bytes: int
) -> Iterator[tuple[MassSource, Decide]]:
    """How a file of this size is read and decided about: part is the file, without its head."""
    beside = size_bytes >= BESIDE_FROM_BYTES
    with ExitStack() as stack:
        decide: Decide = decide_here
        if beside:
            # This one first: the other one then keeps none of its own ends open when we are gone.
            decide = _decide_beside(stack.enter_context(Beside(partial(answer_question, part))))
        source = stack.enter_context(open_source(chunks, beside=beside, rows=BATCH_ROWS))
        yield source, decide


def decide_here(part: Slice, batch: Batch, known: LookUps) -> Prepared:
    """Decide about a batch in our own process."""
    return prepare(part, batch.numbered(), known)


def _decide_beside(beside: Beside) -> Decide:
    def _ask(part: Slice, batch: Batch, known: LookUps) -> Prepared:
        return read_answer(beside.ask(put_question(part, batch, known)))

    return _ask


def stage_all(
    mass: MassReading,
    batches: Iterable[Batch],
    decide: Decide,
    fall_back: Take,
    add: Callable[[SliceResult], None],
) -> None:
    """Stage batch after batch: looked up, decided about and written while the next are read.

    The items of one that fails are handed to fall_back, when its turn comes. At most four batches
    are in memory.
    """
    with _Stages(mass, decide) as stages:
        under_way: deque[tuple[Batch, Future[Prepared]]] = deque()

        def _settle_first() -> None:
            batch, written = under_way.popleft()
            try:
                done = written.result()
            except (EOFError, OSError):
                # A process beside ours is gone: no other batch would do better.
                raise
            except Exception as error:
                if is_connection_lost(error):
                    raise
                items: list[object] = [*batch.numbered()]
                result = fall_back(items)
                mass.staging.note(0, batch.same)
                add(_with_same(result, batch))
            else:
                add(mass.note(batch, done))

        try:
            for batch in batches:
                if len(under_way) == _UNDER_WAY_MOST:
                    _settle_first()
                under_way.append((batch, stages.begin(batch)))
        finally:
            # Also when the file breaks off: what came before the break is written and counted.
            while under_way:
                _settle_first()


class _Stages:
    """The three steps of a batch, each in a thread that mostly waits for somebody else."""

    def __init__(self, mass: MassReading, decide: Decide) -> None:
        self._mass = mass
        self._decide = decide
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="stage") for _ in range(3)]

    def begin(self, batch: Batch) -> Future[Prepared]:
        """Let a batch go through; the future is done when it is written."""
        looking, deciding, writing = self._threads
        part = replace(self._mass.part, now=_now())
        known = looking.submit(self._look_up, part, batch)
        done = deciding.submit(lambda: self._decide(part, batch, known.result()))
        return writing.submit(lambda: self._write(part, done.result()))

    def _look_up(self, part: Slice, batch: Batch) -> LookUps:
        with self._app.app_context(), transaction() as session:
            return look_up(session, batch, part.now)

    def _write(self, part: Slice, done: Prepared) -> Prepared:
        with self._app.app_context(), transaction() as session:
            write(session, part, done)
        return done

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *_: object) -> None:
        for threads in self._threads:
            threads.shutdown()


def _context(head: MassHead) -> MassContext:
    """What the checks have to know of the mass order, as this file says it."""
    return MassContext(head.mass_id, head.wave, frozenset(head.allowed_models))


def _with_same(result: SliceResult, batch: Batch) -> SliceResult:
    if batch.same:
        result.counts["SAME"] += len(batch.same)
    return result


def _now() -> datetime:
    return datetime.now(UTC)
