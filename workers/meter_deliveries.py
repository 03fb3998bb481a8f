"""The second stage of deliveries: reads our own copy and takes its meters, slice by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from app.db import held_lock, is_connection_lost, transaction
from app.domain.findings import Finding
from app.domain.lanes import INTAKE
from app.domain.lock_spaces import LockSpace
from app.domain.mapping.canonical import Direction, Document
from app.domain.meter_stock import ItemVerdict
from app.models.inbound_message import InboundMessage
from app.services import (
    bundles_in_force,
    inbound,
    lanes,
    meter_deliveries,
    partner_files,
    rejects,
    runs,
    serial_mismatches,
)
from app.services.bundle_tally import Tally
from app.services.feed_receipt import kept_finding
from app.services.maker_deliveries import read_delivery
from app.services.meter_deliveries import FILES, KIND, SLICE_COUNT, Told
from app.settings import Settings
from integrations.meter_maker.codec import Delivery, DeliveryInvalid
from integrations.meter_maker.files import parse_file
from workers.reading import begin_reading
from workers.run_end import end_run

log = structlog.get_logger()

_PROCESS = "meter deliveries"
_LOOK_COUNT = 200
# What the maker hears about one file; every verdict stands in our own record all the same.
_REFUSALS_MAX = 5_000


@dataclass(slots=True)
class _Reading:
    """One delivery while it is read."""

    message: InboundMessage
    run_id: int
    counts: Counter[str] = field(default_factory=Counter)
    # What a maker's own form holds that nobody reads; written once, when the file is done.
    tally: Tally = field(default_factory=Tally)


def take_deliveries(settings: Settings, lease: int, trigger: str) -> None:
    """Take stored deliveries one after the other until none waits, or somebody pauses intake.

    A fault of ours postpones the delivery and lets the next one pass; what was taken of it stays, and
    it goes on from there. The database going away ends the job.
    """
    del settings
    with held_lock(LockSpace.DELIVERIES, 1) as held:
        if held:
            taken = 0
            while _take_next(lease, trigger):
                taken += 1
            if taken:
                _look_at_mismatches_now()


def look_at_mismatches(now: datetime) -> int:
    """Weigh meters in doubt once more, of which a delivery has told meanwhile; returns how many
    that settled.

    One over which we fail keeps none of the others from being looked at.
    """
    settled, after = 0, ""
    failed: Exception | None = None
    while True:
        with transaction() as session:
            ids = serial_mismatches.possibly_explained(session, _LOOK_COUNT, after)
        for order_id in ids:
            try:
                with transaction() as session:
                    settled += serial_mismatches.look_again(session, order_id, now)
            except Exception as error:
                if is_connection_lost(error):
                    raise
                log.exception("mismatch_not_weighed", order=order_id)
                failed = error
        if len(ids) < _LOOK_COUNT:
            break
        after = ids[-1]
    if failed is not None:
        raise failed
    return settled


def _look_at_mismatches_now() -> None:
    """At once, not with the next upkeep; that one looks again and tells if something is wrong."""
    try:
        look_at_mismatches(datetime.now(UTC))
    except Exception as error:
        if is_connection_lost(error):
            raise


def _take_next(lease: int, trigger: str) -> bool:
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
            f"message {message.id}",
            within_steps=2,
            trigger=trigger,
            lease=lease,
            now=now,
        )
    if run_id is None:
        return True
    reading = _Reading(message, run_id)
    try:
        _take(reading)
    except DeliveryInvalid as error:
        _refuse(reading, [kept_finding(one) for one in error.findings])
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("delivery_failed", message=message.id)
        with transaction() as session:
            state = inbound.postpone(session, message.id, type(error).__name__, datetime.now(UTC))
        words = f"{type(error).__name__}, the message is {state}"
        end_run(run_id, "FAILED", reading.counts, words)
    return True


def _take(reading: _Reading) -> None:
    with transaction() as session:
        body = inbound.read_body(session, reading.message.id)
    delivery = _parse(reading, body)
    with transaction() as session:
        now = datetime.now(UTC)
        against, done = meter_deliveries.begin(session, reading.message, delivery, now)
    if against is not None:
        _refuse(reading, [against])
        return
    for start in range(done, len(delivery.items), SLICE_COUNT):
        _take_slice(reading, delivery, start)
    _close(reading, delivery)


def _parse(reading: _Reading, body: bytes) -> Delivery:
    """A file in a maker's own folder is read by its bundle, all others by what they are."""
    source = reading.message.source
    if not partner_files.is_from_partner(source):
        return parse_file(body)
    code, now = partner_files.partner_of(source), datetime.now(UTC)
    with transaction() as session:
        bundles = bundles_in_force.find(session, code, Document.DELIVERY, Direction.IN, now)
    if bundles is None:
        raise LookupError(f"no bundle in force reads deliveries of {code}")
    return read_delivery(bundles, body, code, reading.tally)


