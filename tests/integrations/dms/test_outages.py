"""The DMS's outage feed: what is read, and what is said about what cannot be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.dms.outages import MessageInvalid, build_outage, parse_outages, read_stored

GOLDEN = (Path(__file__).parent / "golden" / "outages.json").read_bytes()
GOOD: dict[str, Any] = {
    "sourceRef": "F-1",
    "version": 1,
    "kind": "FAULT",
    "statedAt": "2026-11-24T10:05:00Z",
    "startedAt": "2026-11-24T10:00:00Z",
    "points": [{"gsrn": "649999000000000013"}],
}


def test_the_golden_sample_is_read_whole() -> None:
    message = parse_outages(GOLDEN)
    assert message.message_id == "DMS-20261124-0007"
    assert [record.findings for record in message.records] == [()] * 4
    outages = [record.outage for record in message.records if record.outage]
    first, second, third, fourth = outages
    assert first.etr_at == datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
    assert [point.on_at is not None for point in first.points] == [False, True, False]
    assert (second.state, second.transformer) == ("DETECTED", "M837-0412")
    assert third.parent == first.source_ref
    assert (fourth.kind, fourth.planned_to) == ("PLANNED", datetime(2026, 12, 1, 10, tzinfo=UTC))


def test_lines_are_read_like_a_list() -> None:
    lines = b"\r\n".join(json.dumps(GOOD | {"sourceRef": f"F-{n}"}).encode() for n in range(3))
    records = parse_outages(b"\n" + lines + b"\n").records
    assert [record.ref for record in records] == ["F-0", "F-1", "F-2"]
    assert all(record.outage for record in records)
    assert [record.ref for record in parse_outages(json.dumps(GOOD).encode()).records] == ["F-1"]


def test_an_outage_is_the_same_after_it_was_stored() -> None:
    for record in parse_outages(GOLDEN).records:
        assert record.outage is not None
        assert read_stored(json.loads(json.dumps(build_outage(record.outage)))) == record.outage


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"version": None}, "version", "VALUE_INVALID"),
        ({"version": 0}, "version", "VALUE_INVALID"),
        ({"kind": "STORM"}, "kind", "VALUE_INVALID"),
        ({"statedAt": "2026-11-24T10:05:00"}, "statedAt", "TIME_WITHOUT_OFFSET"),
        ({"startedAt": "1899-01-01T00:00:00Z"}, "startedAt", "VALUE_INVALID"),
        ({"points": []}, "points", "FIELD_MISSING"),
        ({"points": [{"gsrn": "123"}]}, "points[0].gsrn", "VALUE_INVALID"),
        (
            {"points": [{"gsrn": "6" * 18, "onAt": "2026-11-24T09:00:00Z"}]},
            "points[0].onAt",
            "VALUE_INVALID",
        ),
        ({"parent": "F-1"}, "parent", "VALUE_INVALID"),
        ({"sourceRef": "a\u0000b"}, "sourceRef", "VALUE_INVALID"),
    ],
)
def test_what_is_wrong_is_named_and_stops_only_its_own_record(
    changes: dict[str, Any], path: str, code: str
) -> None:
    body = json.dumps({"outages": [GOOD | changes, GOOD | {"sourceRef": "F-2"}]}).encode()
    bad, good = parse_outages(body).records
    assert bad.outage is None
    assert [(one.path, one.code) for one in bad.findings] == [(f"$.outages[0].{path}", code)]
    assert good.outage is not None


@pytest.mark.parametrize("missing", ["sourceRef", "version", "kind", "statedAt", "startedAt"])
def test_what_is_missing_is_named(missing: str) -> None:
    body = json.dumps({"outages": [{k: v for k, v in GOOD.items() if k != missing}]}).encode()
    (record,) = parse_outages(body).records
    (finding,) = record.findings
    assert (finding.path, finding.code) == (f"$.outages[0].{missing}", "FIELD_MISSING")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "JSON_MALFORMED"),
        (b"\xff\xfe", "JSON_MALFORMED"),
        (b"[]", "JSON_MALFORMED"),
        (b'{"outages": {}}', "TYPE_WRONG"),
        (b'{"message": 1}', "FIELD_MISSING"),
        (b"[" * 100_000, "JSON_MALFORMED"),
        (json.dumps({"outages": [1] * 10_001}).encode(), "TOO_MANY"),
    ],
)
def test_what_is_no_message_at_all_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(MessageInvalid) as refused:
        parse_outages(body)
    assert refused.value.findings[0].code == code
