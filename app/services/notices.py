"""Notices: whom to tell of an event, decided once, written down, and put on its way.

The row is the ledger and its text is what leaves; row, text and outbox item are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.notice_policy import (
    VISIT_BEGUN,
    VISIT_PLANS,
    Action,
    Decision,
    LedgerRow,
    NoticeEvent,
    Recipient,
    SuppressReason,
    decide_notice,
    dedupe_key,
)
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeType
from app.domain.notice_values import short_address, values_for
from app.domain.states import NoticeState
from app.models.metering_point import MeteringPoint
from app.models.notice import Notice
from app.models.work_order import WorkOrder
from app.services import message_templates, outbox, published_texts
from app.services.message_templates import Rendered
from app.services.notice_items import build_item
from app.services.notice_sending import begin_sending, note_settled, stop_older
from app.services.recipients import find_recipients, find_told
from app.settings import Settings

__all__ = ["begin_sending", "note_settled", "plan_for_swap"]

_ENDS = frozenset({NoticeType.METER_SWAP_DONE, NoticeType.METER_SWAP_FAILED})
# What the last look before the sending may have made of a notice: to the policy it is the same one.
_DECIDED_AS: dict[str, str] = {NoticeType.METER_SWAP_DONE_STILL_OFF: NoticeType.METER_SWAP_DONE}
_STATES = {
    Action.SEND: NoticeState.QUEUED,
    Action.HOLD: NoticeState.HELD,
    Action.SUPPRESS: NoticeState.SUPPRESSED,
}


@dataclass(frozen=True, slots=True)
class _Swap:
    """One event of a meter replacement that is being told."""

    event: NoticeEvent
    address: str | None
    facts: Mapping[str, Any]
    now: datetime
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was decided about one recipient."""

    recipient: Recipient
    decision: Decision
    key: str
    state: NoticeState


def plan_for_swap(
    session: Session,
    order: WorkOrder,
    notice_type: str,
    event_at: datetime,
    now: datetime,
    facts: Mapping[str, Any],
) -> None:
    """Tell whoever has the metering point on the day of the event, or write down why not.

    The order must be locked, so that its events are decided one at a time. Calling it again for
    the same event changes nothing. Facts, all of them optional: ack_id (tells two visits of one
    order apart), over_at (when the situation ended, if it has), confirmed (False: the time is not
    to be believed), no_outage (the power stayed on), reason_code (of a failed visit), from_at and
    to_at (of a visit that is planned), true_until (when the text turns untrue by itself; for a plan
    the visit's beginning unless given), if_told (True: only for those who know of the plan),
    ends_visit (True: with if_told, only for those who know that the visit began),
    live (False: it is not happening now, so it can wait for the morning).
    """
    kind = NoticeType(notice_type)
    ledger = _ledger(session, order)
    event = NoticeEvent(
        type=kind,
        subject=order.order_id,
        gsrn=order.gsrn,
        happened_at=event_at,
        occurrence=str(facts.get("ack_id") or event_at.isoformat()),
        over_at=facts.get("over_at") or _end_after(ledger, event_at),
        confirmed=bool(facts.get("confirmed", True)),
        no_outage=bool(facts.get("no_outage", False)),
        true_until=facts.get("true_until") or facts.get("from_at"),
        if_told=bool(facts.get("if_told", False)),
        ends_visit=bool(facts.get("ends_visit", False)),
        live=bool(facts.get("live", True)),
    )
    swap = _Swap(
        event=event,
        # An order may know of a safety ban that the master data has not told yet.
        address=None if order.facts.get("safety_ban") else _address(session, order.gsrn),
        facts={
            "happened_at": event_at.isoformat(),
            "reason_code": facts.get("reason_code"),
            **{
                name: facts[name].isoformat()
                for name in ("from_at", "to_at")
                if facts.get(name) is not None
            },
        },
        now=now,
        settings=current_app.extensions["tiedolla_settings"],
    )
    topic = NOTICE_RULES[kind].topic
    if event.if_told:
        kinds = VISIT_BEGUN if event.ends_visit else VISIT_PLANS
        recipients = find_told(session, order.order_id, order.gsrn, topic, kinds)
    else:
        # Of a visit to come, whoever will live there hears.
        on = helsinki_day(facts.get("from_at") or event_at)
        recipients = find_recipients(session, order.gsrn, on, topic)
    decided = _decide(swap, recipients, ledger)
    _supersede(session, swap, decided, ledger)
    for one in decided:
        _write(session, swap, one)