def _take_slice(reading: _Reading, delivery: Delivery, start: int) -> None:
    items = delivery.items[start : start + SLICE_COUNT]
    message_id, now = reading.message.id, datetime.now(UTC)
    with transaction() as session:
        told = meter_deliveries.take_slice(session, message_id, delivery, items, now)
        bad = [(one.number, one.finding) for one in told if one.finding is not None]
        inbound.add_findings(session, message_id, bad, now)
        _add_step(session, reading, told, now)


def _add_step(session: Session, reading: _Reading, told: Sequence[Told], now: datetime) -> None:
    counts = Counter(str(one.verdict) for one in told)
    refused = counts[ItemVerdict.REJECTED]
    words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    step = runs.StepRow(
        name="meters",
        state="REJECTED" if refused == len(told) else "APPLIED",
        keys=tuple(one.number for one in told if one.number),
        started_at=now,
        detail=f"message {reading.message.id}, from {told[0].place}: {words}",
    )
    runs.add_steps(session, reading.run_id, [step])


def _close(reading: _Reading, delivery: Delivery) -> None:
    now, message_id = datetime.now(UTC), reading.message.id
    with transaction() as session:
        counts = meter_deliveries.finish(session, message_id, now)
        bad = counts[ItemVerdict.REJECTED]
        state = "INTERPRETED" if not bad else "PARTLY" if counts.total() > bad else "REJECTED"
        refused = meter_deliveries.refusals(session, message_id, _REFUSALS_MAX)
        reason = str(refused[0][1].code) if refused else None
        inbound.close(
            session,
            message_id,
            state,
            now,
            reason_code=reason,
            counts=dict(counts),
            document=delivery.head.kind,
            header_message_id=delivery.head.delivery_id,
        )
        _tell_sender(session, reading.message, refused, now)
        reading.tally.flush(session, now)
        run_state = {"INTERPRETED": "OK", "PARTLY": "PARTLY"}.get(state, "FAILED")
        runs.finish_run(session, reading.run_id, run_state, now, counts=dict(counts), error=reason)


def _refuse(reading: _Reading, findings: list[Finding]) -> None:
    """Nothing of it can be taken."""
    now, message_id = datetime.now(UTC), reading.message.id
    refused = [(None, finding) for finding in findings]
    code = str(findings[0].code)
    with transaction() as session:
        inbound.add_findings(session, message_id, refused, now)
        inbound.close(session, message_id, "REJECTED", now, reason_code=code)
        _tell_sender(session, reading.message, refused, now)
        reading.tally.flush(session, now)
        runs.finish_run(session, reading.run_id, "FAILED", now, error=code)


def _tell_sender(
    session: Session,
    message: InboundMessage,
    refused: Sequence[tuple[str | None, Finding]],
    now: datetime,
) -> None:
    """A file is answered by a file; whoever uses the API asks for the verdicts."""
    if not refused:
        return
    if partner_files.is_from_partner(message.source):
        code, about = partner_files.partner_of(message.source), partner_files.ABOUT_METERS
        name, body_hash = message.name, message.body_hash
        partner_files.put_reject(session, code, name, body_hash, refused, now, about)
        return
    if message.source != FILES:
        return
    rejects.put_reject(
        session,
        file_name=message.name,
        body_hash=message.body_hash,
        message_id=message.message_id,
        refusals=refused,
        now=now,
    )
