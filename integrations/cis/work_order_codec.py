"""Work order files: bytes to orders, one at a time.

Promise: one bad order never stops the next; a file that cannot be read further keeps what was good.
Source: schema/work-order-1.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from integrations.cis.codes import XML_SCHEMA
from integrations.cis.document import sniff
from integrations.cis.elements import line_of
from integrations.cis.message_header import HeaderReader
from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.record_stream import read_records
from integrations.cis.types import (
    CisFinding,
    CisWorkOrder,
    DocumentKind,
    FileRejected,
    MessageHeader,
    ParsedOrder,
)
from integrations.cis.work_order_shape import WORK_ORDER

__all__ = ["NAMESPACE", "parse_work_orders", "sniff"]

NAMESPACE = "urn:tiedolla:cis:work-order:1"
_SCHEMA = "work-order-1.xsd"


def parse_work_orders(chunks: Iterable[bytes]) -> Iterator[MessageHeader | ParsedOrder]:
    """Yield the header and then every order, good or not, in the order of the file.

    Raises: FileRejected (answer the CIS with its findings; orders yielded before stay good),
    IncompleteFile (the same, or wait if the file may still be growing).
    """
    schema = RecordSchema(_SCHEMA)
    headers = HeaderReader(schema, NAMESPACE)
    reader = RecordReader(schema, NAMESPACE, WORK_ORDER)
    count = 0
    for record in read_records(chunks, DocumentKind.WORK_ORDERS, ("Header", "WorkOrder")):
        if headers.takes(record):
            yield headers.read(record)
            continue
        count += 1
        line = line_of(record.element) or 0
        ok, found, findings = reader.read(record.element)
        order_id = found.get("order_id")
        order = CisWorkOrder(**found) if ok else None
        yield ParsedOrder(line, order, order_id, record.notes + findings)
    headers.check_seen()
    if not count:
        text = f"There is no WorkOrder in namespace {NAMESPACE} in the message."
        raise FileRejected(CisFinding(XML_SCHEMA, "WorkOrder", text))
