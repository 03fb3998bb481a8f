"""Text messages to us in the tests: sent, handled as the lane does, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count

from flask import current_app
from sqlalchemy import select

from app.db import transaction
from app.models import InboundSms, Notice, ReplyCase
from app.queries.point_cuts import cuts_of
from app.services import inbound_sms, replies
from app.settings import Settings
from integrations.twilio_sms import types as wire
from tests.services.world import NOW, PHONE

OURS = "+358454900900"
_numbers = count(1)


def two_way_settings() -> Settings:
    """The application's settings with a number that takes replies."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings.model_copy(update={"sms_two_way_sender": OURS})


@contextmanager
def with_two_way() -> Iterator[None]:
    """Let the application have a number that takes replies."""
    before = current_app.extensions["tiedolla_settings"]
    current_app.extensions["tiedolla_settings"] = two_way_settings()
    try:
        yield
    finally:
        current_app.extensions["tiedolla_settings"] = before


def send(body: str, sender: str = PHONE, now: datetime = NOW, sid: str | None = None) -> int:
    """Store one message as the webhook does; returns its id."""
    sid = sid or f"SM{next(_numbers):032d}"
    with transaction() as session:
        inbound_sms.store(session, wire.InboundSms(sid, sender, OURS, body), now)
        return session.execute(select(InboundSms.id).where(InboundSms.sid == sid)).scalar_one()


def handle(message_id: int, now: datetime = NOW) -> str | None:
    """Handle one message as the lane does; None when it had been handled."""
    with transaction() as session:
        sms = inbound_sms.lock(session, message_id)
        if sms is None:
            return None
        return replies.handle(session, sms, two_way_settings(), now, cuts_of)


def reply(body: str, sender: str = PHONE, now: datetime = NOW) -> str | None:
    """Send and handle one message; returns the verdict."""
    return handle(send(body, sender, now), now)


def answers(sender: str = PHONE) -> list[tuple[str, str]]:
    """What we answered to a number, oldest first, as (kind, text)."""
    with transaction() as session:
        rows = session.execute(
            select(Notice.type, Notice.body)
            .where(Notice.sent_to == sender, Notice.topic == "SERVICE")
            .order_by(Notice.id)
        )
        return [(row.type, row.body or "") for row in rows]


def last_answer(sender: str = PHONE) -> tuple[str, str]:
    """The newest answer."""
    return answers(sender)[-1]


def messages() -> list[InboundSms]:
    """Every message to us, oldest first, as it is now."""
    with transaction() as session:
        rows = session.scalars(
            select(InboundSms).order_by(InboundSms.id).execution_options(populate_existing=True)
        )
        return list(rows)


def cases() -> list[ReplyCase]:
    """Every case, oldest first, as it is now."""
    with transaction() as session:
        rows = session.scalars(
            select(ReplyCase).order_by(ReplyCase.id).execution_options(populate_existing=True)
        )
        return list(rows)
