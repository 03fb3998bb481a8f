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
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain.acks import AckType, Derived, check_ack
from app.domain.findings import Finding, find, has_error
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import AckVerdict
from app.models.inbound_message import InboundMessage
from app.models.work_order import WorkOrder
from app.services import ack_effects, ack_receipt, ack_rows, inbound, work_orders
from app.services.ack_effects import News
from app.services.completion import Reported
from app.services.order_facts import Surroundings, load_surroundings, make_order_facts
from integrations.installer.ack_types import InstallerAck
from integrations.installer.acks import AckInvalid, build_ack, parse_ack

WAITS_FOR_ORDER = "ACK_UNKNOWN_ORDER"
# Reports that say something about meters or the place.
_ABOUT_METERS = frozenset({AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What became of one stored acknowledgement: a verdict, WAITING or REFUSED, and its keys."""

    outcome: str
    keys: tuple[str, ...]
    detail: str
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class _Ack:
    """One acknowledgement at hand."""

    message: InboundMessage
    partner_code: str
    wire: InstallerAck
    payload: dict[str, Any]
    payload_hash: str
    now: datetime
    run_id: int

    @property
    def ack_id(self) -> str:
        return str(self.wire.ack_id)


def interpret(session: Session, message: InboundMessage, now: datetime, run_id: int) -> Interpreted:
    """Interpret one stored message, once, in the caller's transaction.

    Promise: the message is closed (INTERPRETED, REJECTED or HELD) together with every effect.
    Raises nothing for the content's sake; a fault of ours passes through and undoes the whole.
    """
    partner_code = ack_receipt.partner_of(message.source)
    try:
        wire = parse_ack(inbound.read_body(session, message.id))
    except AckInvalid as error:
        return _refuse_unreadable(session, message, error, now)
    payload = build_ack(wire)
    payload_hash = hashlib.sha256(msgspec.json.encode(payload, order="sorted")).hexdigest()
    ack = _Ack(message, partner_code, wire, payload, payload_hash, now, run_id)
    order = work_orders.get_for_update(session, wire.order_id)
    if order is None:
        return _wait_for_order(session, ack)
    rows = _stored(session, order.order_id, partner_code, ack.ack_id)
    same = next((r for r in rows if (r.partner_code, r.ack_id) == (partner_code, ack.ack_id)), None)
    if same is not None:
        return _repeated(session, ack, order, same)
    around, checks = _check(session, ack, order)
    if any(finding.code == RejectCode.ACK_NOT_YOURS for finding in checks):
        # Nobody's facts count but those of partners that have, or had, the order.
        return _refuse(session, ack, order, checks)
    return _weigh(session, ack, order, rows, around, checks)


def _check(
    session: Session, ack: _Ack, order: WorkOrder
) -> tuple[Surroundings | None, tuple[Finding, ...]]:
    fact = ack_rows.fact_of(ack.wire, ack.partner_code, ack.message.received_at, ())
    around = None
    if fact.type in _ABOUT_METERS:
        around = load_surroundings(session, order, fact.new_meter_number)
    facts = make_order_facts(session, order, ack.partner_code, around)
    return around, check_ack(fact, facts, ack.message.received_at)


def _weigh(
    session: Session,
    ack: _Ack,
    order: WorkOrder,
    rows: Sequence[Row[Any]],
    around: Surroundings | None,
    checks: tuple[Finding, ...],
) -> Interpreted:
    """Derive the order's state with and without the new fact, and apply the difference."""
    known = {name: _reported(row, name) for name, row in _named(rows).items()}
    name = ack.ack_id if ack.ack_id not in known else f"{ack.ack_id} {ack.partner_code}"
    fact = ack_rows.fact_of(ack.wire, ack.partner_code, ack.message.received_at, checks)
    reports = {**known, name: Reported(ack_rows.with_name(fact, name), ack.wire, checks)}
    before = ack_effects.derive(order, known)
    after = ack_effects.derive(order, reports)
    verdict = after.verdicts[name]
    note = after.notes.get(name)
    _insert(session, ack, order, verdict, ack_rows.build_findings(checks, note))
    _update_verdicts(session, rows, after, known)
    state_before = order.state
    if order.partner_ref is None and ack.wire.partner_ref is not None:
        order.partner_ref = ack.wire.partner_ref
    ack_effects.apply(
        session,
        News(
            order=order,
            cause=f"{ack.partner_code} reported {ack.wire.type} (ack {ack.ack_id})",
            before=before,
            after=after,
            name=name,
            reports=reports,
            around=around,
            now=ack.now,
            run_id=ack.run_id,
        ),
    )
    findings = (*checks, note) if note is not None else checks
    _close(session, ack, verdict, findings, order.order_id)
    moved = f"{state_before} -> {order.state}" if order.state != state_before else order.state
    return _interpreted(ack, order, verdict, f"{ack.wire.type}: {moved}", findings)


def _repeated(session: Session, ack: _Ack, order: WorkOrder, same: Row[Any]) -> Interpreted:
    """An id that we know: the same content does nothing, other content is refused."""
    if same.payload_hash == ack.payload_hash:
        note = find(RejectCode.DUPLICATE, "$.ackId")
        _close(session, ack, AckVerdict.DUPLICATE, (note,), order.order_id)
        return _interpreted(ack, order, AckVerdict.DUPLICATE, f"{ack.wire.type}: known", (note,))
    text_ = "An acknowledgement with this id and other content was received before."
    conflict = find(RejectCode.REVISION_CONFLICT, "$.ackId", text_, severity=Severity.ERROR)
    return _refuse(session, ack, order, (conflict,))


def _refuse(
    session: Session, ack: _Ack, order: WorkOrder, findings: tuple[Finding, ...]
) -> Interpreted:
    _close(session, ack, AckVerdict.REJECTED, findings, order.order_id)
    return _interpreted(ack, order, AckVerdict.REJECTED, f"{ack.wire.type}: refused", findings)


def _wait_for_order(session: Session, ack: _Ack) -> Interpreted:
    """Partners are sometimes faster than files: it is read again when the order comes."""
    finding = find(RejectCode.ACK_UNKNOWN_ORDER, "$.orderId", severity=Severity.WARN)
    if ack.message.interpreted_at is None:
        inbound.add_findings(session, ack.message.id, [(ack.wire.order_id, finding)], ack.now)
    inbound.close(session, ack.message.id, "HELD", ack.now, reason_code=WAITS_FOR_ORDER)
    keys = (ack.wire.order_id, ack.ack_id)
    return Interpreted("WAITING", keys, f"{ack.wire.type}: no such order yet", WAITS_FOR_ORDER)


def _refuse_unreadable(
    session: Session, message: InboundMessage, error: AckInvalid, now: datetime
) -> Interpreted:
    """Only possible when the rules of the wire have become stricter since it was stored."""
    ack_receipt.add_refusal(session, message.id, message.business_key, error, now)
    code = error.findings[0].code
    inbound.close(session, message.id, "REJECTED", now, reason_code=code)
    keys = tuple(key for key in (message.business_key, message.message_id) if key)
    return Interpreted("REFUSED", keys, "cannot be read", code)


_STORED = text(
    "SELECT partner_code, ack_id, order_id, received_at, payload, payload_hash, verdict, findings"
    " FROM ack WHERE order_id = :order_id OR (partner_code = :partner_code AND ack_id = :ack_id)"
    " ORDER BY received_at, ack_id, partner_code"
)


def _stored(session: Session, order_id: str, partner_code: str, ack_id: str) -> Sequence[Row[Any]]:
    """The order's acknowledgements, and the one that has this very id wherever it belongs."""
    return session.execute(
        _STORED, {"order_id": order_id, "partner_code": partner_code, "ack_id": ack_id}
    ).all()


def _named(rows: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    """Acknowledgements by their id; should two partners use one id, the later takes a surname."""
    named: dict[str, Row[Any]] = {}
    for row in rows:
        name = row.ack_id if row.ack_id not in named else f"{row.ack_id} {row.partner_code}"
        named[name] = row
    return named


def _reported(row: Row[Any], name: str) -> Reported:
    wire = ack_rows.wire_of(row.payload)
    checks = ack_rows.parse_checks(row.findings)
    fact = ack_rows.fact_of(wire, row.partner_code, row.received_at, checks)
    return Reported(ack_rows.with_name(fact, name), wire, checks)


_INSERT = text(
    """
    INSERT INTO ack (partner_code, ack_id, order_id, revision, partner_ref, type, occurred_at,
        reported_at, received_at, payload, payload_hash, verdict, findings, inbound_message_id,
        applied_at)
    VALUES (:partner_code, :ack_id, :order_id, :revision, :partner_ref, :type, :occurred_at,
        :reported_at, :received_at, CAST(:payload AS jsonb), :payload_hash, :verdict,
        CAST(:findings AS jsonb), :message_id, :now)
    """
)


def _insert(
    session: Session,
    ack: _Ack,
    order: WorkOrder,
    verdict: AckVerdict,
    findings: list[dict[str, str]],
) -> None:
    session.execute(
        _INSERT,
        {
            "partner_code": ack.partner_code,
            "ack_id": ack.ack_id,
            "order_id": order.order_id,
            "revision": ack.wire.revision,
            "partner_ref": ack.wire.partner_ref,
            "type": ack.wire.type,
            "occurred_at": ack.wire.occurred_at,
            "reported_at": ack.wire.reported_at,
            "received_at": ack.message.received_at,
            "payload": msgspec.json.encode(ack.payload).decode(),
            "payload_hash": ack.payload_hash,
            "verdict": verdict,
            "findings": msgspec.json.encode(findings).decode(),
            "message_id": ack.message.id,
            "now": ack.now,
        },
    )


_UPDATE_VERDICT = text(
    "UPDATE ack SET verdict = :verdict, findings = CAST(:findings AS jsonb)"
    " WHERE partner_code = :partner_code AND ack_id = :ack_id"
)


def _update_verdicts(
    session: Session, rows: Sequence[Row[Any]], after: Derived, known: dict[str, Reported]
) -> None:
    """One more fact may make earlier ones count, or stop counting."""
    for name, row in _named(rows).items():
        verdict = after.verdicts[name]
        findings = ack_rows.build_findings(known[name].checks, after.notes.get(name))
        if (row.verdict, row.findings) == (verdict, findings):
            continue
        values = {
            "verdict": verdict,
            "findings": msgspec.json.encode(findings).decode(),
            "partner_code": row.partner_code,
            "ack_id": row.ack_id,
        }
        session.execute(_UPDATE_VERDICT, values)


def _close(
    session: Session,
    ack: _Ack,
    verdict: AckVerdict,
    findings: tuple[Finding, ...],
    order_id: str,
) -> None:
    inbound.add_findings(session, ack.message.id, [(order_id, f) for f in findings], ack.now)
    refused = verdict is AckVerdict.REJECTED
    inbound.close(
        session,
        ack.message.id,
        "REJECTED" if refused else "INTERPRETED",
        ack.now,
        reason_code=_error_class(findings) if refused else None,
        counts={str(verdict): 1},
        document=ack.wire.type,
    )


def _interpreted(
    ack: _Ack, order: WorkOrder, verdict: AckVerdict, detail: str, findings: tuple[Finding, ...]
) -> Interpreted:
    wire = ack.wire
    meters = [meter.number for meter in (wire.old_meter, wire.new_meter) if meter and meter.number]
    codes = ", ".join(dict.fromkeys(str(finding.code) for finding in findings))
    return Interpreted(
        outcome=str(verdict),
        keys=(order.order_id, order.gsrn, ack.ack_id, *meters),
        detail=f"{detail} ({codes})" if codes else detail,
        error_class=_error_class(findings) if verdict is AckVerdict.REJECTED else None,
    )


def _error_class(findings: tuple[Finding, ...]) -> str | None:
    errors = [f for f in findings if has_error((f,))] or list(findings)
    return str(errors[0].code) if errors else None
