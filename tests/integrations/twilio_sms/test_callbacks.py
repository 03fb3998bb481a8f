"""Twilio's status callbacks: genuine ones are read, everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.twilio_sms.callbacks import CallbackInvalid, verify_status_callback
from integrations.twilio_sms.codes import STATES
from integrations.twilio_sms.types import StatusCallback

TOKEN = "12345678901234567890123456789012"
ATTEMPT = "0b7c7f64-5c0e-4d4f-9f4e-3f1f0a8f2b11"
URL = f"https://portal.example/callbacks/twilio/status?attempt={ATTEMPT}"
SID = "SM" + "0123456789abcdef" * 2
ACCOUNT = "AC" + "f" * 32
FORM = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "From": "Verkko",
    "MessageSid": SID,
    "MessageStatus": "delivered",
    "SmsSid": SID,
    "SmsStatus": "delivered",
    "To": "+358401234567",
}
FAILED = {
    **FORM,
    "ErrorCode": "30005",
    "ErrorMessage": "Unknown destination handset",
    "MessageStatus": "undelivered",
    "RawDlrDoneDate": "2601051200",
    "SmsStatus": "undelivered",
}


def sign(form: dict[str, str], url: str = URL, token: str = TOKEN) -> str:
    """As Twilio describes it; written out here, so that it does not lean on the SDK."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def verify(form: dict[str, str], url: str = URL, **changed: Any) -> StatusCallback:
    signature = changed.get("signature", sign(form, url))
    return verify_status_callback(url, form.items(), signature, TOKEN, ACCOUNT)


def refused(form: dict[str, str], url: str = URL, **changed: Any) -> str:
    with pytest.raises(CallbackInvalid) as caught:
        verify(form, url, **changed)
    return caught.value.code


def test_a_genuine_report_is_read() -> None:
    assert verify(FORM) == StatusCallback(ATTEMPT, SID, "delivered", None, None)


def test_a_genuine_failure_tells_its_code() -> None:
    assert verify(FAILED) == StatusCallback(ATTEMPT, SID, "undelivered", "30005", None)


def test_the_worked_example_of_twilios_documentation_verifies() -> None:
    # Source: Twilio's guide "Validating signatures"; a voice request, so it is no report for us.
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    with pytest.raises(CallbackInvalid) as caught:
        verify_status_callback(
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            form.items(),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            "12345",
        )
    assert caught.value.code == "PARAMETER_MISSING"


@pytest.mark.parametrize("status", STATES)
def test_every_status_of_the_table_is_taken(status: str) -> None:
    assert verify({**FORM, "MessageStatus": status, "SmsStatus": status}).status == status


@pytest.mark.parametrize(
    "form",
    [
        {name: FORM[name] for name in ("AccountSid", "MessageSid", "MessageStatus")},
        {**FORM, "MessagingServiceSid": "MG" + "a" * 32},
        {**FORM, "ChannelInstallSid": "XE" + "a" * 32},
        {**FORM, "From": "+358401111111"},
        {**FORM, "From": "12345"},
        {**FORM, "ErrorCode": ""},
        {**FORM, "NewThing": "Twilio adds parameters without notice"},
    ],
)
def test_the_forms_that_twilio_may_send_are_taken(form: dict[str, str]) -> None:
    assert verify(form).status == "delivered"


@pytest.mark.parametrize("port", [":443", ""])
def test_twilio_may_sign_with_or_without_the_default_port(port: str) -> None:
    signature = sign(FORM, URL.replace("portal.example", f"portal.example{port}"))
    assert verify(FORM, signature=signature).sid == SID


@pytest.mark.parametrize("signature", [None, ""])
def test_a_missing_signature_is_said_to_be_missing(signature: str | None) -> None:
    assert refused(FORM, signature=signature) == "SIGNATURE_MISSING"


@pytest.mark.parametrize(
    "signature",
    ["x", "ä" * 28, sign(FORM)[:-1], sign(FORM) + " ", sign(FORM).lower(), sign(FORM, token="x")],
)
def test_a_wrong_signature_does_not_fit(signature: str) -> None:
    assert refused(FORM, signature=signature) == "SIGNATURE_WRONG"


@pytest.mark.parametrize("name", FORM)
def test_no_value_can_be_changed(name: str) -> None:
    changed = {**FORM, name: FORM[name] + "0"}
    assert refused(changed, signature=sign(FORM)) == "SIGNATURE_WRONG"


def test_the_attempt_cannot_be_changed() -> None:
    other = URL.replace(ATTEMPT[:4], "ffff")
    assert refused(FORM, other, signature=sign(FORM)) == "SIGNATURE_WRONG"


