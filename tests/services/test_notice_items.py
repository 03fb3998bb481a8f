"""A notice as the message that its provider gets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts
from app.domain.notice_types import CHOSEN_TOPICS, NOTICE_RULES, Channel, NoticeType, Topic
from app.domain.states import NoticeState
from app.domain.telling import LEFT, WAITING
from app.services.message_templates import Rendered
from app.services.notice_items import NOT_TOLD, build_item
from app.services.unsubscribe_link import Link, read_token
from integrations.sendgrid_email.codec import parse_email
from integrations.sendgrid_email.mail import build_mail
from tests.conftest import test_settings

SETTINGS = test_settings(sms_two_way_sender="+358454900900")
EMAIL = ContactFacts(7, Channel.EMAIL, "aino@example.fi")


@pytest.mark.parametrize("kind", NoticeType)
def test_an_email_about_a_topic_that_can_be_left_is_left_with_one_click(kind: NoticeType) -> None:
    mail = build_mail(parse_email(payload(kind, EMAIL)), "attempt")
    topic = NOTICE_RULES[kind].topic
    headers = mail["headers"]
    if topic not in CHOSEN_TOPICS:
        assert "List-Unsubscribe" not in headers
        return
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = headers["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert address.startswith(SETTINGS.base_url)
    assert read_token(SETTINGS, address.rpartition("/")[2]) == Link("aino@example.fi", topic)


def test_a_notice_has_left_or_waits_or_tells_nobody_anything() -> None:
    assert set(re.findall("[A-Z]+", NOT_TOLD)) == set(NoticeState) - LEFT - WAITING


def test_what_goes_to_nobody_in_the_register_cannot_be_left() -> None:
    stranger = ContactFacts(0, Channel.EMAIL, "otso@verkko.example")
    assert NOTICE_RULES[NoticeType.FAULT_ETR].topic is Topic.FAULT
    assert "unsubscribe_url" not in payload(NoticeType.FAULT_ETR, stranger)


def test_req_29_a_text_message_leaves_from_the_sender_that_its_words_were_made_for() -> None:
    phone = ContactFacts(7, Channel.SMS, "+358401234567")
    rendered = Rendered("Reply OK", sender="+358454900900")
    assert payload(NoticeType.METER_SWAP_BOOK, phone, rendered)["from"] == "+358454900900"


def payload(
    kind: NoticeType, contact: ContactFacts, rendered: Rendered | None = None
) -> dict[str, Any]:
    """What is stored in the outbox."""
    rendered = rendered or Rendered("Words", subject="Subject", html="<p>Words</p>")
    item = build_item(1, kind, None, contact, Language.FI, rendered, SETTINGS, None, None)
    return dict(item.payload)
