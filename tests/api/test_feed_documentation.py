"""What the page about the feeds tells senders to do is what works."""

from __future__ import annotations

import re
from pathlib import Path

from app.api.v1.signed_feed import _ERRORS
from integrations.dms.outages import parse_outages
from integrations.head_end.events import parse_events

PAGE = (Path(__file__).parents[2] / "docs" / "interfaces" / "dms.md").read_text("utf-8")


def test_the_examples_are_valid() -> None:
    outages, events = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert [record.findings for record in parse_outages(outages.encode()).records] == [()]
    assert len(parse_events(events.encode()).events) == 1


def test_every_field_and_verdict_is_explained() -> None:
    fields = re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE)
    named = {word for row in fields for word in re.split(r"[, ]+", row)}
    assert named >= {"sourceRef", "version", "kind", "state", "statedAt", "startedAt", "causeCode"}
    assert named >= {"etrAt", "etrConfidence", "etrSetAt", "points", "feeder", "transformer"}
    assert named >= {"restoredAt", "parent", "splitFrom", "plannedFrom", "plannedTo"}
    assert named >= {"APPLIED", "STALE", "DUPLICATE", "CONFLICT", "REJECTED"}
    assert set(_ERRORS) >= {400, 403, 422}
