"""The network lane: reads what the DMS and the head-end sent, message by message, oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import held_lock, is_connection_lost, transaction
from app.domain.lanes import NETWORK
from app.domain.lock_spaces import LockSpace
from app.models.inbound_message import InboundMessage
from app.services import dms_outages, inbound, lanes, meter_events, meter_talk, runs
from app.services.dms_outages import Taken
from app.services.feed_receipt import DMS_OUTAGES, KINDS, kept_finding
from app.settings import Settings
from integrations.dms.outages import MessageInvalid, Record, parse_outages
from integrations.head_end.events import EventsInvalid, parse_events
from integrations.head_end.types import MeterEvent
from workers.reading import DEATHS_MOST, DIED
from workers.run_end import end_run

log = structlog.get_logger()

T = TypeVar("T")

_PROCESS = "network"
# Few enough that an operator's click never waits long for the pen, which each slice holds.
_SLICE_COUNT = 20
_EVENTS_COUNT = 200
_BAD = ("REJECTED", "CONFLICT")


@dataclass(slots=True)
class _Reading:
    """One message while it is read."""

    message: InboundMessage
    run_id: int
    counts: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    fault: Exception | None = None


def interpret_network(settings: Settings, lease: int, trigger: str) -> None:
    """Interpret stored messages one after the other until none waits.

    A record that fails by our own fault postpones its message and lets its neighbours pass; reading
    it again does nothing to those that were taken. The database going away ends the job.
    """
    del settings
    with held_lock(LockSpace.NETWORK, 1) as held:
        if held:
            while _interpret_next(lease, trigger):
                pass


def _interpret_next(lease: int, trigger: str) -> bool:
    with transaction() as session:
        reading = _begin(session, lease, trigger)
    if reading is None:
        return False
    if reading.reason is not None:
        end_run(reading.run_id, "FAILED", reading.counts, reading.reason)
        return True
    try:
        _read(reading)
    except (MessageInvalid, EventsInvalid) as error:
        _refuse(reading, error)
        return True
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("network_message_failed", message=reading.message.id)
        reading.fault = error
    _close(reading)
    return True


def _begin(session: Session, lease: int, trigger: str) -> _Reading | None:
    now = datetime.now(UTC)
    message = session.execute(
        select(InboundMessage)
        .where(
            InboundMessage.kind.in_(KINDS),
            InboundMessage.state == "STORED",
            InboundMessage.next_at <= now,
        )
        .order_by(InboundMessage.id)
        .limit(1)
        .with_for_update()
    ).scalar_one_or_none()
    if message is None or lanes.is_paused(session, NETWORK):
        return None
    subject = f"message {message.id}"
    deadly = runs.died_in_a_row(session, _PROCESS, subject, DEATHS_MOST, 2 * _SLICE_COUNT)
    run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease, subject=subject)
    reading = _Reading(message, run_id)
    if deadly:
        reading.reason = DIED
        inbound.close(session, message.id, "HELD", now, reason_code=reading.reason)
    return reading


def _read(reading: _Reading) -> None:
    with transaction() as session:
        body = inbound.read_body(session, reading.message.id)
    if reading.message.kind == DMS_OUTAGES:
        for part in _parts(parse_outages(body).records, _SLICE_COUNT):
            _take_slice(reading, part)
    else:
        for events in _parts(parse_events(body).events, _EVENTS_COUNT):
            _take_events(reading, events)
        # In a transaction of its own: whoever writes the register waits for no fault's pen.
        with transaction() as session:
            meter_talk.hear(session, reading.message.id, datetime.now(UTC))


def _take_slice(reading: _Reading, part: Sequence[Record]) -> None:
    """All in one transaction; if that fails, one by one, so that only the culprit is left."""
    try:
        _take(reading, part)
    except Exception as error:
        if is_connection_lost(error):
            raise
        if len(part) == 1:
            log.exception("dms_record_not_taken", message=reading.message.id, place=part[0].place)
            reading.fault = reading.fault or error
            reading.counts["FAILED"] += 1
            return
        for record in part:
            _take_slice(reading, [record])


def _take(reading: _Reading, part: Sequence[Record]) -> None:
    now = datetime.now(UTC)
    message_id = reading.message.id
    with transaction() as session:
        taken = [(one, dms_outages.take(session, message_id, one, now)) for one in part]
        findings = [(record.ref, f) for record, told in taken for f in told.findings]
        inbound.add_findings(session, message_id, findings, now)
        steps = [_step(message_id, told, now) for _, told in taken]
        runs.add_steps(session, reading.run_id, steps)
    reading.counts.update(told.verdict for _, told in taken)
    bad = next((told for _, told in taken if told.verdict in _BAD), None)
    if bad is not None and reading.reason is None and bad.findings:
        reading.reason = str(bad.findings[0].code)


def _step(message_id: int, told: Taken, now: datetime) -> runs.StepRow:
    codes = ", ".join(dict.fromkeys(str(finding.code) for finding in told.findings))
    detail = f"message {message_id}: {told.detail}".rstrip(": ")
    return runs.StepRow(
        name="DMS outage",
        state=told.verdict,
        keys=told.keys,
        started_at=now,
        detail=f"{detail} ({codes})" if codes else detail,
        error_class=codes or None if told.verdict in _BAD else None,
    )


def _take_events(reading: _Reading, events: Sequence[MeterEvent]) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        counts = meter_events.take_events(session, reading.message.id, list(events), now)
        step = runs.StepRow(
            name="meter events",
            state="REJECTED" if counts["REJECTED"] == len(events) else "APPLIED",
            keys=tuple(dict.fromkeys(event.gsrn for event in events)),
            started_at=now,
            detail=f"message {reading.message.id}: {len(events)} events",
        )
        runs.add_steps(session, reading.run_id, [step])
    reading.counts.update(counts)
    if counts["REJECTED"]:
        reading.reason = "POINTS_UNKNOWN"


def _refuse(reading: _Reading, error: MessageInvalid | EventsInvalid) -> None:
    """Nothing of the message can be read; a file comes here unread, a request was refused before."""
    now = datetime.now(UTC)
    code = error.findings[0].code
    with transaction() as session:
        findings = [(None, kept_finding(finding)) for finding in error.findings]
        inbound.add_findings(session, reading.message.id, findings, now)
        inbound.close(session, reading.message.id, "REJECTED", now, reason_code=code)
        runs.finish_run(session, reading.run_id, "FAILED", now, error=code)


def _close(reading: _Reading) -> None:
    now = datetime.now(UTC)
    counts, message_id = reading.counts, reading.message.id
    if reading.fault is not None:
        name = type(reading.fault).__name__
        with transaction() as session:
            state = inbound.postpone(session, message_id, name, now)
            error = f"{name}, the message is {state}"
            runs.finish_run(
                session, reading.run_id, "FAILED", now, counts=dict(counts), error=error
            )
        return
    bad = sum(counts[verdict] for verdict in _BAD)
    state = "INTERPRETED" if not bad else "PARTLY" if counts.total() > bad else "REJECTED"
    run_state = {"INTERPRETED": "OK", "PARTLY": "PARTLY"}.get(state, "FAILED")
    with transaction() as session:
        inbound.close(
            session, message_id, state, now, reason_code=reading.reason, counts=dict(counts)
        )
        runs.finish_run(
            session, reading.run_id, run_state, now, counts=dict(counts), error=reading.reason
        )


def _parts(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
