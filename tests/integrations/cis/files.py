"""Files as the CIS would write them, good ones to be spoiled by the tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from integrations.cis.types import CisFinding, FileRejected, MessageHeader, ParsedOrder
from integrations.cis.work_order_codec import parse_work_orders

GOLDEN = Path(__file__).parent / "golden"
NAMESPACE = "urn:tiedolla:cis:work-order:1"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
HEADER = """\
  <Header>
    <MessageId>6f1c2f0e-3f52-4a3e-9d53-0b8f6f6a0001</MessageId>
    <CreatedAt>2026-03-02T06:00:00Z</CreatedAt>
    <Sender>6499990000019</Sender>
    <Receiver>6499990000026</Receiver>
    <SchemaVersion>1.0</SchemaVersion>
  </Header>
"""


def order(order_id: str = "WO-1", extra: str = "") -> str:
    """A short work order; extra goes in front of its end tag."""
    return f"""\
  <WorkOrder>
    <OrderId>{order_id}</OrderId>
    <Revision>1</Revision>
    <Action>NEW</Action>
    <OrderTypeCode>MVM</OrderTypeCode>
    <MeteringPoint>
      <Identification>643000000000000017</Identification>
    </MeteringPoint>
{extra}  </WorkOrder>
"""


def message(*orders: str, header: str = HEADER, declaration: str = DECLARATION) -> str:
    """A work order file with these orders, or with one."""
    body = "".join(orders or (order(),))
    return (
        f'{declaration}<WorkOrderMessage xmlns="{NAMESPACE}">\n{header}{body}</WorkOrderMessage>\n'
    )


def parse(data: bytes | str) -> tuple[MessageHeader, list[ParsedOrder]]:
    """Parse a whole file that is expected to be readable to its end."""
    raw = data.encode() if isinstance(data, str) else data
    header, *orders = parse_work_orders([raw])
    assert isinstance(header, MessageHeader)
    return header, [item for item in orders if isinstance(item, ParsedOrder)]


def parse_one(data: bytes | str) -> ParsedOrder:
    """Parse a file of one order."""
    (parsed,) = parse(data)[1]
    return parsed


def refusal(chunks: Iterable[bytes] | bytes | str) -> tuple[list[str], CisFinding, type]:
    """Parse a file that is expected to be refused.

    Gives the ids of the orders before the refusal, its first finding and its class.
    """
    if isinstance(chunks, str):
        chunks = chunks.encode()
    seen = []
    try:
        for item in parse_work_orders([chunks] if isinstance(chunks, bytes) else chunks):
            if isinstance(item, ParsedOrder):
                seen.append(item.order_id or "")
    except FileRejected as error:
        return seen, error.findings[0], type(error)
    raise AssertionError("the file was not refused")
