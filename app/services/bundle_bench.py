"""Running any message through any version of a bundle, without sending or changing anything.

Pure: content and bytes in, what would come of them out. Pages and commands show it; who may see
what is in a message is for them to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.findings import Finding, find
from app.domain.mapping.canonical import Document
from app.domain.mapping.difference import Difference, differences
from app.domain.reject_codes import RejectCode
from app.services.bundle_content import CompiledBundle, file_payload
from app.services.canonical_order import canonical_order
from app.services.iec_orders import sources_of
from app.services.maker_deliveries import check_row
from app.services.slices import MassContext, our_finding
from integrations.cis.profile_check import ProfileCheck
from integrations.cis.types import CisWorkOrder
from integrations.installer.acks import AckInvalid, parse_ack
from integrations.installer.types import Action
from integrations.partners.codecs import FileUnreadable, Row, decode

# Tokens shown on a bench must open nothing.
BENCH_KEY = "bench"
_Check = Callable[[Mapping[str, Any]], tuple[Finding, ...]]
# A record as it may be seen, and the names of what is hidden in it; it also gets what the mapping
# makes of the whole, which tells whose record it is.
Hide = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[Mapping[str, Any], tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a version makes of one record.

    source: what the mapping read; canonical: our form; outgoing: what would go to them, as text,
    None for what comes in. unread: source fields that no rule looks at. hidden: fields whose values
    are kept from whoever looks.
    """

    line: int
    source: Mapping[str, Any]
    canonical: Mapping[str, Any]
    outgoing: str | None
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    # Field by field what goes out, whatever its text looks like.
    mapped: Mapping[str, Any] | None = None


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
    unread = bundle.mapping.unread(shown)
    return Trial(0, shown, shown, text, findings, unread, mapped=mapped.value)


def try_incoming(bundle: CompiledBundle, body: bytes, hide: Hide | None = None) -> list[Trial]:
    """A message of theirs as we would read it, record by record; hide: what may not be seen in it.

    A file that cannot be read at all is one trial without a record, with the finding that says why.
    """
    try:
        rows = decode(bundle.content.codec, body, bundle.content.limits.rows_max)
    except FileUnreadable as error:
        fault = error.finding
        finding = find(RejectCode.FILE_UNREADABLE, fault.path, f"{fault.code}: {fault.text}")
        return [Trial(0, {}, {}, None, (finding,), ())]
    trials = []
    check = _check_of(bundle)
    for row in rows:
        if row.fault is not None:
            text = f"{row.fault.code}: {row.fault.text}"
            finding = find(RejectCode.FIELD_INVALID, row.fault.path, text)
            trials.append(Trial(row.line, row.record, {}, None, (finding,), ()))
            continue
        trials.append(_try_row(bundle, row, check, hide))
    return trials


def _try_row(bundle: CompiledBundle, row: Row, check: _Check, hide: Hide | None) -> Trial:
    record: Mapping[str, Any] = row.record
    hidden: tuple[str, ...] = ()
    mapped = bundle.mapping.run(record)
    # What is wrong, and what nobody reads, is told of the whole; neither holds a value.
    findings = mapped.findings or check(mapped.value)
    unread = bundle.mapping.unread(record)
    if hide is not None:
        record, hidden = hide(record, mapped.value)
        if hidden:
            mapped = bundle.mapping.run(record)
    return Trial(row.line, record, mapped.value, None, findings, unread, hidden)


def compare(before: Trial, after: Trial) -> tuple[Difference, ...]:
    """Where two versions differ over the same record: in what leaves, or in what is taken.

    Where all fields are the same and the text is not, as under another heading, line by line.
    """
    if before.mapped is None or after.mapped is None:
        return tuple(differences(before.canonical, after.canonical))
    found = tuple(differences(before.mapped, after.mapped))
    if found or before.outgoing is None or after.outgoing is None:
        return found
    return tuple(differences(_lines(before.outgoing), _lines(after.outgoing)))


def _check_of(bundle: CompiledBundle) -> _Check:
    """What the next room would say of our own form."""
    document = bundle.content.document
    if document == Document.ACK:
        return _check_ack
    if document == Document.ORDER:
        profile, sources = ProfileCheck(), sources_of(bundle)
        return lambda value: tuple(map(our_finding, profile.read(value, sources)[1]))
    return _check_meter


def _check_ack(value: Mapping[str, Any]) -> tuple[Finding, ...]:
    try:
        parse_ack(msgspec.json.encode(value))
    except AckInvalid as error:
        return tuple(
            find(RejectCode.FIELD_INVALID, f.path, f"{f.code}: {f.text}") for f in error.findings
        )
    return ()


def _check_meter(value: Mapping[str, Any]) -> tuple[Finding, ...]:
    return tuple(
        find(RejectCode.FIELD_INVALID, f.path, f"{f.code}: {f.text}") for f in check_row(value)
    )


def _lines(text: str) -> dict[str, str]:
    return {f"line {number}": line for number, line in enumerate(text.splitlines(), start=1)}
