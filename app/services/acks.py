"""Interpreting acknowledgements: each is weighed with all others of its order, under a lock.

Nothing is applied on arrival alone. The order's state follows from the whole set, so late, repeated
and shuffled acknowledgements end in the same rows, and only differences are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from app.domain.acks import AckType, check_ack
from app.domain.findings import Finding, find, has_error
from app.domain.mapping.canonical import Direction, Document
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import AckVerdict
from app.models.inbound_message import InboundMessage
from app.models.work_order import WorkOrder
from app.services import (
    ack_batch,
    ack_effects,
    ack_receipt,
    ack_rows,
    ack_writing,
    bundles_in_force,
    inbound,
)
from app.services.ack_batch import Batch, Closing, KnownAck, Message, OrderFile
from app.services.ack_news import News, derive
from app.services.bundle_tally import Tally
from app.services.completion import Reported
from app.services.order_facts import Surroundings, load_surroundings, make_order_facts
from integrations.installer.ack_types import InstallerAck
from integrations.installer.acks import AckInvalid, build_ack

WAITS_FOR_ORDER = "ACK_UNKNOWN_ORDER"
# Reports that say something about meters or the place.
_ABOUT_METERS = frozenset({AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What became of one stored acknowledgement: a verdict, WAITING or REFUSED, and its keys."""

    message_id: int
    outcome: str
    keys: tuple[str, ...]
    detail: str
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class _Ack:
    """One acknowledgement at hand."""

    message: Message
    partner_code: str
    wire: InstallerAck
    payload: dict[str, Any]
    payload_hash: str

    @property
    def key(self) -> tuple[str, str]:
        return self.partner_code, str(self.wire.ack_id)


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where a batch is worked on."""

    session: Session
    batch: Batch
    now: datetime


def interpret(
    session: Session, message: InboundMessage, now: datetime, run_id: int
) -> Interpreted | None:
    """Interpret one stored message; None when somebody else has done so."""
    return next(iter(interpret_all(session, [message.id], now, run_id)), None)


def interpret_all(
    session: Session, message_ids: Sequence[int], now: datetime, run_id: int
) -> list[Interpreted]:
    """Interpret stored messages, in their order, in the caller's transaction.

    A message whose order came while we looked stays stored for the next look.
    Promise: each is closed (INTERPRETED, REJECTED or HELD) together with all its effects, once.
    Raises nothing for the content's sake; a fault of ours passes through and undoes the whole, so
    that the caller can try them one by one.
    """
    acks: dict[int, _Ack] = {}
    unreadable: dict[int, AckInvalid] = {}
    messages = ack_batch.read_messages(session, message_ids)
    for message in messages:
        try:
            acks[message.id] = _read(message)
        except AckInvalid as error:
            unreadable[message.id] = error
    order_ids = sorted({ack.wire.order_id for ack in acks.values()})
    batch = ack_batch.load(session, order_ids, [ack.key for ack in acks.values()])
    desk = _Desk(session, batch, now)
    told: list[Interpreted] = []
    seen: list[_Ack] = []
    # The orders' rows are written once, at the end.
    with session.no_autoflush:
        locked = ack_batch.lock_messages(session, messages)
        just_come = ack_batch.orders_just_come(session, batch, order_ids)
        for message in locked:
            if message.id in unreadable:
                told.append(_refuse_unreadable(desk, message, unreadable[message.id]))
            elif acks[message.id].wire.order_id not in just_come:
                told.append(_interpret(desk, acks[message.id]))
                seen.append(acks[message.id])
    session.flush()
    ack_writing.write(session, batch, now, run_id)
    _note_unread(session, seen, now)
    return told


def _note_unread(session: Session, seen: Sequence[_Ack], now: datetime) -> None:
    """Count what partners report and no rule reads, and where a shadow would read it otherwise."""
    if not seen:
        return
    in_force = bundles_in_force.load(session, Document.ACK, Direction.IN, now).in_force
    tally = Tally()
    for ack in seen:
        bundles = in_force.get(ack.partner_code)
        # Of what came in a file, the rows were looked at when the file was.
        if bundles is None or bundles.active.is_file:
            continue
        raw = msgspec.json.decode(ack.message.body)
        key = ack.wire.order_id
        unread = bundles.active.mapping.unread(raw)
        if unread:
            tally.note_unmapped(ack.partner_code, Document.ACK, key, unread)
        if bundles.shadow is not None:
            active = bundles.active.mapping.run(raw)
            beside = bundles.shadow.mapping.run(raw)
            tally.compare(bundles.shadow_id, key, active.value, beside.value)
    tally.flush(session, now)


def _read(message: Message) -> _Ack:
    wire = ack_rows.read_stored(message.body)
    payload = build_ack(wire)
    payload_hash = hashlib.sha256(msgspec.json.encode(payload, order="sorted")).hexdigest()
    return _Ack(message, ack_receipt.partner_of(message.source), wire, payload, payload_hash)


def _interpret(desk: _Desk, ack: _Ack) -> Interpreted:
    file = desk.batch.files.get(ack.wire.order_id)
    if file is None:
        return _wait_for_order(desk, ack)
    known_hash = desk.batch.hashes.get(ack.key)
    if known_hash is not None:
        return _repeated(desk, ack, file.order, known_hash)
    around, checks = _check(desk, ack, file.order)
    if any(finding.code == RejectCode.ACK_NOT_YOURS for finding in checks):
        # Nobody's facts count but those of partners that have, or had, the order.
        return _close(desk, ack, file.order, AckVerdict.REJECTED, "refused", checks)
    return _weigh(desk, ack, file, around, checks)


def _check(
    desk: _Desk, ack: _Ack, order: WorkOrder
) -> tuple[Surroundings | None, tuple[Finding, ...]]:
    fact = ack_rows.fact_of(ack.wire, ack.partner_code, ack.message.received_at, ())
    around = None
    if fact.type in _ABOUT_METERS:
        around = load_surroundings(desk.session, order, fact.new_meter_number, ack.partner_code)
    facts = make_order_facts(desk.session, order, ack.partner_code, around)
    return around, check_ack(fact, facts, ack.message.received_at)


def _weigh(
    desk: _Desk,
    ack: _Ack,
    file: OrderFile,
    around: Surroundings | None,
    checks: tuple[Finding, ...],
) -> Interpreted:
    """Derive the order's state with and without the new fact, and apply the difference."""
    order = file.order
    before = derive(order, {name: one.reported for name, one in file.acks.items()})
    fact = ack_rows.fact_of(ack.wire, ack.partner_code, ack.message.received_at, checks)
    new = KnownAck(
        *ack.key,
        ack.payload,
        ack.payload_hash,
        Reported(fact, ack.wire, checks),
        verdict="",
        findings=[],
        message_id=ack.message.id,
    )
    name = file.add(new)
    new.reported = Reported(ack_rows.with_name(fact, name), ack.wire, checks)
    desk.batch.hashes[ack.key] = ack.payload_hash
    reports = {one: known.reported for one, known in file.acks.items()}
    after = derive(order, reports)
    # One more fact may make earlier ones count, or stop counting.
    for one, known in file.acks.items():
        known.judge(after.verdicts[one], after.notes.get(one))
    if order.partner_ref is None and ack.wire.partner_ref is not None:
        order.partner_ref = ack.wire.partner_ref
    state = order.state
    cause = f"{ack.partner_code} reported {ack.wire.type} (ack {ack.wire.ack_id})"
    news = News(order, cause, before, after, name, reports, around, desk.now)
    desk.batch.changes.extend(ack_effects.apply(desk.session, news))
    note = after.notes.get(name)
    findings = (*checks, note) if note is not None else checks
    moved = order.state if order.state == state else f"{state} -> {order.state}"
    return _close(desk, ack, order, after.verdicts[name], moved, findings)


