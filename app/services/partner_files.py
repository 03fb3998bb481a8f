"""Files that partners leave for us: kept byte-exact first, read second, answered where rows are bad.

A file of acknowledgements becomes one stored acknowledgement per good row, in our own form, which
then goes the way of those that come by the API. Reading a file again finds its rows there.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.lanes import partner_lane
from app.domain.mapping.canonical import Document
from app.domain.reject_codes import REJECT_CODES, RejectCode, Severity
from app.services import ack_receipt, outbox
from app.services.bundle_tally import Tally
from app.services.bundles_in_force import InForce
from app.services.signed_files import safe_cell
from integrations.installer.acks import AckInvalid, parse_ack
from integrations.partners.codecs import Row
from integrations.partners.files import REJECT_KIND

KIND = "PARTNER_FILE"
_SOURCE = "partner-file:"
_REJECTS_MOST = 5_000
# Findings are about orders, or about the meters of a delivery.
ABOUT_ORDERS, ABOUT_METERS = "ORDER", "METER"


def source_of(partner_code: str) -> str:
    """The name under which a partner's files are stored."""
    return _SOURCE + partner_code


def partner_of(source: str) -> str:
    """The partner whose files are stored under this name."""
    return source.removeprefix(_SOURCE)


def is_from_partner(source: str) -> bool:
    """Whether a stored message was a file in a partner's own folder."""
    return source.startswith(_SOURCE)


@dataclass(slots=True)
class FileResult:
    """What became of a file so far: counts by outcome, and findings by the order concerned."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str | None, Finding]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """How the message ends."""
        if not self.counts["REFUSED"] and not self.findings:
            return "INTERPRETED"
        good = self.counts.total() - self.counts["REFUSED"]
        return "PARTLY" if good else "REJECTED"


def take_rows(
    session: Session,
    partner_code: str,
    bundles: InForce,
    rows: Sequence[Row],
    result: FileResult,
    tally: Tally,
    now: datetime,
) -> None:
    """Keep the acknowledgements of some rows; one bad row never touches its neighbours."""
    for row in rows:
        order_id, findings = _take(session, partner_code, bundles, row, result, tally, now)
        if findings:
            result.counts["REFUSED"] += 1
            result.findings += [(order_id, finding) for finding in findings]
    tally.flush(session, now)


def _take(
    session: Session,
    partner_code: str,
    bundles: InForce,
    row: Row,
    result: FileResult,
    tally: Tally,
    now: datetime,
) -> tuple[str | None, list[Finding]]:
    if row.fault is not None:
        text = f"{row.fault.code}: {row.fault.text}"
        return None, [_on_line(find(RejectCode.FIELD_INVALID, "/", text), row.line)]
    mapped = bundles.active.mapping.run(row.record)
    order_id = _name(mapped.value.get("orderId"))
    key = order_id or f"line {row.line}"
    tally.note_unmapped(partner_code, Document.ACK, key, bundles.active.mapping.unread(row.record))
    if bundles.shadow is not None:
        beside = bundles.shadow.mapping.run(row.record)
        tally.compare(bundles.shadow_id, key, mapped.value, beside.value)
    if mapped.findings:
        return order_id, [_on_line(finding, row.line) for finding in mapped.findings]
    body = msgspec.json.encode(mapped.value)
    try:
        ack = parse_ack(body)
    except AckInvalid as error:
        return order_id, [_of_ack(f.code, f.path, f.text, row.line) for f in error.findings]
    stored = ack_receipt.keep(session, partner_code, body, ack, now)
    result.counts["TAKEN" if stored.new else "KNOWN"] += 1
    return order_id, []


def unreadable(code: str, text: str) -> Finding:
    """What is wrong with a file of which nothing could be taken."""
    return find(RejectCode.FILE_UNREADABLE, "/", f"{code}: {text}")


def put_reject(
    session: Session,
    partner_code: str,
    file_name: str,
    body_hash: str,
    findings: Sequence[tuple[str | None, Finding]],
    now: datetime,
    about: str = ABOUT_ORDERS,
) -> int:
    """Put the answer to a file on its way, as a CSV file; the same file is answered once.

    Shapes: findings by the number of the order or meter that they are about, which `about` names.
    """
    key = f"{_stem(file_name)}.{body_hash[:8]}.reject"
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(("LINE", about, "CODE", "IEC", "FIELD", "TEXT"))
    for number, finding in findings[:_REJECTS_MOST]:
        iec = REJECT_CODES[finding.code].iec
        cells = (finding.line, number, finding.code, iec, finding.path, finding.text)
        # People open it in a spreadsheet, and some of it is what the partner's file said.
        writer.writerow([safe_cell(cell) for cell in cells])
    payload = {"name": f"{key}.csv", "text": text.getvalue(), "encoding": "utf-8-sig"}
    item = outbox.NewItem(
        lane=partner_lane(partner_code),
        kind=REJECT_KIND,
        business_key=f"file:{file_name}"[:200],
        order_key=key,
        version=1,
        # Two partners may use one name for their files.
        dedupe_key=f"{partner_code}:{key}",
        payload=payload,
    )
    return outbox.put(session, [item], now)


def _of_ack(code: str, path: str, text: str, line: int) -> Finding:
    kept = RejectCode.FIELD_MISSING if code == "FIELD_MISSING" else RejectCode.FIELD_INVALID
    return Finding(kept, path, f"{code}: {text}", line, Severity.ERROR)


def _on_line(finding: Finding, line: int) -> Finding:
    return Finding(finding.code, finding.path, finding.text, line, Severity.ERROR)


def _name(value: Any) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= 40 and value.isprintable()
    return str(value) if fits else None


def _stem(file_name: str) -> str:
    stem = file_name.rsplit(".", 1)[0] if "." in file_name[1:] else file_name
    safe = "".join(c if (c.isalnum() and c.isascii()) or c in "-_." else "_" for c in stem)
    return safe[:120].lstrip(".") or "file"
