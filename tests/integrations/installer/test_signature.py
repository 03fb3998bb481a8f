"""The signature over an acknowledgement."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.installer.signature import SignatureInvalid, sign, verify

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECRET = "a-secret-of-the-partner"
BODY = b'{"ackId": "1"}'


def refused(
    header: str | None = None,
    timestamp: str | None = STAMP,
    body: bytes = BODY,
    now: datetime = NOW,
    secret: str = SECRET,
) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        verify(secret, header, timestamp, body, now)
    return caught.value.code


def test_the_signature_is_the_one_that_the_interface_describes() -> None:
    digest = hmac.new(SECRET.encode(), STAMP.encode() + b"." + BODY, hashlib.sha256).hexdigest()
    assert sign(SECRET, STAMP, BODY) == sign(SECRET, int(STAMP), BODY) == f"v1={digest}"


@pytest.mark.parametrize("off_s", [-300, -1, 0, 1, 300])
def test_a_fresh_signature_is_good(off_s: int) -> None:
    verify(SECRET, sign(SECRET, STAMP, BODY), STAMP, BODY, NOW + timedelta(seconds=off_s))


@pytest.mark.parametrize("off_s", [-301, 301, 86_400, -86_400])
def test_a_replayed_or_postdated_signature_is_stale(off_s: int) -> None:
    good = sign(SECRET, STAMP, BODY)
    assert refused(good, now=NOW + timedelta(seconds=off_s)) == "STALE"


@pytest.mark.parametrize(("header", "timestamp"), [(None, STAMP), ("", STAMP), ("v1=0", None)])
def test_a_missing_header_is_said_to_be_missing(header: str | None, timestamp: str | None) -> None:
    assert refused(header, timestamp) == "MISSING"


@pytest.mark.parametrize(
    "timestamp",
    ["0", "01", "-5", "1.5", " 1", "1 ", "1\n", "9" * 13, "soon", "١٢٣", "+1", "1e9", "0x1"],
)
def test_a_timestamp_in_another_writing_is_malformed_even_when_signed(timestamp: str) -> None:
    text = f"{timestamp}.".encode() + BODY
    header = "v1=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert refused(header, timestamp) == "MALFORMED"


def test_a_signature_in_another_writing_is_malformed() -> None:
    good = sign(SECRET, STAMP, BODY)
    for other in (
        good.upper(),
        good[3:],
        good + "0",
        good + "\n",
        " " + good,
        good.replace("v1", "v2"),
        f"{good},{good}",
        "v1=",
        "v1=ä" + good[4:],
    ):
        assert refused(other) == "MALFORMED"


def test_another_secret_body_or_time_does_not_fit() -> None:
    good = sign(SECRET, STAMP, BODY)
    assert refused(good, secret="another") == "WRONG"
    assert refused(good, body=BODY + b" ") == "WRONG"
    assert refused(good, timestamp=str(int(STAMP) + 1)) == "WRONG"


def test_no_byte_can_move_between_the_timestamp_and_the_body() -> None:
    good = sign(SECRET, STAMP, b"5" + BODY)
    assert refused(good, timestamp=STAMP + "5") == "WRONG"
    assert refused(sign(SECRET, STAMP, BODY), timestamp=STAMP[:-1]) == "WRONG"


@settings(max_examples=2000)
@given(
    st.integers(1, 2**40).map(str),
    st.binary(max_size=40),
    st.text("0123456789abcdef", min_size=64, max_size=64).map("v1=".__add__),
)
def test_a_guessed_signature_never_fits(timestamp: str, body: bytes, header: str) -> None:
    now = datetime.fromtimestamp(min(int(timestamp), 2**33), UTC)
    with pytest.raises(SignatureInvalid):
        verify(SECRET, header, timestamp, body, now)


@settings(max_examples=1000)
@given(st.binary(min_size=1, max_size=40), st.data())
def test_one_changed_bit_of_the_body_never_fits(body: bytes, data: st.DataObject) -> None:
    header = sign(SECRET, STAMP, body)
    verify(SECRET, header, STAMP, body, NOW)
    at = data.draw(st.integers(0, len(body) * 8 - 1))
    changed = bytearray(body)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(SignatureInvalid):
        verify(SECRET, header, STAMP, bytes(changed), NOW)


@settings(max_examples=500)
@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_in_the_headers_is_refused_and_not_a_crash(header: str, timestamp: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(SECRET, header, timestamp, BODY, NOW)