@pytest.mark.parametrize("again", [("MessageStatus", "delivered"), ("MessageStatus", "failed")])
def test_a_repeated_parameter_is_refused(again: tuple[str, str]) -> None:
    pairs = [*FORM.items(), again]
    with pytest.raises(CallbackInvalid) as caught:
        verify_status_callback(URL, pairs, sign(FORM), TOKEN)
    assert caught.value.code == "PARAMETER_REPEATED"


@pytest.mark.parametrize("name", ["AccountSid", "MessageSid", "MessageStatus"])
def test_a_report_without_what_it_is_about_is_refused(name: str) -> None:
    form = {key: value for key, value in FORM.items() if key != name}
    assert refused(form) == "PARAMETER_MISSING"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MessageStatus", "DELIVERED"),
        ("MessageStatus", "deliveredX"),
        ("MessageStatus", ""),
        ("MessageStatus", "received"),
        ("SmsStatus", "sent"),
        ("MessageSid", "SM1"),
        ("MessageSid", SID + "0"),
        ("SmsSid", "SM" + "1" * 32),
        ("AccountSid", "AC" + "0" * 32),
        ("ApiVersion", "2010"),
        ("To", "Verkko"),
        ("To", "+358401234567FromX"),
        ("From", "a" * 12),
        ("ErrorCode", "3000"),
        ("ErrorCode", "abc"),
        ("ErrorCode", "٣٠٠٠٥"),
        ("RawDlrDoneDate", "yesterday"),
    ],
)
def test_a_value_without_its_form_is_refused_even_when_signed(name: str, value: str) -> None:
    assert refused({**FORM, name: value}) == "VALUE_INVALID"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "to",
        "T",
        "Fro",
        "FromV",
        "ErrorCod",
        "ErrorCode3",
        "MessageStatusX",
        "A B",
        "Ä",
        "x" * 99,
    ],
)
def test_a_name_that_twilio_would_not_invent_is_refused_even_when_signed(name: str) -> None:
    assert refused({**FORM, name: "1"}) == "PARAMETER_UNKNOWN"


def test_a_known_name_hidden_in_a_value_is_refused_even_when_signed() -> None:
    form = {**FORM, "NewThing": "xErrorCode30005"}
    assert refused(form) == "PARAMETER_UNKNOWN"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "attempt=",
        "attempt=1",
        f"attempt={ATTEMPT.upper()}",
        f"attempt={ATTEMPT}0",
        f"attempt={ATTEMPT}&attempt={ATTEMPT}",
        f"attempt={ATTEMPT}&more=1",
        f"other={ATTEMPT}",
    ],
)
def test_an_address_without_exactly_one_attempt_is_refused_even_when_signed(query: str) -> None:
    assert (
        refused(FORM, URL.split("?", maxsplit=1)[0] + (f"?{query}" if query else ""))
        == "ATTEMPT_INVALID"
    )


@pytest.mark.parametrize("form", [FORM, FAILED])
@pytest.mark.parametrize(("joined", "cut_into"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)])
def test_wherever_the_borders_are_moved_the_report_stays_the_same_or_is_refused(
    form: dict[str, str], joined: int, cut_into: int
) -> None:
    """Every way to cut one to three neighbours anew into one or two; all of them verify as signed."""
    names, signature, genuine = sorted(form), sign(form), verify(form)
    verified = 0
    for at in range(len(names) - joined + 1):
        text = "".join(name + form[name] for name in names[at : at + joined])
        for cuts in combinations(range(len(text) + 1), 2 * cut_into - 1):
            edges = [0, *cuts, len(text)]
            pieces = [text[a:b] for a, b in pairwise(edges)]
            moved = {
                **{name: form[name] for name in names[:at]},
                **dict(zip(pieces[::2], pieces[1::2], strict=True)),
                **{name: form[name] for name in names[at + joined :]},
            }
            if list(moved) == sorted(moved) and len(moved) == len(names) - joined + cut_into:
                verified += 1
                assert told(moved, signature) in (None, genuine)
    assert verified > 0


@settings(max_examples=2000, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FAILED)), st.text(max_size=40)), st.text(max_size=40))
def test_a_guess_never_gets_past(form: dict[str, str], signature: str) -> None:
    assert told(form, signature) is None


def told(form: dict[str, str], signature: str) -> StatusCallback | None:
    try:
        return verify_status_callback(URL, form.items(), signature, TOKEN, ACCOUNT)
    except CallbackInvalid:
        return None
