"""Planned cuts from planners' systems: bytes to a checked type, or findings they can act on.

Checked here is what one request says about itself; whether its points exist and whether it comes in
time is the product's business.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from integrations.outcomes import Finding
from integrations.planner.types import PlannedCutRequest

_decoder = msgspec.json.Decoder(PlannedCutRequest)
_FIELDS = msgspec.structs.fields(PlannedCutRequest)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_COLUMNS = ("reference", "version", "name", "from", "to", "causeCode", "gsrn")


class RequestInvalid(Exception):
    """The request cannot be taken; findings say why.

    malformed: the body is no JSON object at all (answer 400), else its fields are wrong (422).
    """

    def __init__(self, findings: tuple[Finding, ...], malformed: bool = False) -> None:
        super().__init__(", ".join(f"{finding.path}: {finding.code}" for finding in findings))
        self.findings = findings
        self.malformed = malformed


def parse_request(body: bytes) -> PlannedCutRequest:
    """Read one request. Raises: RequestInvalid."""
    try:
        request = _decoder.decode(body)
    except (ValueError, RecursionError):
        raise _why_not(body) from None
    # PostgreSQL stores no NUL in text, and JSON can only write it in this way.
    if b"\\u0000" in body:
        raise RequestInvalid((Finding("$", "TEXT_INVALID", "texts must not contain \\u0000"),))
    findings = tuple(_check(request))
    if findings:
        raise RequestInvalid(findings)
    return request


def parse_requests(body: bytes) -> Iterator[PlannedCutRequest | RequestInvalid]:
    """Read a file with one request or a list of them; a bad one stops none of the others."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        yield _malformed()
        return
    for each in raw if isinstance(raw, list) else [raw]:
        yield _one(each)


def parse_table(text: str) -> Iterator[PlannedCutRequest | RequestInvalid]:
    """Read a CSV file with a headline and one line per metering point, requests by reference.

    Columns: reference, version (1 if missing), name, from, to, causeCode, gsrn; separated by
    semicolons or commas. Times need an offset.
    """
    lines = io.StringIO(text.lstrip("\ufeff"))
    first = lines.readline()
    lines.seek(0)
    rows = csv.DictReader(lines, delimiter=";" if ";" in first else ",")
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    missing = [name for name in missing if name not in ("version", "name")]
    if missing:
        yield RequestInvalid(
            tuple(Finding(name, "FIELD_MISSING", "this column is required") for name in missing)
        )
        return
    cuts: dict[str, dict[str, Any]] = {}
    for row in rows:
        reference = (row["reference"] or "").strip()
        cut = cuts.setdefault(reference, _of_row(reference, row))
        if row["gsrn"]:
            cut["points"].append(row["gsrn"].strip())
    for cut in cuts.values():
        yield _one(cut)


def _of_row(reference: str, row: dict[str, str | None]) -> dict[str, Any]:
    version = (row.get("version") or "1").strip()
    return {
        "reference": reference,
        "version": int(version) if version.isascii() and version.isdecimal() else version,
        "name": (row.get("name") or reference).strip(),
        "from": (row["from"] or "").strip(),
        "to": (row["to"] or "").strip(),
        "causeCode": (row["causeCode"] or "").strip(),
        "points": [],
    }


def _one(raw: Any) -> PlannedCutRequest | RequestInvalid:
    try:
        return parse_request(msgspec.json.encode(raw))
    except RequestInvalid as invalid:
        return invalid


def _why_not(body: bytes) -> RequestInvalid:
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _malformed()
    if not isinstance(raw, dict):
        return RequestInvalid((Finding("$", "TYPE_WRONG", "the body must be a JSON object"),))
    findings = tuple(_field_findings(raw))
    # Only the last of two equal names is left by now, and the earlier one was wrong.
    twice = Finding("$", "VALUE_INVALID", "a field is given twice")
    return RequestInvalid(findings or (twice,))


def _malformed() -> RequestInvalid:
    text = "the body must be JSON in UTF-8, without a byte order mark"
    return RequestInvalid((Finding("$", "JSON_MALFORMED", text),), malformed=True)


def _field_findings(raw: dict[str, Any]) -> Iterator[Finding]:
    """One finding per field that is wrong, so that the sender needs one round instead of many."""
    for field in _FIELDS:
        path = f"$.{field.encode_name}"
        if field.encode_name not in raw:
            if field.required:
                yield Finding(path, "FIELD_MISSING", "this field is required")
            continue
        try:
            msgspec.convert(raw[field.encode_name], field.type)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$")
            if "timezone" in what:
                what, code = "give the time with Z or an offset", "TIME_WITHOUT_OFFSET"
            else:
                code = "TYPE_WRONG" if ", got " in what else "VALUE_INVALID"
            yield Finding(f"{path}{where.rstrip('`')}", code, what)


def _check(request: PlannedCutRequest) -> Iterator[Finding]:
    for name, at in (("from", request.from_), ("to", request.to)):
        if not _is_meant(at):
            text = f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}"
            yield Finding(f"$.{name}", "TIME_INVALID", text)
    if request.to <= request.from_:
        yield Finding("$.to", "ORDER_WRONG", "must be later than from")
    if not (request.points or request.feeder or request.transformer):
        yield Finding("$.points", "FIELD_MISSING", "or give feeder or transformer")


def _is_meant(at: datetime) -> bool:
    """Years outside cannot be meant, and the extremes cannot be turned into UTC."""
    return _FIRST_YEAR <= at.year <= _LAST_YEAR
