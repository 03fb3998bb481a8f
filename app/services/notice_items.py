"""A decided notice as the outbox item that carries it to its provider."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.domain.lanes import EMAIL, SMS
from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts
from app.domain.notice_types import (
    CHOSEN_TOPICS,
    NOTICE_RULES,
    TOPIC_PRIORITY,
    Channel,
    NoticeType,
    Topic,
)
from app.services.message_templates import Rendered
from app.services.outbox import NewItem
from app.services.unsubscribe_link import unsubscribe_url
from app.settings import Settings
from integrations.sendgrid_email.codec import build_email
from integrations.sendgrid_email.types import Email
from integrations.twilio_sms.codec import build_sms
from integrations.twilio_sms.types import Sms

KIND = "NOTICE"

# What a notice n passes for where it is decided by whether it has left: one that was given up while
# a call of it was in doubt may have arrived, whatever it ended as.
STANDING: Final = """
    CASE WHEN n.state IN ('EXPIRED', 'FAILED') AND EXISTS (
        SELECT 1 FROM outbox_item gone JOIN attempt a ON a.outbox_item_id = gone.id
        WHERE gone.business_key = 'notice:' || n.id AND a.outcome = 'UNKNOWN')
    THEN 'UNKNOWN' ELSE n.state END
"""
# The states in which nobody has been told, nor will be; beside them stands what has left or waits.
NOT_TOLD: Final = "('SUPPRESSED', 'EXPIRED', 'SUPERSEDED', 'FAILED')"
TWILIO_STATUS_PATH = "/callbacks/twilio/status"

_LANES = {Channel.SMS: SMS, Channel.EMAIL: EMAIL}
_WAITS_FOR_NOTHING = frozenset({Topic.SAFETY, Topic.SERVICE})


def notice_key(notice_id: int) -> str:
    """The name of a notice in the outbox and in steps."""
    return f"notice:{notice_id}"


def build_item(
    notice_id: int,
    kind: NoticeType,
    gsrn: str | None,
    contact: ContactFacts,
    language: Language,
    rendered: Rendered,
    settings: Settings,
    not_before: datetime | None,
    expires_at: datetime | None,
    *,
    order_of: str | None = None,
) -> NewItem:
    """The item whose payload is all that its client needs, and the notice that it is about.

    order_of: what its messages must leave in order about; the metering point unless given.
    """
    rule = NOTICE_RULES[kind]
    if contact.channel is Channel.SMS:
        message = build_sms(
            Sms(
                to=contact.value,
                sender=rendered.sender or settings.sms_sender,
                body=rendered.body,
                validity_s=int(rule.good_for.total_seconds()),
                status_callback_base=settings.base_url + TWILIO_STATUS_PATH,
                expires_at=expires_at,
            )
        )
    else:
        message = build_email(
            Email(
                to=contact.value,
                sender=settings.email_sender,
                subject=rendered.subject or "",
                text=rendered.body,
                html=rendered.html,
                language=language.value,
                unsubscribe_url=_unsubscribe_url(contact, kind, settings),
            )
        )
    return NewItem(
        lane=_LANES[contact.channel],
        kind=KIND,
        business_key=notice_key(notice_id),
        # The start of a visit leaves before its end, whichever of them has to be tried again.
        order_key=_order_key(contact, kind, order_of or gsrn or ""),
        version=1,
        dedupe_key=notice_key(notice_id),
        payload={"notice_id": notice_id, **message},
        gsrn=gsrn,
        priority=TOPIC_PRIORITY[rule.topic],
        expires_at=expires_at,
        not_before=not_before,
    )


def _order_key(contact: ContactFacts, kind: NoticeType, about: str) -> str:
    """What one after the other leaves in order under: news of one thing to one address.

    Warnings and answers wait for no other news, which may be held for the morning, for an hour, for
    money or for a provider (REQ-10, REQ-27).
    """
    topic = NOTICE_RULES[kind].topic
    own = f" {topic}" if topic in _WAITS_FOR_NOTHING else ""
    return f"{contact.value} {about}{own}"


def _unsubscribe_url(contact: ContactFacts, kind: NoticeType, settings: Settings) -> str | None:
    """Where one click in a mail program stops such e-mails; None where there is nothing to leave."""
    topic = NOTICE_RULES[kind].topic
    if topic not in CHOSEN_TOPICS or not contact.id:
        return None
    return unsubscribe_url(settings, contact.value, topic)