def _repeated(desk: _Desk, ack: _Ack, order: WorkOrder, known_hash: str) -> Interpreted:
    """An id that we know: the same content does nothing, other content is refused."""
    if known_hash == ack.payload_hash:
        note = find(RejectCode.DUPLICATE, "$.ackId")
        return _close(desk, ack, order, AckVerdict.DUPLICATE, "known", (note,))
    text = "An acknowledgement with this id and other content was received before."
    conflict = find(RejectCode.REVISION_CONFLICT, "$.ackId", text, severity=Severity.ERROR)
    return _close(desk, ack, order, AckVerdict.REJECTED, "refused", (conflict,))


def _wait_for_order(desk: _Desk, ack: _Ack) -> Interpreted:
    """Partners are sometimes faster than files: it is read again when the order comes."""
    message, wire = ack.message, ack.wire
    if message.interpreted_at is None:
        finding = find(RejectCode.ACK_UNKNOWN_ORDER, "$.orderId", severity=Severity.WARN)
        inbound.add_findings(desk.session, message.id, [(wire.order_id, finding)], desk.now)
    desk.batch.closings.append(Closing(message.id, "HELD", WAITS_FOR_ORDER, wire.type, "WAITING"))
    keys = (wire.order_id, str(wire.ack_id))
    detail = f"{wire.type}: no such order yet"
    return Interpreted(message.id, "WAITING", keys, detail, WAITS_FOR_ORDER)


def _refuse_unreadable(desk: _Desk, message: Message, error: AckInvalid) -> Interpreted:
    """Only possible when the rules of the wire have become stricter since it was stored."""
    ack_receipt.add_refusal(desk.session, message.id, message.business_key, error, desk.now)
    code = error.findings[0].code
    desk.batch.closings.append(Closing(message.id, "REJECTED", code, None, "REFUSED"))
    keys = tuple(key for key in (message.business_key, message.message_id) if key)
    return Interpreted(message.id, "REFUSED", keys, "cannot be read", code)


def _close(
    desk: _Desk,
    ack: _Ack,
    order: WorkOrder,
    verdict: AckVerdict,
    detail: str,
    findings: tuple[Finding, ...],
) -> Interpreted:
    """Record how it ended, with what was found."""
    wire, message = ack.wire, ack.message
    kept = [(order.order_id, finding) for finding in findings]
    inbound.add_findings(desk.session, message.id, kept, desk.now)
    refused = verdict is AckVerdict.REJECTED
    code = _error_class(findings) if refused else None
    state = "REJECTED" if refused else "INTERPRETED"
    desk.batch.closings.append(Closing(message.id, state, code, wire.type, str(verdict)))
    meters = [meter.number for meter in (wire.old_meter, wire.new_meter) if meter and meter.number]
    codes = ", ".join(dict.fromkeys(str(finding.code) for finding in findings))
    return Interpreted(
        message.id,
        str(verdict),
        (order.order_id, order.gsrn, str(wire.ack_id), *meters),
        f"{wire.type}: {detail} ({codes})" if codes else f"{wire.type}: {detail}",
        code,
    )


def _error_class(findings: tuple[Finding, ...]) -> str | None:
    errors = [finding for finding in findings if has_error((finding,))] or list(findings)
    return str(errors[0].code) if errors else None
