"""Acknowledgements as they arrive: what is taken, and what the sender is told otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.installer.ack_types import InstallerAck
from integrations.installer.acks import AckInvalid, build_ack, parse_ack
from integrations.outcomes import Finding

AT = "2026-01-05T09:40:00+02:00"
READING = {
    "register": "1.8.0",
    "value": 12345.678,
    "unit": "kWh",
    "readAt": AT,
    "source": "DISPLAY",
}
PLAIN: dict[str, Any] = {
    "ackId": "5b0d2f0e-0a63-4a6e-9a32-0f2f8d6c5a11",
    "orderId": "MVM-1",
    "revision": 1,
    "type": "ACCEPTED",
    "occurredAt": AT,
    "reportedAt": "2026-01-05T07:40:02Z",
}
FULL: dict[str, Any] = {
    **PLAIN,
    "partnerRef": "VM-77",
    "type": "COMPLETED",
    "installerId": "VM-1001",
    "crew": "Tampere 1",
    "outage": {"offAt": "2026-01-05T09:20:00+02:00", "onAt": AT, "plannedMinutes": 20},
    "oldMeter": {
        "number": "5530001",
        "readings": [READING],
        "sealBroken": True,
        "condition": "OK",
        "disposal": "RETURNED_TO_STOCK",
    },
    "newMeter": {
        "number": "65340001",
        "serial": "AID1",
        "model": "6534",
        "firmware": "2.18.3",
        "readings": [{**READING, "value": 0}],
        "multiplier": 1,
        "ctRatio": "200/5",
        "seals": ["S123"],
        "breakerState": "CLOSED",
        "hanState": "CLOSED",
    },
    "site": {
        "meterPlace": "OUTDOOR",
        "mainFuse": "3x25",
        "phases": 3,
        "accessNote": "portti",
        "addressFix": "B-rappu",
        "lat": 60.17,
        "lon": 24.94,
        "accuracyM": 8,
    },
    "photos": [{"kind": "NEW_METER", "sha256": "0" * 64, "takenAt": AT, "ref": "a/b.jpg"}],
    "commTest": {"ok": True, "at": AT, "signal": -71},
    "customerPresent": False,
    "notes": "x" * 500,
}


def wire(changes: dict[str, Any] | None = None, base: dict[str, Any] | None = None) -> bytes:
    return json.dumps({**(base or PLAIN), **(changes or {})}).encode()


def findings(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(AckInvalid) as caught:
        parse_ack(body)
    return [(finding.path, finding.code) for finding in caught.value.findings]


def test_the_shortest_acknowledgement_is_taken() -> None:
    ack = parse_ack(wire())
    assert (ack.order_id, ack.revision, ack.type) == ("MVM-1", 1, "ACCEPTED")
    assert ack.occurred_at == datetime(2026, 1, 5, 7, 40, tzinfo=UTC)


def test_the_fullest_acknowledgement_survives_the_way_there_and_back() -> None:
    again = build_ack(parse_ack(wire(base=FULL)))
    assert json.loads(json.dumps(again)) == FULL


def test_unknown_extra_fields_are_passed_over_at_every_level() -> None:
    ack = parse_ack(wire({"future": {"a": [1]}, "site": {"colour": "red", "phases": 3}}))
    assert ack.site is not None
    assert ack.site.phases == 3
    assert "future" not in build_ack(ack)


@pytest.mark.parametrize("ack_id", ["5B0D2F0E-0A63-4A6E-9A32-0F2F8D6C5A11"])
def test_two_spellings_of_one_id_are_one_acknowledgement(ack_id: str) -> None:
    assert parse_ack(wire({"ackId": ack_id})).ack_id == parse_ack(wire()).ack_id


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"ackId": "7"}, "$.ackId", "VALUE_INVALID"),
        ({"ackId": None}, "$.ackId", "TYPE_WRONG"),
        ({"orderId": ""}, "$.orderId", "VALUE_INVALID"),
        ({"orderId": "x" * 41}, "$.orderId", "VALUE_INVALID"),
        ({"revision": "1"}, "$.revision", "TYPE_WRONG"),
        ({"revision": 0}, "$.revision", "VALUE_INVALID"),
        ({"revision": 2**31}, "$.revision", "VALUE_INVALID"),
        ({"revision": 1.5}, "$.revision", "TYPE_WRONG"),
        ({"type": "DONE"}, "$.type", "VALUE_UNKNOWN"),
        ({"occurredAt": "2026-01-05T09:40:00"}, "$.occurredAt", "TIME_WITHOUT_OFFSET"),
        ({"occurredAt": "5.1.2026 klo 9"}, "$.occurredAt", "VALUE_INVALID"),
        ({"occurredAt": 1767600000}, "$.occurredAt", "TYPE_WRONG"),
        ({"occurredAt": "0001-01-01T00:00:00+14:00"}, "$.occurredAt", "TIME_INVALID"),
        ({"occurredAt": "9999-12-31T23:59:59-14:00"}, "$.occurredAt", "TIME_INVALID"),
        ({"notes": "x" * 501}, "$.notes", "VALUE_INVALID"),
        ({"notes": "a\x00b"}, "$", "TEXT_INVALID"),
        ({"customerPresent": "yes"}, "$.customerPresent", "TYPE_WRONG"),
        ({"photos": [{}] * 41}, "$.photos", "VALUE_INVALID"),
        ({"photos": [{"kind": "SEAL"}]}, "$.photos[0].sha256", "FIELD_MISSING"),
        ({"photos": [{"kind": "CAT", "sha256": "0" * 64}]}, "$.photos[0].kind", "VALUE_UNKNOWN"),
        ({"photos": [{"kind": "SEAL", "sha256": "0"}]}, "$.photos[0].sha256", "VALUE_INVALID"),
        ({"site": {"phases": 4}}, "$.site.phases", "VALUE_UNKNOWN"),
        ({"site": {"lat": 91}}, "$.site.lat", "VALUE_INVALID"),
        ({"site": []}, "$.site", "TYPE_WRONG"),
        ({"failure": {}}, "$.failure.reasonCode", "FIELD_MISSING"),
        ({"failure": {"reasonCode": "broken"}}, "$.failure.reasonCode", "VALUE_INVALID"),
        ({"commTest": {"ok": 1}}, "$.commTest.ok", "TYPE_WRONG"),
        (
            {"oldMeter": {"readings": [{**READING, "value": -1}]}},
            "$.oldMeter.readings[0].value",
            "VALUE_INVALID",
        ),
        (
            {"oldMeter": {"readings": [READING] * 33}},
            "$.oldMeter.readings",
            "VALUE_INVALID",
        ),
        (
            {"newMeter": {"readings": [{**READING, "source": "GUESS"}]}},
            "$.newMeter.readings[0].source",
            "VALUE_UNKNOWN",
        ),
        (
            {"newMeter": {"readings": [{**READING, "readAt": "1999-01-01T00:00:00Z"}]}},
            "$.newMeter.readings[0].readAt",
            "TIME_INVALID",
        ),
        ({"newMeter": {"multiplier": 0}}, "$.newMeter.multiplier", "VALUE_INVALID"),
        ({"schedule": {"from": AT}}, "$.schedule.to", "FIELD_MISSING"),
        ({"schedule": {"from": AT, "to": AT}}, "$.schedule.to", "ORDER_WRONG"),
    ],
)
def test_a_wrong_field_is_named_with_its_path_and_code(
    changes: dict[str, Any], path: str, code: str
) -> None:
    assert findings(wire(changes)) == [(path, code)]


def test_every_wrong_field_is_named_at_once() -> None:
    assert findings(b"{}") == [
        (f"$.{name}", "FIELD_MISSING")
        for name in ("ackId", "orderId", "revision", "type", "occurredAt", "reportedAt")
    ]
    assert findings(wire({"revision": "1", "notes": 5, "type": "X"})) == [
        ("$.revision", "TYPE_WRONG"),
        ("$.type", "VALUE_UNKNOWN"),
        ("$.notes", "TYPE_WRONG"),
    ]


def test_a_field_given_twice_does_not_hide_the_wrong_one() -> None:
    body = wire().replace(b'"revision": 1', b'"revision": "x", "revision": 1')
    assert findings(body) == [("$", "VALUE_INVALID")]


OFF, ON = {"offAt": "2026-01-05T09:20:00Z"}, {"onAt": "2026-01-05T09:40:00Z"}


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("SCHEDULED", {}, [("$.schedule", "FIELD_MISSING")]),
        ("RESCHEDULED", {}, [("$.schedule", "FIELD_MISSING")]),
        ("STARTED", {}, [("$.outage.offAt", "FIELD_MISSING")]),
        ("STARTED", {"outage": {"plannedMinutes": 20}}, [("$.outage.offAt", "FIELD_MISSING")]),
        ("STARTED", {"outage": {"noOutage": False}}, [("$.outage.offAt", "FIELD_MISSING")]),
        ("STARTED", {"outage": {"noOutage": True}}, []),
        ("STARTED", {"outage": OFF}, []),
        ("COMPLETED", {}, [("$.outage.onAt", "FIELD_MISSING")]),
        ("COMPLETED", {"outage": OFF}, [("$.outage.onAt", "FIELD_MISSING")]),
        ("COMPLETED", {"outage": ON}, []),
        ("COMPLETED", {"outage": {**OFF, **ON}}, []),
        ("COMPLETED", {"outage": {"noOutage": True}}, []),
        (
            "COMPLETED",
            {"outage": {"offAt": ON["onAt"], "onAt": OFF["offAt"]}},
            [("$.outage.onAt", "ORDER_WRONG")],
        ),
        (
            "COMPLETED",
            {"outage": {"noOutage": True, **ON}},
            [("$.outage.noOutage", "VALUE_INVALID")],
        ),
        (
            "COMPLETED",
            {"outage": ON, "newMeter": {"serial": "A"}},
            [("$.newMeter.number", "FIELD_MISSING")],
        ),
        ("FAILED", {}, [("$.failure.reasonCode", "FIELD_MISSING")]),
        ("FAILED", {"failure": {"reasonCode": "ACC_LOCKED"}}, []),
        ("ACCEPTED", {}, []),
        ("REJECTED", {}, []),
        ("EN_ROUTE", {}, []),
        ("CANCELLED", {}, []),
        ("CORRECTED", {}, []),
    ],
)
def test_each_type_asks_for_what_it_needs(
    kind: str, changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    body = wire({"type": kind, **changes})
    if expected:
        assert findings(body) == expected
    else:
        assert parse_ack(body).type == kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"not json",
        b"{" * 10_000,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"[]",
        b"null",
        b"7",
        b'{"ackId": "\xff"}',
        wire()[:-1],
        b'{"revision": "x", broken',
        wire() + b"{}",
    ],
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(AckInvalid) as caught:
        parse_ack(body)
    assert caught.value.malformed
    assert len(caught.value.findings) == 1


def test_findings_do_not_repeat_what_was_sent() -> None:
    secret = "Matti Meikäläinen"
    with pytest.raises(AckInvalid) as caught:
        parse_ack(wire({"type": secret, "notes": {"a": secret}, "ackId": secret}))
    assert secret not in repr(caught.value.findings)


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_no_bytes_get_past_as_anything_else_than_an_acknowledgement(body: bytes) -> None:
    with pytest.raises(AckInvalid):
        parse_ack(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3)
    ),
    max_leaves=6,
)
NAMES = [field.encode_name for field in msgspec.structs.fields(InstallerAck)]


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=3))
def test_any_content_of_any_field_is_taken_or_explained(changes: dict[str, Any]) -> None:
    ended = taken_or_told(wire(changes, FULL))
    if isinstance(ended, InstallerAck):
        for at in (ended.occurred_at, ended.reported_at):
            assert at.astimezone(UTC).utcoffset() == timedelta(0)
    else:
        assert ended
        assert all(f.path.startswith("$") and f.code and f.text for f in ended)


def taken_or_told(body: bytes) -> InstallerAck | tuple[Finding, ...]:
    try:
        return parse_ack(body)
    except AckInvalid as error:
        return error.findings
