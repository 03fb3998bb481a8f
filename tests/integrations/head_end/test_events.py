"""Meter events: both names of a code, and what is said about a message that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.head_end.events import CODES, EventsInvalid, parse_events

EVENT: dict[str, Any] = {
    "gsrn": "649999000000000013",
    "meter": "553012345",
    "eventCode": "LAST_GASP",
    "at": "2026-11-24T11:58:12+02:00",
}


def test_events_are_read_by_our_names_and_by_those_of_the_standard() -> None:
    events = [EVENT | {"eventCode": code} for code in CODES]
    read = parse_events(json.dumps({"messageId": "m", "events": events}).encode())
    assert [CODES[event.event_code] for event in read.events] == [
        "LAST_GASP",
        "LAST_GASP",
        "RESTORE",
        "RESTORE",
    ]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"gsrn": "1"}, "$.events[0].gsrn"),
        ({"eventCode": "3.26.0.1"}, "$.events[0].eventCode"),
        ({"at": "2026-11-24T11:58:12"}, "$.events[0].at"),
        ({"at": "0001-01-01T00:00:00Z"}, "$.events[0].at"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(EventsInvalid) as refused:
        parse_events(json.dumps({"events": [EVENT | changes]}).encode())
    assert refused.value.findings[0].path == path
    assert not refused.value.malformed


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(EventsInvalid) as refused:
        parse_events(body)
    assert refused.value.malformed
