"""Work orders in IEC 61968-100's envelope, read by a mapping: the source is a matter of a row.

The mapping gives our own fields; the schema of our own profile says whether they may stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from app.domain.mapping.canonical import Document
from app.services.bundle_content import CompiledBundle
from app.services.bundle_tally import Tally
from app.services.bundles_in_force import InForce
from integrations.cis.codes import FILE_TOO_LARGE, HDR_MISSING, XML_MALFORMED, XML_SCHEMA
from integrations.cis.document import inspect_head
from integrations.cis.profile_check import ProfileCheck
from integrations.cis.types import (
    CisFinding,
    FileRejected,
    MessageHeader,
    ParsedOrder,
)
from integrations.partners.codecs import FileUnreadable, Row, decode

SOURCE = "cis"
_KEPT_CODES = {"XML_SCHEMA": XML_SCHEMA, "TOO_MANY_ROWS": FILE_TOO_LARGE}
_TEST = "TEST"


def parse_iec_orders(
    chunks: Iterable[bytes], bundles: InForce | None, tally: Tally
) -> Iterator[MessageHeader | ParsedOrder]:
    """Yield the header and then every order, good or not, in the order of the message.

    Such messages are small, so they are read whole, up to the bundle's limit. A shadow beside the
    bundle in force reads them too, and where it differs is counted.
    Raises: FileRejected.
    """
    if bundles is None:
        text = "No bundle is in force that reads IEC 61968-100 messages of the CIS."
        raise FileRejected(CisFinding(XML_SCHEMA, "RequestMessage", text))
    bundle = bundles.active
    body = _read(chunks, bundle.content.limits.file_max_bytes)
    # Encodings, archives and DOCTYPEs are refused as in our own profile.
    inspect_head(body)
    try:
        rows = decode(bundle.content.codec, body, bundle.content.limits.rows_max)
    except FileUnreadable as error:
        code = _KEPT_CODES.get(error.finding.code, XML_MALFORMED)
        text = f"{error.finding.text[:1].upper()}{error.finding.text[1:]}."
        raise FileRejected(CisFinding(code, "", text)) from None
    if not rows:
        text = f"There is no {_record_of(bundle)} in the Payload."
        raise FileRejected(CisFinding(XML_SCHEMA, "Payload", text))
    yield _header(rows[0])
    check = ProfileCheck()
    sources = sources_of(bundle)
    for row in rows:
        yield _order(bundles, check, sources, row, tally)


def sources_of(bundle: CompiledBundle) -> dict[str, str]:
    """Our field -> theirs, to name what is wrong as the sender knows it."""
    return {
        rule["target"]: rule["source"]
        for rule in bundle.content.mapping["rules"]
        if "source" in rule
    }


def _order(
    bundles: InForce,
    check: ProfileCheck,
    sources: dict[str, str],
    row: Row,
    tally: Tally,
) -> ParsedOrder:
    mapped = bundles.active.mapping.run(row.record)
    order_id = mapped.value.get("order_id")
    name = order_id if isinstance(order_id, str) and len(order_id) <= 80 else None
    unread = bundles.active.mapping.unread(row.record)
    key = name or f"line {row.line}"
    tally.note_unmapped(SOURCE, Document.ORDER, key, unread)
    if bundles.shadow is not None:
        beside = bundles.shadow.mapping.run(row.record)
        tally.compare(bundles.shadow_id, key, mapped.value, beside.value)
    told = tuple(CisFinding(str(f.code), f.path, f.text, row.line) for f in mapped.findings)
    notes = tuple(
        CisFinding(
            XML_SCHEMA,
            path,
            f"{path} is not part of the mapping and was ignored.",
            row.line,
            "INFO",
        )
        for path in unread
    )
    if told:
        return ParsedOrder(row.line, None, name, told + notes)
    order, findings = check.read(mapped.value, sources)
    return ParsedOrder(row.line, order, name, findings + notes)


def _header(row: Row) -> MessageHeader:
    """The envelope's header in the words of ours."""
    head: dict[str, Any] = row.record.get("head", {}).get("Header", {})
    if not isinstance(head, dict) or not head.get("Verb") or not head.get("Noun"):
        text = "The message needs a Header with Verb and Noun."
        raise FileRejected(CisFinding(HDR_MISSING, "Header", text))
    message_id = str(head.get("CorrelationID") or head.get("MessageID") or "")
    if not message_id or len(message_id) > 80:
        text = "The Header needs a MessageID, or a CorrelationID, to answer to."
        raise FileRejected(CisFinding(HDR_MISSING, "Header/MessageID", text))
    try:
        created_at = datetime.fromisoformat(str(head.get("Timestamp", "")))
    except ValueError:
        text = "Header/Timestamp should be a time such as 2026-03-31T06:00:00Z."
        raise FileRejected(CisFinding(HDR_MISSING, "Header/Timestamp", text)) from None
    return MessageHeader(
        message_id=message_id,
        created_at=created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC),
        sender=str(head.get("Source", ""))[:80],
        receiver="",
        schema_version=str(head.get("Revision", "2.0"))[:20],
        test=str(head.get("Context", "")).upper() == _TEST,
    )


def _read(chunks: Iterable[bytes], most: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            text = f"A message in this envelope may have {most} bytes at most."
            raise FileRejected(CisFinding(FILE_TOO_LARGE, "", text))
    return bytes(body)


def _record_of(bundle: CompiledBundle) -> str:
    return str(getattr(bundle.content.codec, "record", "WorkOrder"))
