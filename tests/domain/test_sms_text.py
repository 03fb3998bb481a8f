"""Encodings and parts of text messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sms_text import Encoding, SmsSize, foreign_to_gsm7, plain_sms, sms_parts

G, U = Encoding.GSM7, Encoding.UCS2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", SmsSize(G, 0, 1)),
        ("a" * 160, SmsSize(G, 160, 1)),
        ("a" * 161, SmsSize(G, 161, 2)),
        ("a" * 306, SmsSize(G, 306, 2)),
        ("a" * 307, SmsSize(G, 307, 3)),
        ("åäöÅÄÖé", SmsSize(G, 7, 1)),
        ("5 €", SmsSize(G, 4, 1)),
        ("€" * 80, SmsSize(G, 160, 1)),
        # The euro sign would straddle the end of the first part, so it moves to the second.
        ("a" * 152 + "€" + "a" * 152, SmsSize(G, 306, 3)),
        ("a" * 151 + "€" + "a" * 153, SmsSize(G, 306, 2)),
        ("Š" + "a" * 69, SmsSize(U, 70, 1)),
        ("Š" + "a" * 70, SmsSize(U, 71, 2)),
        ("Š" + "a" * 133, SmsSize(U, 134, 2)),
        ("Š" + "a" * 134, SmsSize(U, 135, 3)),
        ("😀" * 35, SmsSize(U, 70, 1)),
        ("a" * 66 + "😀" + "a" * 66, SmsSize(U, 134, 3)),
    ],
)
def test_a_text_weighs_what_the_operator_charges_for(text: str, size: SmsSize) -> None:
    assert sms_parts(text) == size


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("klo 10\u201312", "klo 10-12"),
        ("\u201dHei\u201d \u2019moi\u2019", "\"Hei\" 'moi'"),
        ("12\u00a0min\u2026", "12 min..."),
        ("Ha\u0308meentie", "Hämeentie"),
        ("sa\u00adna\u200b", "sana"),
        ("Šakkitie", "Šakkitie"),
        ("rivi\ntoinen", "rivi\ntoinen"),
    ],
)
def test_typographic_signs_become_plain_and_letters_stay(typed: str, sent: str) -> None:
    assert plain_sms(typed) == sent


def test_a_finnish_text_pasted_from_a_word_processor_stays_in_one_cheap_part() -> None:
    pasted = "Verkkoyhtio\u0308: katko klo 10\u201312, \u201dHa\u0308meentie 3\u201d\u2026"
    assert sms_parts(pasted).encoding is U
    assert sms_parts(plain_sms(pasted)) == SmsSize(G, 46, 1)


def test_a_street_with_a_caron_costs_more_and_the_letter_is_named() -> None:
    text = plain_sms("Šakkitie 3, Žižkatie")
    assert sms_parts(text).encoding is U
    assert foreign_to_gsm7(text) == ("Š", "Ž", "ž")
    assert foreign_to_gsm7("Hämeentie €") == ()


@given(st.text(max_size=400))
def test_making_a_text_plain_twice_changes_nothing_more(text: str) -> None:
    once = plain_sms(text)
    assert plain_sms(once) == once


@given(st.text(st.sampled_from("aä€Š😀^"), max_size=400))
def test_the_parts_hold_the_text_and_not_much_more(text: str) -> None:
    size = sms_parts(text)
    single, joined = (160, 153) if size.encoding is G else (70, 67)
    room = single if size.parts == 1 else joined * size.parts
    assert size.units <= room
    # At most one unit per part is lost to a sign that may not be torn apart.
    assert size.parts == 1 or size.units > (joined - 1) * (size.parts - 1)
