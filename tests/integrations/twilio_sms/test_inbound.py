"""Text messages to us as Twilio reports them: genuine ones are read, everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.twilio_sms.callbacks import CallbackInvalid
from integrations.twilio_sms.inbound import verify_inbound_sms
from integrations.twilio_sms.types import InboundSms

TOKEN = "12345678901234567890123456789012"
URL = "https://portal.example/callbacks/twilio/inbound"
SID = "SM" + "0123456789abcdef" * 2
ACCOUNT = "AC" + "f" * 32
PHONE, OURS = "+358401234567", "+358451000001"
FORM = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "Body": "SEIS",
    "From": PHONE,
    "FromCity": "TAMPERE",
    "FromCountry": "FI",
    "FromState": "",
    "FromZip": "33100",
    "MessageSid": SID,
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsMessageSid": SID,
    "SmsSid": SID,
    "SmsStatus": "received",
    "To": OURS,
    "ToCity": "",
    "ToCountry": "FI",
    "ToState": "",
    "ToZip": "",
}


def sign(form: dict[str, str], url: str = URL, token: str = TOKEN) -> str:
    """As Twilio describes it; written out here, so that it does not lean on the SDK."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def verify(form: dict[str, str], **changed: Any) -> InboundSms:
    signature = changed.get("signature", sign(form))
    return verify_inbound_sms(changed.get("url", URL), form.items(), signature, TOKEN, ACCOUNT)


def refused(form: dict[str, str], **changed: Any) -> str:
    with pytest.raises(CallbackInvalid) as caught:
        verify(form, **changed)
    return caught.value.code


def test_a_genuine_message_is_read() -> None:
    assert verify(FORM) == InboundSms(SID, PHONE, OURS, "SEIS", 0)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Hei!\nSähköt ovat poikki 😀",
        "x" * 1600,
        "MessageSid ja From+358401111111 ja To",
        "BodyBody",
        "\x00\x07",
    ],
)
def test_people_may_write_anything(body: str) -> None:
    assert verify({**FORM, "Body": body}).body == body


@pytest.mark.parametrize(
    "changes",
    [
        {"From": "+4915112345678"},
        {"From": "16400"},
        {"From": "Posti Oyj"},
        {"MessagingServiceSid": "MG" + "a" * 32},
        {"NumMedia": "2", "MediaUrl0": "https://api.twilio.com/m/1", "MediaContentType0": "i/png"},
        {"OptOutType": "STOP"},
        {"AddOns": '{"status":"successful"}'},
        {"FromCity": "ÄÄNEKOSKI"},
    ],
)
def test_the_forms_that_twilio_may_send_are_taken(changes: dict[str, str]) -> None:
    assert verify({**FORM, **changes}).sid == SID


@pytest.mark.parametrize("name", ["AccountSid", "Body", "From", "MessageSid", "To"])
def test_what_is_needed_must_be_there(name: str) -> None:
    form = {key: value for key, value in FORM.items() if key != name}
    assert refused(form) == "PARAMETER_MISSING"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AccountSid": "AC" + "e" * 32}, "VALUE_INVALID"),
        ({"From": "whatsapp:+358401234567"}, "VALUE_INVALID"),
        ({"From": ""}, "VALUE_INVALID"),
        ({"From": "+358 40 1234567"}, "VALUE_INVALID"),
        ({"To": "Verkko"}, "VALUE_INVALID"),
        ({"SmsSid": "SM" + "f" * 32}, "VALUE_INVALID"),
        ({"SmsStatus": "delivered"}, "VALUE_INVALID"),
        ({"FromCity": "X+358401111111"}, "VALUE_INVALID"),
        ({"Body": "x" * 10_001}, "VALUE_INVALID"),
        ({"Fro": "m"}, "PARAMETER_UNKNOWN"),
        ({"Bodyguard": "x"}, "PARAMETER_UNKNOWN"),
        ({"lower": "x"}, "PARAMETER_UNKNOWN"),
        ({"Gx": "From+358401111111"}, "PARAMETER_UNKNOWN"),
    ],
)
def test_what_does_not_have_its_form_is_refused(changes: dict[str, str], code: str) -> None:
    assert refused({**FORM, **changes}) == code


@pytest.mark.parametrize("signature", [None, ""])
def test_a_missing_signature_is_said_to_be_missing(signature: str | None) -> None:
    assert refused(FORM, signature=signature) == "SIGNATURE_MISSING"


@pytest.mark.parametrize("name", FORM)
def test_no_value_can_be_changed(name: str) -> None:
    changed = {**FORM, name: FORM[name] + "0"}
    assert refused(changed, signature=sign(FORM)) == "SIGNATURE_WRONG"


