"""SendGrid's event webhook: genuine events are read, everything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sendgrid_email.events import EventsInvalid, load_public_key, verify_events
from integrations.sendgrid_email.types import EmailEvent

KEY = ec.generate_private_key(ec.SECP256R1())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
ATTEMPT = "0b7c7f64-5c0e-4d4f-9f4e-3f1f0a8f2b11"
AT = int(NOW.timestamp()) - 5
DELIVERED: dict[str, Any] = {
    "attempt": ATTEMPT,
    "attempt_id": ATTEMPT,
    "email": "matti@example.fi",
    "event": "delivered",
    "response": "250 OK",
    "sg_event_id": "changes-on-repetition",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "timestamp": AT,
}


def public(key: Any) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def sign(body: bytes, stamp: str = STAMP, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    return key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))


def verify(
    body: bytes, signature: str | None = None, stamp: str | None = STAMP, now: datetime = NOW
) -> list[EmailEvent]:
    if signature is None:
        signature = base64.b64encode(sign(body, stamp or "")).decode()
    return verify_events(body, signature, stamp, public(KEY), now)


def read(*events: Any) -> list[EmailEvent]:
    return verify(json.dumps(events).encode() + b"\r\n")


def refused(
    body: bytes, signature: str | None = None, stamp: str | None = STAMP, now: datetime = NOW
) -> str:
    with pytest.raises(EventsInvalid) as caught:
        verify(body, signature, stamp, now)
    return caught.value.code


def test_a_genuine_event_is_read() -> None:
    assert read(DELIVERED) == [
        EmailEvent(
            attempt_id=ATTEMPT,
            event="delivered",
            at=datetime.fromtimestamp(AT, UTC),
            message_id="14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            reason="250 OK",
        )
    ]


def test_sendgrids_own_count_of_tries_does_not_hide_the_attempt() -> None:
    [event] = read({**DELIVERED, "event": "deferred", "attempt": "5"})
    assert event.attempt_id == ATTEMPT


def test_the_plain_name_of_the_attempt_will_do() -> None:
    only = {name: value for name, value in DELIVERED.items() if name != "attempt_id"}
    assert read(only)[0].attempt_id == ATTEMPT


def test_a_bounce_tells_its_reason_and_type() -> None:
    [event] = read({**DELIVERED, "event": "bounce", "reason": "550 no", "type": "blocked"})
    assert (event.reason, event.bounce_type) == ("550 no", "blocked")


def test_unknown_kinds_of_events_are_kept_and_foreign_entries_left_out() -> None:
    events = read(
        {**DELIVERED, "event": "of_tomorrow"},
        {"event": "delivered", "timestamp": AT},
        {**DELIVERED, "attempt": "1", "attempt_id": "x"},
        {**DELIVERED, "event": None},
        {**DELIVERED, "timestamp": "soon"},
        {**DELIVERED, "timestamp": None},
        {**DELIVERED, "timestamp": 1e300},
        {**DELIVERED, "timestamp": True},
        "text",
        None,
        DELIVERED,
    )
    assert [event.event for event in events] == ["of_tomorrow", "delivered"]


def test_an_empty_batch_is_no_fault() -> None:
    assert read() == []


def test_a_repetition_has_the_same_dedupe_key_and_another_event_has_not() -> None:
    first, again, other = read(
        DELIVERED, {**DELIVERED, "sg_event_id": "new"}, {**DELIVERED, "event": "open"}
    )
    assert first.dedupe_key == again.dedupe_key != other.dedupe_key


BODY = json.dumps([DELIVERED]).encode()
GOOD = sign(BODY)


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_a_fresh_request_is_taken(off_s: int) -> None:
    assert verify(BODY, now=NOW + timedelta(seconds=off_s))


@pytest.mark.parametrize("off_s", [-301, 301, 90_000])
def test_a_request_outside_the_window_is_stale(off_s: int) -> None:
    assert refused(BODY, now=NOW + timedelta(seconds=off_s)) == "STALE"


def test_the_window_can_be_widened_for_an_account_that_repeats_with_the_old_timestamp() -> None:
    signature = base64.b64encode(GOOD).decode()
    later = NOW + timedelta(hours=20)
    assert verify_events(BODY, signature, STAMP, public(KEY), later, window_s=86_400)


@pytest.mark.parametrize(("signature", "stamp"), [("", STAMP), ("AAAA", None), ("AAAA", "")])
def test_a_missing_header_is_said_to_be_missing(signature: str, stamp: str | None) -> None:
    assert refused(BODY, signature, stamp) == "SIGNATURE_MISSING"


@pytest.mark.parametrize("stamp", ["0", "01", "-1", " 1", "1\n", "1.5", "soon", "١", "9" * 13])
def test_a_timestamp_in_another_writing_is_malformed(stamp: str) -> None:
    assert refused(BODY, stamp=stamp) == "SIGNATURE_MALFORMED"


def test_a_signature_in_another_writing_is_malformed() -> None:
    text = base64.b64encode(GOOD).decode()
    r, s = decode_dss_signature(GOOD)
    padded = b"\x30" + bytes([GOOD[1] + 1]) + b"\x02" + bytes([GOOD[3] + 1]) + b"\x00" + GOOD[4:]
    for other in (
        "%%%",
        "ä",
        text + "\n",
        text[:10] + "\n" + text[10:],
        text.rstrip("=") + "A",
        base64.b64encode(GOOD + b"\x00").decode(),
        base64.b64encode(GOOD[:-1]).decode(),
        base64.b64encode(padded).decode(),
        base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode(),
        base64.b64encode(b"").decode() or "=",
        base64.urlsafe_b64encode(b"\xff" * 64).decode(),
    ):
        assert refused(BODY, other) == "SIGNATURE_MALFORMED"


def test_loose_bits_at_the_end_of_the_base64_are_malformed() -> None:
    raw = GOOD
    while len(raw) % 3 == 0:
        raw = sign(BODY)
    text = base64.b64encode(raw).decode()
    at = len(text.rstrip("=")) - 1
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = text[:at] + letters[letters.index(text[at]) + 1] + text[at + 1 :]
    assert base64.b64decode(loose) == raw
    assert refused(BODY, loose) == "SIGNATURE_MALFORMED"


def test_both_values_of_s_are_genuine_and_tell_the_same() -> None:
    r, s = decode_dss_signature(GOOD)
    twin = base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()
    assert verify(BODY, twin) == verify(BODY)


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (ORDER, ORDER), (1, 1), (ORDER - 1, 1), (2**600, 1)]
)
def test_signatures_of_extreme_numbers_do_not_fit(r: int, s: int) -> None:
    signature = base64.b64encode(encode_dss_signature(r, s)).decode()
    assert refused(BODY, signature) == "SIGNATURE_WRONG"


def test_another_body_time_or_key_does_not_fit() -> None:
    signature = base64.b64encode(GOOD).decode()
    assert refused(BODY + b" ", signature) == "SIGNATURE_WRONG"
    assert refused(BODY, signature, str(int(STAMP) + 1)) == "SIGNATURE_WRONG"
    other = ec.generate_private_key(ec.SECP256R1())
    assert refused(BODY, base64.b64encode(sign(BODY, key=other)).decode()) == "SIGNATURE_WRONG"


def test_digits_moved_from_the_timestamp_into_the_body_are_no_events() -> None:
    signature = base64.b64encode(GOOD).decode()
    with pytest.raises(EventsInvalid) as caught:
        verify_events(
            STAMP[-1:].encode() + BODY,
            signature,
            STAMP[:-1],
            public(KEY),
            datetime.fromtimestamp(int(STAMP[:-1]), UTC),
        )
    assert caught.value.code == "BODY_MALFORMED"


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"x", b"\xff", b"[" * 200_000, BODY[:-1]])
def test_a_signed_body_that_is_no_json_array_is_malformed(body: bytes) -> None:
    assert refused(body) == "BODY_MALFORMED"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        base64.b64encode(b"\x30\x00").decode(),
        public(ec.generate_private_key(ec.SECP384R1())),
        public(rsa.generate_private_key(65537, 2048)),
    ],
)
def test_a_setting_that_is_no_p256_key_is_told_apart_from_a_bad_request(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_public_key(text)


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_one_changed_bit_anywhere_never_fits(data: st.DataObject) -> None:
    whole = bytearray(STAMP.encode() + BODY + GOOD)
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << at % 8
    stamp = bytes(whole[: len(STAMP)]).decode("latin-1")
    body = bytes(whole[len(STAMP) : len(STAMP) + len(BODY)])
    signature = base64.b64encode(bytes(whole[len(STAMP) + len(BODY) :])).decode()
    assert refused(body, signature, stamp) in ("SIGNATURE_WRONG", "SIGNATURE_MALFORMED")


@settings(max_examples=1000, deadline=None)
@given(
    st.text(max_size=120), st.text("0123456789", min_size=1, max_size=12), st.binary(max_size=40)
)
def test_a_guess_never_gets_past_and_never_crashes(signature: str, stamp: str, body: bytes) -> None:
    with pytest.raises(EventsInvalid):
        verify_events(body, signature, stamp, public(KEY), NOW)
