"""Master data files: bytes to customers, metering points and contracts, one at a time.

Promise: the same as for work orders; what points at what is for the receiver to check.
Source: schema/master-data-1.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from integrations.cis.elements import line_of
from integrations.cis.master_data_shape import CONTRACT, CUSTOMER, METERING_POINT
from integrations.cis.message_header import HeaderReader
from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.record_stream import read_records
from integrations.cis.shape import Group
from integrations.cis.types import (
    CisContact,
    CisContract,
    CisCustomer,
    CisMeter,
    CisMeteringPoint,
    CisRecord,
    DocumentKind,
    MessageHeader,
    ParsedRecord,
)

NAMESPACE = "urn:tiedolla:cis:master-data:1"
_SCHEMA = "master-data-1.xsd"


class _Kind(NamedTuple):
    shape: Group
    key: str


_KINDS = {
    "Customer": _Kind(CUSTOMER, "customer_id"),
    "MeteringPoint": _Kind(METERING_POINT, "gsrn"),
    "Contract": _Kind(CONTRACT, "contract_id"),
}


def parse_master_data(chunks: Iterable[bytes]) -> Iterator[MessageHeader | ParsedRecord]:
    """Yield the header and then every record, good or not, in the order of the file.

    Raises: FileRejected (answer the CIS with its findings; records yielded before stay good),
    IncompleteFile (the same, or wait if the file may still be growing).
    """
    schema = RecordSchema(_SCHEMA)
    headers = HeaderReader(schema, NAMESPACE)
    readers = {name: RecordReader(schema, NAMESPACE, kind.shape) for name, kind in _KINDS.items()}
    for record in read_records(chunks, DocumentKind.MASTER_DATA, ("Header", *_KINDS)):
        if headers.takes(record):
            yield headers.read(record)
            continue
        line = line_of(record.element) or 0
        ok, found, findings = readers[record.name].read(record.element)
        key = found.get(_KINDS[record.name].key)
        built = _build(record.name, found) if ok else None
        yield ParsedRecord(line, record.name, key, built, record.notes + findings)
    headers.check_seen()


def _build(name: str, found: dict[str, Any]) -> CisRecord:
    if name == "Customer":
        contacts = tuple(CisContact(**contact) for contact in found.pop("contacts", ()))
        return CisCustomer(**found, contacts=contacts)
    if name == "MeteringPoint":
        meter = found.pop("meter", None)
        return CisMeteringPoint(**found, meter=CisMeter(**meter) if meter else None)
    return CisContract(**found)
