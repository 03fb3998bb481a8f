"""The second stage of intake: reads our own copy of a file and takes what is in it, in slices."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, cast

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from app.db import db, held_lock, is_connection_lost, transaction
from app.domain.lanes import INTAKE
from app.domain.lock_spaces import LockSpace
from app.domain.mapping.canonical import Direction, Document
from app.domain.reject_codes import Severity
from app.models.inbound_message import InboundMessage
from app.services import (
    bundles_in_force,
    connections,
    iec_orders,
    inbound,
    intake,
    lanes,
    mass_weighing,
    master_data,
    rejects,
    runs,
)
from app.services.bundles_in_force import InForce
from app.services.iec_orders import parse_iec_orders
from app.services.slices import (
    Lists,
    Refusal,
    Slice,
    SliceResult,
    our_finding,
)
from app.settings import Settings
from integrations.cis.connection_codec import parse_connections
from integrations.cis.document import HEAD_BYTES, sniff
from integrations.cis.master_data_codec import parse_master_data
from integrations.cis.types import (
    CisContract,
    CisCustomer,
    CisFinding,
    CisMeteringPoint,
    DocumentKind,
    FileRejected,
    MessageHeader,
    ParsedConnection,
    ParsedOrder,
    ParsedRecord,
)
from integrations.cis.work_order_codec import parse_work_orders
from workers.mass_intake import split_files
from workers.mass_reading import MassReading, open_reading, stage_all
from workers.reading import DIED, begin_reading

log = structlog.get_logger()

KIND = "CIS_FILE"
_PROCESS = "intake"
# Records per transaction: enough to make a round trip cheap, few enough to take little memory.
SLICE_COUNT = 250
# Slices written at once; more only wait for the interpreter.
_WRITERS = 2
# More in one file are not the fault of single records.
_FAULTS_MOST = 20
_IEC_RESULTS = {"INTERPRETED": "OK", "PARTLY": "PARTIAL", "REJECTED": "FAILED"}
_PLACES: Mapping[type, int] = {CisCustomer: 0, CisMeteringPoint: 1, CisContract: 2}

T = TypeVar("T")


@dataclass(slots=True)
class _Reading:
    """One file while it is read: what it is, what came of it, and why it ended early if it did."""

    message: InboundMessage
    run_id: int
    document: str | None = None
    header: MessageHeader | None = None
    result: SliceResult = field(default_factory=SliceResult)
    refused: tuple[CisFinding, ...] = ()
    # A fault of ours with single records; the rest of the file was taken all the same.
    fault: Exception | None = None
    fault_count: int = 0
    mass: MassReading | None = None
    lists: Lists | None = None
    settings: Settings | None = None

    def add(self, part: SliceResult) -> None:
        """Add what became of one slice."""
        self.result.counts.update(part.counts)
        room = rejects.TOLD_MOST - len(self.result.refusals)
        self.result.refusals.extend(part.refusals[: max(room, 0)])


def interpret_files(settings: Settings, lease: int, trigger: str) -> None:
    """Interpret stored files one after the other until none waits.

    A fault of ours postpones the file and lets the next one pass, and with it all records of the
    file but the culprits; the database going away ends the job, and the dispatcher rings again.
    """
    # Files are read in the order of their arrival, so one process reads at a time.
    with held_lock(LockSpace.INTAKE, 1) as held:
        if held:
            while _interpret_next(settings, lease, trigger):
                split_files(settings, lease, trigger)
            split_files(settings, lease, trigger)


def _interpret_next(settings: Settings, lease: int, trigger: str) -> bool:
    now = datetime.now(UTC)
    with transaction() as session:
        waiting = inbound.waiting(session, KIND, now)
        if not waiting or lanes.is_paused(session, INTAKE):
            return False
        message = waiting[0]
        run_id = begin_reading(
            session,
            message,
            _PROCESS,
            message.name,
            within_steps=3 * SLICE_COUNT,
            trigger=trigger,
            lease=lease,
            now=now,
            died=f"{DIED}, the file is HELD",
        )
    if run_id is None:
        return True
    reading = _Reading(message, run_id, settings=settings)
    try:
        _read(settings, reading)
        if reading.fault is None:
            _close(reading)
        else:
            _postpone(reading, reading.fault)
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("intake_failed", message=message.id)
        _postpone(reading, error)
    return True


def _read(settings: Settings, reading: _Reading) -> None:
    """Take the file slice by slice; a file that breaks off keeps what came before the break."""
    with transaction() as session:
        key = settings.partner_key.get_secret_value()
        lists = intake.load_lists(session, key, datetime.now(UTC))
    body = inbound.read_chunks(db.engine, reading.message.id)
    first = next(body, b"")
    chunks = itertools.chain([first], body)
    try:
        kind = sniff(first[:HEAD_BYTES])
        reading.document = kind
        reading.lists = lists
        if kind is DocumentKind.MASS_WORK_ORDERS:
            _read_mass(reading, chunks, settings, lists)
            return
        parse, take = _reader(kind, lists)
        records = iter(parse(chunks))
        _take_header(reading, next(records, None), settings)
        _take_all(reading, _batches(records, SLICE_COUNT), take, lists)
    except FileRejected as error:
        reading.refused = error.findings


def _read_mass(
    reading: _Reading, chunks: Iterable[bytes], settings: Settings, lists: Lists
) -> None:
    message = reading.message
    part = Slice(message.id, reading.run_id, datetime.now(UTC), lists)
    mass = reading.mass = MassReading(part)

    def _one_by_one(items: list[object]) -> SliceResult:
        log.warning("records_taken_one_by_one", message=message.id, count=len(items))
        return _take_one_by_one(reading, message.id, items, mass.take)

    with open_reading(part, chunks, message.size_bytes) as (source, decide):
        parts = iter(source)
        _take_header(reading, next(parts, None), settings)
        stage_all(mass, mass.batches(source, parts), decide, _one_by_one, reading.add)


def _take_header(reading: _Reading, header: object, settings: Settings) -> None:
    if isinstance(header, MessageHeader):
        reading.header = header
        _check_header(header, settings)


def _take_all(
    reading: _Reading,
    batches: Iterable[list[object]],
    take: Callable[[Slice, list[object]], SliceResult],
    lists: Lists,
) -> None:
    """Write slices while the next is parsed, so that neither waits for the other.

    Half of the time of a slice is PostgreSQL's. Two slices are written at once where nothing in one
    touches what is in the other; all else is written in the order of the file. Never more than
    three slices are in memory.
    """
    message_id = reading.message.id
    app = current_app._get_current_object()  # type: ignore[attr-defined] # The proxy has it.

    def _take_now(batch: list[object]) -> SliceResult:
        return take(Slice(message_id, reading.run_id, datetime.now(UTC), lists), batch)

    def _take(batch: list[object]) -> SliceResult:
        with app.app_context():
            try:
                return _take_now(batch)
            except Exception as error:
                if is_connection_lost(error):
                    raise
                log.warning("records_taken_one_by_one", message=message_id, count=len(batch))
                return _take_one_by_one(reading, message_id, batch, _take_now)

    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="intake") as writers:
        under_way: deque[tuple[Future[SliceResult], set[str]]] = deque()

        def _await_first() -> None:
            reading.add(under_way.popleft()[0].result())

        try:
            for batch in batches:
                touched = _touched(batch)
                while under_way and (
                    len(under_way) == _WRITERS
                    or not touched
                    or not all(touched.isdisjoint(others) for _, others in under_way)
                ):
                    _await_first()
                under_way.append((writers.submit(_take, batch), touched))
        finally:
            # Also when the file breaks off: what came before the break is written and counted.
            while under_way:
                _await_first()


def _touched(batch: Iterable[object]) -> set[str]:
    """The orders and metering points of a slice of orders; nothing where a slice must wait its turn.

    Master data names each other across slices, so they are written one after the other.
    """
    touched: set[str] = set()
    for item in batch:
        if not isinstance(item, ParsedOrder):
            return set()
        if item.order is not None:
            touched |= {item.order.order_id, item.order.gsrn}
    return touched


def _take_one_by_one(
    reading: _Reading,
    message_id: int,
    batch: Iterable[object],
    take: Callable[[list[object]], SliceResult],
) -> SliceResult:
    """Take a slice that failed as a whole record by record, so that only the culprits are left."""
    whole = SliceResult()
    # As in a slice, what a contract names comes before it.
    for item in sorted(batch, key=_place_in_slice):
        try:
            one = take([item])
        except Exception as error:
            if is_connection_lost(error):
                raise
            reading.fault_count += 1
            if reading.fault_count > _FAULTS_MOST:
                raise
            log.exception("record_not_taken", message=message_id, line=getattr(item, "line", None))
            reading.fault = reading.fault or error
            whole.counts["FAILED"] += 1
        else:
            whole.counts.update(one.counts)
            whole.refusals += one.refusals
    return whole


def _place_in_slice(item: object) -> int:
    return _PLACES.get(type(getattr(item, "record", None)), 0)


def _take_orders(part: Slice, batch: list[object]) -> SliceResult:
    with transaction() as session:
        return intake.take_slice(session, part, cast("list[ParsedOrder]", batch))


def _take_records(part: Slice, batch: list[object]) -> SliceResult:
    with transaction() as session:
        return master_data.take_slice(session, part, cast("list[ParsedRecord]", batch))


def _take_connections(part: Slice, batch: list[object]) -> SliceResult:
    with transaction() as session:
        return connections.take_slice(session, part, cast("list[ParsedConnection]", batch))


_Take = Callable[[Slice, list[object]], SliceResult]


def _reader(
    kind: DocumentKind, lists: Lists
) -> tuple[Callable[[Iterable[bytes]], Iterator[object]], _Take]:
    """How this kind of document is read, and who takes what is in it."""
    if kind is DocumentKind.MASTER_DATA:
        return parse_master_data, _take_records
    if kind is DocumentKind.CONNECTIONS:
        return parse_connections, _take_connections
    if kind is DocumentKind.IEC_REQUEST:
        return partial(parse_iec_orders, bundles=_iec_bundles(), tally=lists.tally), _take_orders
    return parse_work_orders, _take_orders


def _iec_bundles() -> InForce | None:
    """What reads IEC messages of the CIS now, and what runs beside it."""
    with transaction() as session:
        return bundles_in_force.find(
            session, iec_orders.SOURCE, Document.ORDER, Direction.IN, datetime.now(UTC)
        )


def _check_header(header: MessageHeader, settings: Settings) -> None:
    """Refuse what is not meant for us to act upon."""
    if header.test and settings.environment == "production":
        text = "TestIndicator is true and this is the production environment."
        raise FileRejected(CisFinding("FIELD_INVALID", "Header/TestIndicator", text))
    known = settings.message_sender_ids
    if known and header.sender not in known:
        text = f"Sender {header.sender} is not one that may send here."
        raise FileRejected(CisFinding("FIELD_INVALID", "Header/Sender", text))


def _close(reading: _Reading) -> None:
    """Record the end of the file, and answer the CIS where something was refused."""
    now = datetime.now(UTC)
    counts = reading.result.counts
    findings = [our_finding(finding) for finding in reading.refused]
    refusals = [Refusal(None, finding) for finding in findings] + reading.result.refusals
    with transaction() as session:
        refusals += _weigh_mass(session, reading, now)
        good = counts.total() - counts["REJECTED"]
        if not refusals and not counts["REJECTED"]:
            state = "INTERPRETED"
        else:
            state = "PARTLY" if good else "REJECTED"
        reason = refusals[0].finding.code if refusals else None
        inbound.add_findings(session, reading.message.id, [(None, f) for f in findings], now)
        inbound.close(
            session,
            reading.message.id,
            state,
            now,
            reason_code=reason,
            counts=dict(counts),
            document=reading.document,
            header_message_id=reading.header.message_id if reading.header else None,
        )
        if reading.document is DocumentKind.IEC_REQUEST:
            rejects.put_reply(
                session,
                file_name=reading.message.name,
                body_hash=reading.message.body_hash,
                correlation_id=reading.header.message_id if reading.header else None,
                result=_IEC_RESULTS[state],
                refusals=[(refusal.order_id, refusal.finding) for refusal in refusals],
                now=now,
            )
        elif refusals:
            rejects.put_reject(
                session,
                file_name=reading.message.name,
                body_hash=reading.message.body_hash,
                message_id=reading.header.message_id if reading.header else None,
                refusals=[(refusal.order_id, refusal.finding) for refusal in refusals],
                now=now,
            )
        if findings:
            runs.add_steps(
                session,
                reading.run_id,
                [
                    runs.StepRow(
                        "read file",
                        "REJECTED",
                        (reading.message.name,),
                        now,
                        detail="; ".join(f.text for f in findings)[:500],
                        error_class=findings[0].code,
                    )
                ],
            )
        run_state = {"INTERPRETED": "OK", "PARTLY": "PARTLY"}.get(state, "FAILED")
        runs.finish_run(session, reading.run_id, run_state, now, counts=dict(counts), error=reason)


def _weigh_mass(session: Session, reading: _Reading, now: datetime) -> list[Refusal]:
    """What the whole of a mass file amounts to, in the transaction that closes it."""
    mass, lists, settings = reading.mass, reading.lists, reading.settings
    if mass is None or mass.head is None or mass.over or lists is None or settings is None:
        return []
    counts = reading.result.counts
    told = mass.head_refusals(lists)
    inbound.add_findings(session, reading.message.id, [(None, r.finding) for r in told], now)
    weighing = mass_weighing.weigh_file(
        session,
        reading.message.id,
        mass.head,
        mass.staging,
        mass.known,
        reading.refused[0].code if reading.refused else None,
        settings,
        now,
    )
    counts["NEW"] -= weighing.twice
    counts["REJECTED"] += weighing.twice
    return [r for r in told if r.finding.severity is Severity.ERROR] + weighing.refusals


def _postpone(reading: _Reading, error: Exception) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        state = inbound.postpone(session, reading.message.id, type(error).__name__, now)
        runs.finish_run(
            session,
            reading.run_id,
            "FAILED",
            now,
            counts=dict(reading.result.counts),
            error=f"{type(error).__name__}, the file is {state}",
        )


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size`; what was read before a fault is handed out before the fault."""
    batch: list[T] = []
    iterator = iter(items)
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            break
        except FileRejected:
            if batch:
                yield batch
            raise
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
