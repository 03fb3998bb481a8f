"""Acknowledgements from installers: bytes to a checked type, or findings the sender can act on.

Checked here is what one acknowledgement says about itself. Whether it fits the order, the order
type, the stock or the clock is the product's business, later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

import msgspec

from integrations.installer.ack_types import InstallerAck
from integrations.outcomes import Finding

_decoder = msgspec.json.Decoder(InstallerAck)
_FIELDS = msgspec.structs.fields(InstallerAck)
# Years outside cannot be meant, and the extremes cannot be turned into UTC.
_FIRST_YEAR = 2000
_LAST_YEAR = 2100


class AckInvalid(Exception):
    """The acknowledgement cannot be taken; findings say why.

    malformed: the body is no JSON object at all (answer 400), else its fields are wrong (422).
    """

    def __init__(self, findings: tuple[Finding, ...], malformed: bool = False) -> None:
        super().__init__(", ".join(f"{finding.path}: {finding.code}" for finding in findings))
        self.findings = findings
        self.malformed = malformed


def parse_ack(body: bytes) -> InstallerAck:
    """Read one acknowledgement; unknown extra fields are passed over.

    Promise: every time in the result is aware and can be turned into UTC, every text can be
    stored, every list is bounded.
    Raises: AckInvalid.
    """
    try:
        ack = _decoder.decode(body)
    except (ValueError, RecursionError):
        raise _why_not(body) from None
    # PostgreSQL stores no NUL in text or JSON, and JSON can only write it in this way.
    if b"\\u0000" in body:
        raise AckInvalid((Finding("$", "TEXT_INVALID", "texts must not contain \\u0000"),))
    findings = (*_check_years(ack, "$"), *_check_type(ack))
    if findings:
        raise AckInvalid(findings)
    return ack


def _why_not(body: bytes) -> AckInvalid:
    # The typed decoder stops at the first wrong field, which may be before the JSON breaks off.
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        text = "the body must be one JSON object in UTF-8, without a byte order mark"
        return AckInvalid((Finding("$", "JSON_MALFORMED", text),), malformed=True)
    if not isinstance(raw, dict):
        text = "the body must be a JSON object"
        return AckInvalid((Finding("$", "TYPE_WRONG", text),), malformed=True)
    findings = tuple(_field_findings(raw))
    if not findings:
        # Only the last of two equal names is left by now, and the earlier one was wrong.
        findings = (Finding("$", "VALUE_INVALID", "a field is given twice"),)
    return AckInvalid(findings)


def _field_findings(raw: dict[str, Any]) -> Iterator[Finding]:
    """One finding per field that is wrong, so that the sender needs one round instead of many."""
    for field in _FIELDS:
        name = field.encode_name
        if name not in raw:
            if field.required:
                yield Finding(f"$.{name}", "FIELD_MISSING", "this field is required")
            continue
        try:
            msgspec.convert(raw[name], field.type)
        except msgspec.ValidationError as error:
            yield _finding(name, str(error))


def _finding(name: str, message: str) -> Finding:
    """msgspec says "<what> - at `$.path`"; the path is below the field that was converted."""
    what, _, where = message.partition(" - at `$")
    path = f"$.{name}{where.rstrip('`')}"
    if "missing required field" in what:
        missing = what.rpartition("`")[0].rpartition("`")[2]
        return Finding(f"{path}.{missing}", "FIELD_MISSING", "this field is required")
    if "timezone" in what:
        return Finding(path, "TIME_WITHOUT_OFFSET", "give the time with Z or an offset")
    if "Invalid enum value" in what:
        return Finding(path, "VALUE_UNKNOWN", "not one of the values of the interface")
    if ", got " in what:
        return Finding(path, "TYPE_WRONG", what)
    return Finding(path, "VALUE_INVALID", what)


def _check_years(value: Any, path: str) -> Iterator[Finding]:
    if isinstance(value, datetime):
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            text = f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}"
            yield Finding(path, "TIME_INVALID", text)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _check_years(part, f"{path}[{number}]")
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            yield from _check_years(getattr(value, field.name), f"{path}.{field.encode_name}")


def _check_type(ack: InstallerAck) -> Iterator[Finding]:
    """What the type of the acknowledgement makes necessary."""
    if ack.schedule is not None and ack.schedule.from_ >= ack.schedule.to:
        yield Finding("$.schedule.to", "ORDER_WRONG", "must be later than from")
    yield from _check_outage_order(ack)
    match ack.type:
        case "SCHEDULED" | "RESCHEDULED":
            if ack.schedule is None:
                yield _needed("$.schedule", ack.type)
        case "STARTED":
            if ack.outage is None or (ack.outage.off_at is None and not ack.outage.no_outage):
                yield _needed("$.outage.offAt", ack.type, "or noOutage true")
        case "COMPLETED":
            if ack.outage is None or (ack.outage.on_at is None and not ack.outage.no_outage):
                yield _needed("$.outage.onAt", ack.type, "or noOutage true")
            if ack.new_meter is not None and ack.new_meter.number is None:
                yield _needed("$.newMeter.number", ack.type)
        case "FAILED":
            if ack.failure is None:
                yield _needed("$.failure.reasonCode", ack.type)


def _check_outage_order(ack: InstallerAck) -> Iterator[Finding]:
    outage = ack.outage
    if outage is None:
        return
    if outage.no_outage and (outage.off_at or outage.on_at):
        yield Finding("$.outage.noOutage", "VALUE_INVALID", "true excludes offAt and onAt")
    elif outage.off_at and outage.on_at and outage.on_at < outage.off_at:
        yield Finding("$.outage.onAt", "ORDER_WRONG", "must not be before offAt")


def _needed(path: str, ack_type: str, unless: str = "") -> Finding:
    return Finding(path, "FIELD_MISSING", f"{ack_type} needs it {unless}".rstrip())


def build_ack(ack: InstallerAck) -> dict[str, Any]:
    """The acknowledgement as a JSON object: what is stored and compared, without extra fields."""
    return cast("dict[str, Any]", msgspec.to_builtins(ack))