def test_a_repeated_name_is_refused() -> None:
    pairs = [*FORM.items(), ("Body", "START")]
    with pytest.raises(CallbackInvalid) as caught:
        verify_inbound_sms(URL, pairs, sign(FORM), TOKEN, ACCOUNT)
    assert caught.value.code == "PARAMETER_REPEATED"


def test_another_address_is_refused() -> None:
    other = "https://portal.example/callbacks/twilio/status"
    assert refused(FORM, signature=sign(FORM, other)) == "SIGNATURE_WRONG"


SPOOF = "STOPFrom+358409999999"


@pytest.mark.parametrize(
    "form",
    [
        # The writer hid another sender in the body; the real one is pushed into something else.
        {
            **FORM,
            "Body": "STOP",
            "From": "+358409999999",
            "FromCity": f"From{PHONE}FromCityTAMPERE",
        },
        {**FORM, "Body": "STOP", "From": f"+358409999999From{PHONE}"},
    ],
)
def test_no_part_of_a_body_passes_for_a_sender(form: dict[str, str]) -> None:
    honest = {**FORM, "Body": SPOOF}
    assert verify(honest).sender == PHONE
    assert refused(form, signature=sign(honest)) in (
        "VALUE_INVALID",
        "PARAMETER_UNKNOWN",
        "SIGNATURE_WRONG",
    )


@settings(max_examples=300, deadline=None)
@given(
    body=st.lists(
        st.sampled_from(
            [
                "STOP",
                "START ",
                "From",
                "To",
                "Body",
                "+358409999999",
                "FromCity",
                "Gx",
                "Ex",
                "MessageSid",
            ]
        ),
        max_size=7,
    ).map("".join),
    with_places=st.booleans(),
    data=st.data(),
)
def test_however_the_borders_are_moved_sender_and_message_stay(
    body: str, with_places: bool, data: st.DataObject
) -> None:
    honest = {
        name: value
        for name, value in {**FORM, "Body": body}.items()
        if with_places or not name.endswith(("City", "Country", "State", "Zip"))
    }
    signature = sign(honest)
    text = "".join(name + honest[name] for name in sorted(honest))
    cuts = data.draw(
        st.lists(st.integers(0, len(text)), min_size=9, max_size=24, unique=True).map(sorted)
    )
    cuts = [0, *cuts, len(text)]
    pieces = [text[one:other] for one, other in pairwise(cuts)]
    if len(pieces) % 2:
        pieces = [*pieces[:-2], pieces[-2] + pieces[-1]]
    forged = list(zip(pieces[::2], pieces[1::2], strict=True))
    try:
        read = verify_inbound_sms(URL, forged, signature, TOKEN, ACCOUNT)
    except CallbackInvalid:
        return
    assert (read.sender, read.sid, read.body) == (PHONE, SID, body)


@pytest.mark.parametrize("body", ["STOP Enough please", "Kiitos Elenia", "Call me"])
def test_a_body_is_not_cut_where_a_name_could_begin(body: str) -> None:
    honest = {**FORM, "Body": body}
    cut = max(place for place, sign in enumerate(body) if sign.isupper())
    name, _, rest = body[cut:].partition(" ")
    for name_part, value in ((name, f" {rest}" if rest else ""), (name[:2], body[cut + 2 :])):
        form = {**FORM, "Body": body[:cut], name_part: value}
        assert "".join(n + form[n] for n in sorted(form)) == "".join(
            n + honest[n] for n in sorted(honest)
        )
        assert refused(form, signature=sign(honest)) == "PARAMETER_UNKNOWN"


def test_every_move_of_the_borders_around_a_hidden_sender_is_refused() -> None:
    short = {name: value for name, value in FORM.items() if not name.startswith("From")}
    honest = {**short, "Body": SPOOF, "From": PHONE, "FromCity": "ESPOO"}
    signature = sign(honest)
    names = sorted(honest)
    text = "".join(name + honest[name] for name in names)
    middle = text[text.index("Body") + 4 : text.index("MessageSid")]
    head = [(name, honest[name]) for name in names if name in ("AccountSid", "ApiVersion")]
    tail = [(name, honest[name]) for name in names if name >= "MessageSid"]
    # A border can only be where a name may begin or end: around its capitals and before values.
    likely = [
        place
        for place, (one, other) in enumerate(pairwise(middle), 1)
        if (other.isupper() and not one.isupper())
        or other == "+"
        or (one.isdigit() and other.isalpha())
    ]
    for one, two, three, four in combinations(likely, 4):
        for pairs in (
            [
                ("Body", middle[:one]),
                (middle[one:two], middle[two:three]),
                (middle[three:four], middle[four:]),
            ],
            [("Body", middle[:two]), (middle[two:three], middle[three:])],
        ):
            try:
                read = verify_inbound_sms(URL, [*head, *pairs, *tail], signature, TOKEN, ACCOUNT)
            except CallbackInvalid:
                continue
            assert (read.sender, read.body) == (PHONE, SPOOF)
