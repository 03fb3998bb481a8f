"""Meter events: bytes to a checked type, or findings that the sender can act on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from integrations.head_end.types import MeterEvents
from integrations.outcomes import Finding

_decoder = msgspec.json.Decoder(MeterEvents)

# The end-device event types of IEC 61968-9 stand for our own words.
CODES: Mapping[str, str] = {
    "LAST_GASP": "LAST_GASP",
    "3.26.0.85": "LAST_GASP",
    "RESTORE": "RESTORE",
    "3.26.0.216": "RESTORE",
}
_FIRST_YEAR = 2000
_LAST_YEAR = 2100


class EventsInvalid(Exception):
    """The message cannot be taken; malformed: it is no JSON object at all."""

    def __init__(self, finding: Finding, malformed: bool = False) -> None:
        super().__init__(f"{finding.path}: {finding.code}")
        self.findings = (finding,)
        self.malformed = malformed


def parse_events(body: bytes) -> MeterEvents:
    """Read a message of meter events.

    Raises: EventsInvalid; events are small and made by a machine, so one that is wrong is a defect
    of the sender's and the whole message goes back.
    """
    try:
        events = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            what, _, where = str(error).partition(" - at `")
            path = where.rstrip("`") or "$"
            raise EventsInvalid(Finding(path, "VALUE_INVALID", what[:200])) from None
        text = "the body must be one JSON object in UTF-8"
        raise EventsInvalid(Finding("$", "JSON_MALFORMED", text), malformed=True) from None
    for place, event in enumerate(events.events):
        if not _FIRST_YEAR <= event.at.year <= _LAST_YEAR:
            text = f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}"
            raise EventsInvalid(Finding(f"$.events[{place}].at", "VALUE_INVALID", text))
    return events
