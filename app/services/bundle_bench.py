"""Running any message through any version of a bundle, without sending or changing anything.

Pure: content and bytes in, what would come of them out. Pages and commands show it; who may see
what is in a message is for them to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.findings import Finding, find
from app.domain.mapping.canonical import Direction, Document
from app.domain.mapping.difference import Difference, differences
from app.domain.reject_codes import RejectCode
from app.services.bundle_content import CompiledBundle, file_payload
from app.services.canonical_order import canonical_order
from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.acks import AckInvalid, parse_ack
from integrations.installer.types import Action
from integrations.partners.codecs import FileUnreadable, decode

# Tokens shown on a bench must open nothing.
BENCH_KEY = "bench"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a version makes of one record.

    source: what the mapping read; canonical: our form; outgoing: what would go to them, as text,
    None for what comes in. unread: source fields that no rule looks at.
    """

    line: int
    source: Mapping[str, Any]
    canonical: Mapping[str, Any]
    outgoing: str | None
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]


def try_order(
    bundle: CompiledBundle,
    order: CisWorkOrder,
    action: Action,
    *,
    sees_key_info: bool = False,
    mass: MassContext | None = None,
) -> Trial:
    """One order as the partner would get it; an order comes from a message or from the database."""
    canonical = canonical_order(
        order, action, sees_key_info=sees_key_info, partner_key=BENCH_KEY, mass=mass
    )
    mapped = bundle.mapping.run(canonical)
    findings = mapped.findings
    text: str | None = None
    try:
        if bundle.is_file:
            key = f"{order.order_id}-{order.revision}"
            text = str(file_payload(bundle, key, mapped.value)["text"])
        else:
            text = msgspec.json.format(msgspec.json.encode(mapped.value)).decode()
    except ValueError as error:
        findings = (*findings, find(RejectCode.FIELD_INVALID, "/", str(error)))
    shown = {name: value for name, value in canonical.items() if value is not None}
    return Trial(0, shown, shown, text, findings, bundle.mapping.unread(shown))


def try_incoming(bundle: CompiledBundle, body: bytes) -> list[Trial]:
    """A message of theirs as we would read it, record by record.

    A file that cannot be read at all is one trial without a record, with the finding that says why.
    """
    try:
        rows = decode(bundle.content.codec, body, bundle.content.limits.rows_max)
    except FileUnreadable as error:
        fault = error.finding
        finding = find(RejectCode.FILE_UNREADABLE, fault.path, f"{fault.code}: {fault.text}")
        return [Trial(0, {}, {}, None, (finding,), ())]
    trials = []
    for row in rows:
        if row.fault is not None:
            text = f"{row.fault.code}: {row.fault.text}"
            finding = find(RejectCode.FIELD_INVALID, row.fault.path, text)
            trials.append(Trial(row.line, row.record, {}, None, (finding,), ()))
            continue
        mapped = bundle.mapping.run(row.record)
        findings = mapped.findings or _check(bundle, mapped.value)
        unread = bundle.mapping.unread(row.record)
        trials.append(Trial(row.line, row.record, mapped.value, None, findings, unread))
    return trials


def compare(before: Trial, after: Trial) -> tuple[Difference, ...]:
    """Where two versions differ over the same record: in what leaves, or in what is taken."""
    if before.outgoing is None or after.outgoing is None:
        return tuple(differences(before.canonical, after.canonical))
    return tuple(differences(_parsed(before.outgoing), _parsed(after.outgoing)))


def _check(bundle: CompiledBundle, value: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the next room would say of our own form."""
    content = bundle.content
    if (content.document, content.direction) != (Document.ACK, Direction.IN):
        return ()
    try:
        parse_ack(msgspec.json.encode(value))
    except AckInvalid as error:
        return tuple(
            find(RejectCode.FIELD_INVALID, f.path, f"{f.code}: {f.text}") for f in error.findings
        )
    return ()


def _parsed(text: str) -> Any:
    """A JSON text as what it holds; any other text by its lines, which is how people compare it."""
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return {f"line {number}": line for number, line in enumerate(text.splitlines(), start=1)}
