"""The DMS's outage feed: bytes to checked records, or findings that the sender can act on.

A message is one JSON object with a list of outages, or one outage per line. A record that is wrong
never stands before its neighbours. Checked here is what a record says about itself; whether we know
its points and what is newer, is the product's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from integrations.dms.outage_types import DmsOutage
from integrations.outcomes import Finding

RECORDS_MOST = 10_000
_decoder = msgspec.json.Decoder(DmsOutage)
# Years outside cannot be meant, and the extremes cannot be turned into UTC.
_FIRST_YEAR = 2000
_LAST_YEAR = 2100


class MessageInvalid(Exception):
    """The body is no message of this feed at all; findings say why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.path}: {finding.code}")
        self.findings = (finding,)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a message: the outage, or what is wrong with it; ref is its name if readable."""

    place: int
    ref: str | None
    outage: DmsOutage | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its records in the order in which they stand in it."""

    message_id: str | None
    records: tuple[Record, ...]


def parse_outages(body: bytes) -> Message:
    """Read a message, as one JSON object or as lines.

    Promise: every time in a record is aware and can be turned into UTC, every text can be stored.
    Raises: MessageInvalid (nothing of it can be taken).
    """
    message_id, raws = _split(body)
    if len(raws) > RECORDS_MOST:
        text = f"at most {RECORDS_MOST} outages in one message"
        raise MessageInvalid(Finding("$.outages", "TOO_MANY", text))
    return Message(message_id, tuple(_record(place, raw) for place, raw in enumerate(raws)))


def build_outage(outage: DmsOutage) -> dict[str, Any]:
    """The record as a JSON object again; the same outage gives the same object."""
    return cast("dict[str, Any]", msgspec.to_builtins(outage))


def read_stored(payload: dict[str, Any]) -> DmsOutage:
    """A record that was checked when it came."""
    return msgspec.convert(payload, DmsOutage)


def _split(body: bytes) -> tuple[str | None, list[bytes]]:
    try:
        whole = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return None, _lines(body)
    if "outages" not in whole:
        # A file with one line is one outage.
        if "sourceRef" in whole:
            return None, [body]
        text = "the object must have a list `outages`"
        raise MessageInvalid(Finding("$.outages", "FIELD_MISSING", text))
    try:
        raws = msgspec.json.decode(whole["outages"], type=list[msgspec.Raw])
    except (ValueError, RecursionError):
        text = "outages must be a list"
        raise MessageInvalid(Finding("$.outages", "TYPE_WRONG", text)) from None
    return _message_id(whole.get("messageId")), [bytes(raw) for raw in raws]


def _lines(body: bytes) -> list[bytes]:
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
        text = "the body must be a JSON object, or one JSON object per line, in UTF-8"
        raise MessageInvalid(Finding("$", "JSON_MALFORMED", text))
    return lines


def _message_id(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    try:
        value = msgspec.json.decode(raw, type=str)
    except (ValueError, RecursionError):
        return None
    return value if 0 < len(value) <= 60 and value.isprintable() else None


def _record(place: int, raw: bytes) -> Record:
    path = f"$.outages[{place}]"
    try:
        outage = _decoder.decode(raw)
    except (ValueError, RecursionError) as error:
        return Record(place, _ref(raw), None, (_finding(path, error),))
    findings = tuple(_check(path, outage))
    return Record(place, outage.source_ref, None if findings else outage, findings)


def _finding(path: str, error: Exception) -> Finding:
    """msgspec says "<what> - at `$.path`"."""
    if not isinstance(error, msgspec.ValidationError):
        return Finding(path, "JSON_MALFORMED", "not a JSON object in UTF-8")
    what, _, where = str(error).partition(" - at `$")
    path += where.rstrip("`")
    if "missing required field" in what:
        missing = what.rpartition("`")[0].rpartition("`")[2]
        return Finding(f"{path}.{missing}", "FIELD_MISSING", "this field is required")
    if "timezone" in what:
        return Finding(path, "TIME_WITHOUT_OFFSET", "give the time with Z or an offset")
    return Finding(path, "VALUE_INVALID", what[:200])


def _ref(raw: bytes) -> str | None:
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
    ref = value.get("sourceRef") if isinstance(value, dict) else None
    fits = isinstance(ref, str) and 0 < len(ref) <= 60 and ref.isprintable()
    return str(ref) if fits else None


def _check(path: str, outage: DmsOutage) -> Iterator[Finding]:
    for name in _TIMES:
        value = getattr(outage, name)
        if value is not None and not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            yield Finding(f"{path}.{_WIRE[name]}", "VALUE_INVALID", _YEARS)
    for name in _NEEDED[outage.kind]:
        if getattr(outage, name) is None:
            yield Finding(f"{path}.{_WIRE[name]}", "FIELD_MISSING", "this field is required")
    if not outage.points and outage.feeder is None and outage.transformer is None:
        text = "give points, a feeder or a transformer"
        yield Finding(f"{path}.points", "FIELD_MISSING", text)
    if outage.source_ref in (outage.parent, outage.split_from):
        yield Finding(f"{path}.parent", "VALUE_INVALID", "an outage is no part of itself")
    for place, point in enumerate(outage.points):
        off_at = point.off_at or outage.started_at or outage.planned_from
        for at in (point.off_at, point.on_at):
            if at is not None and not _FIRST_YEAR <= at.year <= _LAST_YEAR:
                yield Finding(f"{path}.points[{place}]", "VALUE_INVALID", _YEARS)
        if point.on_at is not None and off_at is not None and point.on_at < off_at:
            text = "the power came back before it went"
            yield Finding(f"{path}.points[{place}].onAt", "VALUE_INVALID", text)


_YEARS = f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}"
_TIMES = (
    "stated_at",
    "started_at",
    "etr_at",
    "etr_set_at",
    "restored_at",
    "planned_from",
    "planned_to",
)
_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(DmsOutage)}
_NEEDED = {"FAULT": ("started_at",), "PLANNED": ("planned_from", "planned_to")}
