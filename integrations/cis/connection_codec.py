"""Connection stage files: bytes to connection orders, one at a time.

Promise: the same as for work orders; whether a stage may follow another is for the receiver to say.
Source: schema/connection-1.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from integrations.cis.connection_shape import CONNECTION
from integrations.cis.elements import line_of
from integrations.cis.message_header import HeaderReader
from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.record_stream import read_records
from integrations.cis.types import (
    CisConnection,
    CisStageDate,
    DocumentKind,
    MessageHeader,
    ParsedConnection,
)

NAMESPACE = "urn:tiedolla:cis:connection:1"
_SCHEMA = "connection-1.xsd"


def parse_connections(chunks: Iterable[bytes]) -> Iterator[MessageHeader | ParsedConnection]:
    """Yield the header and then every connection order, good or not, in the order of the file.

    Raises: FileRejected (answer the CIS with its findings; orders yielded before stay good),
    IncompleteFile (the same, or wait if the file may still be growing).
    """
    schema = RecordSchema(_SCHEMA)
    headers = HeaderReader(schema, NAMESPACE)
    reader = RecordReader(schema, NAMESPACE, CONNECTION)
    for record in read_records(chunks, DocumentKind.CONNECTIONS, ("Header", "Connection")):
        if headers.takes(record):
            yield headers.read(record)
            continue
        line = line_of(record.element) or 0
        ok, found, findings = reader.read(record.element)
        order_no = found.get("order_no")
        built = _build(found) if ok else None
        yield ParsedConnection(line, built, order_no, record.notes + findings)
    headers.check_seen()


def _build(found: dict[str, Any]) -> CisConnection:
    dates = tuple(CisStageDate(**one) for one in found.pop("stage_dates", ()))
    return CisConnection(**found, stage_dates=dates)
