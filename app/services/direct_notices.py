"""One message to one address that asked for it or must get it: codes, replies, confirmations.

Nothing is chosen here: no preferred channel, no wish, no quiet hours. Whoever calls knows the
address, and answers what its owner did a moment ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts, ContactState, SuppressReason, address_hash
from app.domain.notice_types import NOTICE_RULES, NoticeType
from app.domain.notice_values import values_for
from app.domain.states import NoticeState
from app.models.notice import Notice
from app.services import message_templates, outbox, published_texts
from app.services.message_templates import Rendered
from app.services.notice_items import build_item
from app.settings import Settings


def tell_contact(
    session: Session,
    contact: ContactFacts,
    kind: NoticeType,
    facts: Mapping[str, Any],
    *,
    language: Language,
    key: str,
    why: str,
    now: datetime,
    settings: Settings,
    customer_id: str | None = None,
    gsrn: str | None = None,
    address: str | None = None,
) -> int | None:
    """Write the notice and put it on its way; returns its id, or None if `key` was told before.

    key: which happening this answers, unique per kind and address. why: the sentence for the
    record. An address that can get nothing gets a ledger row with the reason instead.
    """
    values = values_for(
        kind,
        language,
        {"event_at": now.isoformat(), **facts},
        brand=settings.brand,
        phone=settings.customer_service_phone,
        address=address,
    )
    rendered = message_templates.render(
        published_texts.current(session),
        kind,
        contact.channel,
        language,
        values,
        settings.sms_senders,
    )
    row = {
        "dedupe_key": f"{kind}/{key}/{address_hash(contact)}",
        "customer_id": customer_id,
        "gsrn": gsrn or "",
        "topic": NOTICE_RULES[kind].topic,
        "decision": why,
    }
    return put_rendered(session, contact, kind, language, rendered, row, now, settings)


def put_rendered(
    session: Session,
    contact: ContactFacts,
    kind: NoticeType,
    language: Language,
    rendered: Rendered,
    row: Mapping[str, Any],
    now: datetime,
    settings: Settings,
) -> int | None:
    """Write a notice whose text is ready and put it on its way; None if its dedupe_key is known.

    row: dedupe_key, topic, decision, gsrn, and what else differs.
    """
    gone = contact.state in (ContactState.REMOVED, ContactState.INVALID)
    expires_at = now + NOTICE_RULES[kind].good_for
    notice_id: int | None = session.execute(
        insert(Notice)
        .values(
            type=kind,
            contact_id=contact.id or None,
            language=language,
            channel=contact.channel,
            sent_to=contact.value,
            must_reach=True,
            subject=rendered.subject,
            body=rendered.body,
            html=rendered.html,
            encoding=rendered.encoding,
            segments=rendered.segments,
            text_version=rendered.version,
            state=NoticeState.SUPPRESSED if gone else NoticeState.QUEUED,
            state_at=now,
            suppress_reason=SuppressReason.CONTACT_INVALID if gone else None,
            event_at=now,
            expires_at=expires_at,
            resent_count=0,
            created_at=now,
            **row,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Notice.id)
    ).scalar_one_or_none()
    if notice_id is None or gone:
        return notice_id
    gsrn = row.get("gsrn") or None
    item = build_item(
        notice_id, kind, gsrn, contact, language, rendered, settings, None, expires_at
    )
    outbox.put(session, [item], now)
    return notice_id