def _ledger(session: Session, order: WorkOrder) -> list[LedgerRow]:
    rows = session.execute(
        select(
            Notice.id, Notice.type, Notice.dedupe_key, Notice.sent_to, Notice.event_at, Notice.state
        ).where(Notice.order_id == order.order_id, Notice.gsrn == order.gsrn)
    )
    return [
        LedgerRow(id_, NoticeType(_DECIDED_AS.get(name, name)), key, value, at, NoticeState(state))
        for id_, name, key, value, at, state in rows
    ]


def _end_after(ledger: Sequence[LedgerRow], event_at: datetime) -> datetime | None:
    """When the visit ended, if its end was decided about before this event came (REQ-18)."""
    ends = (row.event_at for row in ledger if row.type in _ENDS and row.event_at >= event_at)
    return min(ends, default=None)


def _address(session: Session, gsrn: str) -> str | None:
    row = session.execute(
        select(
            MeteringPoint.street_name,
            MeteringPoint.house_number,
            MeteringPoint.staircase,
            MeteringPoint.apartment,
        ).where(MeteringPoint.gsrn == gsrn)
    ).one_or_none()
    return None if row is None else short_address(*row)


def _decide(
    swap: _Swap, recipients: Sequence[Recipient], ledger: Sequence[LedgerRow]
) -> list[_Decided]:
    """One decision after the other, since one phone may be known under two customers."""
    decided: list[_Decided] = []
    seen = list(ledger)
    for recipient in recipients:
        decision = decide_notice(swap.event, recipient, seen, swap.now)
        if decision.reason is SuppressReason.DUPLICATE:
            # The earlier row is its record.
            continue
        one = _Decided(
            recipient, decision, dedupe_key(swap.event, recipient), _STATES[decision.action]
        )
        decided.append(one)
        value = recipient.contact.value if recipient.contact else None
        seen.append(
            LedgerRow(0, swap.event.type, one.key, value, swap.event.happened_at, one.state)
        )
    return decided


def _supersede(
    session: Session, swap: _Swap, decided: Sequence[_Decided], ledger: Sequence[LedgerRow]
) -> None:
    """Stop older texts that this event makes untrue."""
    waiting = [notice for one in decided for notice in one.decision.supersedes]
    told = {one.recipient.contact.value for one in decided if one.recipient.contact}
    rule = NOTICE_RULES[swap.event.type]
    older = [
        row.notice_id
        for row in ledger
        if row.type in rule.supersedes
        and row.contact_value in told
        and row.event_at <= swap.event.happened_at
    ]
    if older:
        stop_older(session, waiting, older, swap.now)


def _write(session: Session, swap: _Swap, one: _Decided) -> None:
    """Write the decision and, if it is to tell, put the text on its way."""
    event, recipient, decision = swap.event, one.recipient, one.decision
    contact = recipient.contact if one.state is not NoticeState.SUPPRESSED else None
    rendered = None if contact is None else _render(session, swap, one, contact.channel)
    values = {
        "type": event.type,
        "dedupe_key": one.key,
        "contact_id": recipient.contact.id if recipient.contact else None,
        "customer_id": recipient.customer_id or None,
        "gsrn": event.gsrn,
        "order_id": event.subject,
        "topic": NOTICE_RULES[event.type].topic,
        "language": recipient.language,
        "channel": recipient.contact.channel if recipient.contact else None,
        "sent_to": recipient.contact.value if recipient.contact else None,
        "subject": rendered.subject if rendered else None,
        "body": rendered.body if rendered else None,
        "html": rendered.html if rendered else None,
        "encoding": rendered.encoding if rendered else None,
        "segments": rendered.segments if rendered else None,
        "text_version": rendered.version if rendered else 0,
        "state": one.state,
        "state_at": swap.now,
        "suppress_reason": decision.reason,
        "decision": decision.why,
        "event_at": event.happened_at,
        "not_before_at": decision.until,
        "expires_at": decision.expires_at,
        "resent_count": 0,
        "created_at": swap.now,
    }
    notice_id = session.execute(
        insert(Notice)
        .values(values)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Notice.id)
    ).scalar_one_or_none()
    if notice_id is None or contact is None or rendered is None:
        return
    item = build_item(
        notice_id,
        event.type,
        event.gsrn,
        contact,
        recipient.language,
        rendered,
        swap.settings,
        decision.until,
        decision.expires_at,
    )
    outbox.put(session, [item], swap.now)


def _render(session: Session, swap: _Swap, one: _Decided, channel: Channel) -> Rendered:
    language = one.recipient.language
    values = values_for(
        swap.event.type,
        language,
        swap.facts,
        brand=swap.settings.brand,
        phone=swap.settings.customer_service_phone,
        address=None if one.decision.hide_address else swap.address,
    )
    return message_templates.render(
        published_texts.current(session),
        swap.event.type,
        channel,
        language,
        values,
        swap.settings.sms_senders,
    )
