"""Whom a text message comes from."""

from __future__ import annotations

import pytest

from app.domain.notice_types import NoticeType
from app.domain.sender_profiles import Sender, Senders, is_number, is_sender, sender_for

BOTH = Senders("Verkko", "+358454900900", frozenset({"Verkko"}))


@pytest.mark.parametrize(
    ("kind", "senders", "expected"),
    [
        ("METER_SWAP_BOOK", BOTH, Sender("+358454900900", takes_replies=True)),
        ("FAULT_RESTORED", BOTH, Sender("+358454900900", takes_replies=True)),
        ("VERIFY_CODE", BOTH, Sender("+358454900900", takes_replies=True)),
        ("FAULT_STARTED", BOTH, Sender("Verkko", takes_replies=False)),
        ("SAFETY_WARNING", BOTH, Sender("Verkko", takes_replies=False)),
        ("METER_SWAP_BOOK", Senders("Verkko"), Sender("Verkko", takes_replies=False)),
        ("HELP_REPLY", Senders("Verkko"), Sender("Verkko", takes_replies=False)),
        ("HELP_REPLY", Senders("+358454900900"), Sender("+358454900900", takes_replies=True)),
    ],
)
def test_req_29_each_kind_has_its_sender(kind: str, senders: Senders, expected: Sender) -> None:
    assert sender_for(NoticeType(kind), senders) == expected


def test_req_28_a_sender_in_use_that_nobody_authorised_is_named() -> None:
    assert BOTH.unlisted() == ("+358454900900",)
    assert Senders("Verkko", "", frozenset({"Verkko"})).unlisted() == ()
    assert Senders("Verkko").unlisted() == ("Verkko",)


@pytest.mark.parametrize(
    ("sender", "fits"),
    [
        ("Verkkoyhtio", True),
        ("Verkko Oy 1", True),
        ("+358454900900", True),
        ("18123", True),
        ("Verkkoyhtiö", False),
        ("Verkkoyhtio1", False),
        (" Verkko", False),
        ("Verkko  Oy", False),
        ("Oy", False),
        ("0401234567", False),
        ("1234567", False),
        ("+0401234567", False),
    ],
)
def test_only_what_operators_take_is_a_sender(sender: str, fits: bool) -> None:
    assert is_sender(sender) is fits


def test_a_number_is_told_from_a_name() -> None:
    assert is_number("+358454900900")
    assert not is_number("Verkko")
