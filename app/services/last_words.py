"""Words put right as they leave: what changed between the decision and the sending makes them untrue.

A safety ban that was set meanwhile takes the address out (REQ-31). That the power is on, after a meter
was replaced or at several points at once, is said only where nothing else cuts it (REQ-05).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.message_text import clean_value
from app.domain.notice_types import Channel, NoticeType
from app.domain.notice_values import HIDDEN_ADDRESS, short_address, values_for
from app.domain.sms_text import plain_sms, sms_parts
from app.services import message_templates, points_left, published_texts
from app.services.message_templates import Rendered
from app.services.outbox import Claimed
from app.settings import Settings

# Whether outage o, in which a point is off, is known to cut it: no suspicion, nor a meter's swap.
STILL_CUT: Final = """
    (o.kind = 'FAULT' AND o.confirmed_at IS NOT NULL
        AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
     OR o.kind = 'PLANNED' AND o.state IN ('ONGOING', 'OVERRUN'))
"""
# The same, and what a meter or a customer has said and nobody has looked at.
PERHAPS_CUT: Final = f"({STILL_CUT} OR o.kind = 'FAULT' AND o.state IN ('DETECTED', 'REOPENED'))"
_ON, _OFF = NoticeType.METER_SWAP_DONE, NoticeType.METER_SWAP_DONE_STILL_OFF
SWAP_DONE = frozenset({_ON, _OFF})

_FEWER = "As it left, another cut was on at some of its points, so it does not speak of them."
_HIDDEN = "The address was taken out as it left, because of a safety ban."
_WHY = {
    _OFF: "As it left, another cut was on, so it does not say that the power is on.",
    _ON: "As it left, the other cut was over.",
}


@dataclass(frozen=True, slots=True)
class Turned:
    """A notice whose words may have turned untrue: kind is the one that is true now.

    still_off: those of its points, not all, of which it must not say that they have power.
    """

    notice_id: int
    hide: bool
    kind: str
    still_off: Sequence[str] = ()


def swap_done(kind: str, is_cut: bool | None) -> str:
    """Which kind tells the truth about a replaced meter's power; every other kind stays itself."""
    return kind if is_cut is None else _OFF if is_cut else _ON


_ROWS = text(
    """
    SELECT n.id, n.type, n.channel, n.language, n.subject, n.body, n.html, n.event_at, n.decision,
        n.encoding, n.segments, n.text_version, n.outage_id, a.facts,
        coalesce(m.street_name, k.street_name) AS street_name,
        CASE WHEN m.gsrn IS NULL THEN k.house_number ELSE m.house_number END AS house_number,
        CASE WHEN m.gsrn IS NULL THEN k.staircase ELSE m.staircase END AS staircase,
        CASE WHEN m.gsrn IS NULL THEN k.apartment ELSE m.apartment END AS apartment
    FROM notice n
    LEFT JOIN metering_point m ON m.gsrn = n.gsrn
    LEFT JOIN announcement a ON a.id = n.announcement_id
    LEFT JOIN connection_order k ON 'connection:' || k.order_no = a.subject
    WHERE n.id = ANY(CAST(:ids AS bigint[])) AND n.body IS NOT NULL
    """
)
_SAY = text(
    """
    UPDATE notice SET type = :type, subject = :subject, body = :body, html = :html,
        encoding = :encoding, segments = :segments, text_version = :version, decision = :decision
    WHERE id = :id
    """
)
_CARRY = text(
    "UPDATE outbox_item SET payload = CAST(:payload AS jsonb), payload_hash = :hash WHERE id = :id"
)


def put_right(
    session: Session,
    turned: Sequence[Turned],
    items: Mapping[int, Claimed],
    settings: Settings,
    now: datetime,
) -> dict[int, Claimed]:
    """Give these notices (of locked items, by notice) the words that are true now.

    Returns the items that carry other words from here on; row and item change in this transaction.
    """
    by_id = {one.notice_id: one for one in turned}
    changed: dict[int, Claimed] = {}
    for row in session.execute(_ROWS, {"ids": sorted(by_id)}).all():
        one, item = by_id[row.id], items[row.id]
        words, why = _words(session, row, one, settings)
        if not why:
            continue
        payload = item.payload | _carried(Channel(row.channel), words)
        body = msgspec.json.encode(payload)
        carried = replace(item, payload=payload, payload_hash=hashlib.sha256(body).hexdigest())
        session.execute(
            _SAY,
            {
                "id": row.id,
                "type": one.kind,
                "subject": words.subject,
                "body": words.body,
                "html": words.html,
                "encoding": words.encoding,
                "segments": words.segments,
                "version": words.version,
                "decision": " ".join([row.decision, *why]),
            },
        )
        values = {"id": item.id, "payload": body.decode(), "hash": carried.payload_hash}
        session.execute(_CARRY, values)
        changed[row.id] = carried
    return changed


def _words(
    session: Session, row: Any, one: Turned, settings: Settings
) -> tuple[Rendered, list[str]]:
    """The true words, and why they are others than before; no reason where they are the same."""
    language = Language(row.language)
    address = short_address(row.street_name, row.house_number, row.staircase, row.apartment)
    words = Rendered(
        row.body, row.subject, row.html, row.encoding, row.segments, version=row.text_version
    )
    why: list[str] = []
    if one.still_off:
        words = _of_the_rest(session, row, one, settings)
        why.append(_FEWER)
    elif one.kind != row.type:
        kind = NoticeType(one.kind)
        facts = {"happened_at": row.event_at.isoformat()}
        words = _render(session, row, kind, facts, address, settings)
        why.append(_WHY[kind])
    if one.hide and address is not None:
        hidden = _without(words, address, language)
        if hidden != words:
            words = hidden
            why.append(_HIDDEN)
    return words, why


def _of_the_rest(session: Session, row: Any, one: Turned, settings: Settings) -> Rendered:
    """The end told of those points only that have power."""
    rest = points_left.narrow(session, row.id, row.outage_id, row.facts, one.still_off)
    language = Language(row.language)
    address = None if one.hide else rest.address(language)
    return _render(session, row, NoticeType(row.type), rest.facts, address, settings)


def _render(
    session: Session,
    row: Any,
    kind: NoticeType,
    facts: Mapping[str, Any],
    address: str | None,
    settings: Settings,
) -> Rendered:
    values = values_for(
        kind,
        Language(row.language),
        facts,
        brand=settings.brand,
        phone=settings.customer_service_phone,
        address=address,
    )
    return message_templates.render(
        published_texts.current(session),
        kind,
        Channel(row.channel),
        Language(row.language),
        values,
        settings.sms_senders,
    )


def _without(words: Rendered, address: str, language: Language) -> Rendered:
    """The same words with the address hidden, in each form that a text may have it in."""
    hidden, plain = HIDDEN_ADDRESS.in_language(language), clean_value(address)

    def hide(told: str | None) -> str | None:
        if told is None:
            return None
        for form in (escape(plain), plain, plain_sms(plain)):
            told = told.replace(form, hidden)
        return told

    body = hide(words.body) or ""
    size = sms_parts(body) if words.segments is not None else None
    return msgspec.structs.replace(
        words,
        body=body,
        subject=hide(words.subject),
        html=hide(words.html),
        encoding=size.encoding.value if size else words.encoding,
        segments=size.parts if size else words.segments,
    )


def _carried(channel: Channel, words: Rendered) -> dict[str, Any]:
    """What of the words goes into the stored payload of their channel."""
    if channel is Channel.SMS:
        return {"body": words.body}
    return {"subject": words.subject, "text": words.body, "html": words.html}
