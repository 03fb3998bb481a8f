"""Deliveries of meters: stored as they came, then taken meter by meter into the register.

So serial numbers are known before an installer reports one. The same delivery again changes nothing,
one bad meter never stands before its neighbours, and every meter has a verdict of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.findings import Finding, find
from app.domain.meter_stock import (
    DeliveryKind,
    ItemVerdict,
    KnownMeter,
    StockChange,
    StockItem,
    decide_item,
)
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import MeterState
from app.models.inbound_message import InboundMessage
from app.models.meter_delivery import MeterDelivery
from app.models.partner import FEED, Partner
from app.services.feed_receipt import kept_finding
from integrations.meter_maker.codec import Delivery, ReadItem

KIND = "METER_DELIVERY"
# Who sends: by the API, and as files.
SYSTEM = "maker"
FILES = "maker-files"
SLICE_COUNT = 1_000
# Whoever gives a day, or the wrong zone, is ahead by less than that.
_AHEAD_MOST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one item, as it is recorded."""

    place: int
    number: str | None
    serial: str | None
    model: str | None
    verdict: ItemVerdict
    finding: Finding | None = None


def begin(
    session: Session, message: InboundMessage, delivery: Delivery, now: datetime
) -> tuple[Finding | None, int]:
    """Record that a delivery is being taken; what stands against the whole, and where to go on.

    A slice of items is there with all it changed or not at all, so after a death their number tells.
    """
    head = delivery.head
    stands_against = _time_finding(head.issued_at, now) or _stock_finding(session, head.partner)
    values = {
        "inbound_message_id": message.id,
        "source": message.source,
        "delivery_id": head.delivery_id,
        "kind": head.kind,
        "maker": head.maker,
        "stock_code": head.partner if stands_against is None else None,
        "issued_at": head.issued_at,
        "received_at": message.received_at,
        "item_count": len(delivery.items),
        "counts": {},
    }
    session.execute(
        insert(MeterDelivery)
        .values(values)
        .on_conflict_do_nothing(index_elements=["inbound_message_id"])
    )
    if head.partner is not None and stands_against is None and head.kind == DeliveryKind.DELIVERED:
        since = _told_at(head.issued_at, now)
        session.execute(_SINCE, {"code": head.partner, "since": since})
    done = session.execute(
        text("SELECT count(*) FROM meter_delivery_item WHERE inbound_message_id = :id"),
        {"id": message.id},
    ).scalar_one()
    return stands_against, int(done)


def take_slice(
    session: Session,
    message_id: int,
    delivery: Delivery,
    items: Sequence[ReadItem],
    now: datetime,
) -> list[Told]:
    """Take a slice of a delivery's items in the caller's transaction."""
    head, told_at = delivery.head, _told_at(delivery.head.issued_at, now)
    good = [item for item in items if item.meter is not None]
    numbers = sorted({item.meter.number for item in good if item.meter})
    serials = sorted({item.meter.serial for item in good if item.meter})
    known = _known(session, numbers)
    owners = _owners(session, serials)
    told: list[Told] = []
    changed: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for item in items:
        meter = item.meter
        if meter is None:
            finding = kept_finding(item.findings[0])
            told.append(_unreadable(item, finding))
            continue
        stock = StockItem(meter.number, meter.serial, head.partner, told_at)
        other = owners.get(meter.serial)
        if other is not None and other != meter.number:
            change = _serial_taken(meter.serial, other)
        else:
            change = decide_item(DeliveryKind(head.kind), stock, known.get(meter.number))
        row = (item.place, meter.number, meter.serial, meter.model, change.verdict)
        told.append(Told(*row, change.findings[0] if change.findings else None))
        if change.verdict in (ItemVerdict.REJECTED, ItemVerdict.KNOWN):
            continue
        before = known.get(meter.number)
        after = _after(delivery, stock, before, change)
        known[meter.number], owners[meter.serial] = after, meter.number
        if change.wrong_serial:
            wrong.append(meter.number)
        changed[meter.number] = {
            "number": meter.number,
            "serial": meter.serial,
            "model": meter.model,
            "firmware": meter.firmware,
            "state": after.state,
            "stock": after.stock,
        }
    if changed:
        session.execute(
            _WRITE,
            {
                "meters": msgspec.json.encode(list(changed.values())).decode(),
                "maker": head.maker,
                "at": told_at,
                "delivered": head.kind == DeliveryKind.DELIVERED,
                "now": now,
            },
        )
    if wrong:
        session.execute(_WRONG_SERIALS, {"numbers": wrong, "now": now})
    _record(session, message_id, told)
    return told


def finish(session: Session, message_id: int, now: datetime) -> Counter[str]:
    """Count the verdicts; the delivery is taken."""
    rows = session.execute(_COUNTS, {"id": message_id}).all()
    counts = {row.verdict: row.count for row in rows}
    session.execute(
        text(
            "UPDATE meter_delivery SET counts = CAST(:counts AS jsonb), taken_at = :now"
            " WHERE inbound_message_id = :id"
        ),
        {"id": message_id, "counts": msgspec.json.encode(counts).decode(), "now": now},
    )
    return Counter(counts)


def refusals(session: Session, message_id: int, most: int) -> list[tuple[str | None, Finding]]:
    """What its sender has to hear, meter by meter, at most so much."""
    rows = session.execute(_REFUSED, {"id": message_id, "most": most})
    return [
        (row.number, Finding(RejectCode(row.code), f"item {row.place}", row.text)) for row in rows
    ]


_REFUSED = text(
    "SELECT place, number, code, text FROM meter_delivery_item"
    " WHERE inbound_message_id = :id AND verdict = 'REJECTED' ORDER BY place LIMIT :most"
)
_SINCE = text(
    "UPDATE partner SET stock_since_at = :since"
    " WHERE code = :code AND (stock_since_at IS NULL OR stock_since_at > :since)"
)
_KNOWN = text(
    "SELECT number, serial, state, stock_code, stock_at FROM meter WHERE number = ANY(:numbers)"
    " ORDER BY number FOR UPDATE"
)
_OWNERS = text(
    "SELECT serial, number FROM meter WHERE serial = ANY(:serials) AND stock_at IS NOT NULL"
)
# version 1 tells the row from one that only a report had made, which goes with that report.
_WRITE = text(
    """
    INSERT INTO meter (number, version, serial, maker, model, firmware, multiplier, state,
        stock_code, stock_at, delivered_at, updated_at)
    SELECT number, 1, serial, :maker, model, firmware, 1, state, stock, :at,
        CASE WHEN :delivered THEN CAST(:at AS timestamptz) END, :now
    FROM jsonb_to_recordset(CAST(:meters AS jsonb)) AS n (number text, serial text, model text,
        firmware text, state text, stock text)
    ORDER BY number
    ON CONFLICT (number) DO UPDATE SET version = greatest(meter.version, 1),
        serial = excluded.serial, maker = coalesce(excluded.maker, meter.maker),
        model = coalesce(excluded.model, meter.model),
        firmware = coalesce(meter.firmware, excluded.firmware),
        state = excluded.state, stock_code = excluded.stock_code,
        stock_at = greatest(meter.stock_at, excluded.stock_at),
        delivered_at = coalesce(meter.delivered_at, excluded.delivered_at), updated_at = :now
    """
)
# Whoever hung a meter reported another serial number than its maker's: nobody has asked before.
_WRONG_SERIALS = text(
    """
    INSERT INTO serial_mismatch (order_id, gsrn, partner_code, ack_id, meter_number, serial, code,
        detail, state, opened_at)
    SELECT DISTINCT ON (o.order_id) o.order_id, o.gsrn, a.partner_code, a.ack_id, m.number,
        a.payload->'newMeter'->>'serial', 'METER_SERIAL_MISMATCH',
        'Meter ' || m.number || ' has serial ' || m.serial || ', another was reported.', 'OPEN',
        :now
    FROM meter m
    JOIN meter_placement p ON p.meter_number = m.number AND p.removed_at IS NULL
    JOIN work_order o ON o.order_id = p.installed_by_order
    JOIN ack a ON a.order_id = o.order_id AND a.payload->'newMeter'->>'number' = m.number
    WHERE m.number = ANY(:numbers)
    ORDER BY o.order_id, a.received_at DESC
    ON CONFLICT (order_id) DO NOTHING
    """
)
_COUNTS = text(
    "SELECT verdict, count(*) AS count FROM meter_delivery_item WHERE inbound_message_id = :id"
    " GROUP BY verdict"
)


def _time_finding(issued_at: datetime, now: datetime) -> Finding | None:
    """A word from the future would make every later one about these meters the older one."""
    if issued_at <= now + _AHEAD_MOST:
        return None
    words = f"It was issued at {issued_at.isoformat()} and read at {now.isoformat()}."
    return find(RejectCode.TIME_IN_FUTURE, "issuedAt", words, severity=Severity.ERROR)


def _told_at(issued_at: datetime, now: datetime) -> datetime:
    """From when on its word counts: clocks and time zones differ, but nothing is told before."""
    return min(issued_at, now)


def _stock_finding(session: Session, partner: str | None) -> Finding | None:
    """A stock that nobody has cannot take meters: the whole delivery goes back."""
    if partner is None:
        return None
    known = session.get(Partner, partner)
    if known is not None and known.transport != FEED:
        return None
    words = f"No partner has the code {partner}."
    return find(RejectCode.STOCK_UNKNOWN, "partner", words)


def _unreadable(item: ReadItem, finding: Finding) -> Told:
    said = item.told
    return Told(
        item.place,
        said.get("number"),
        said.get("serial"),
        said.get("model"),
        ItemVerdict.REJECTED,
        finding,
    )


def _known(session: Session, numbers: Sequence[str]) -> dict[str, KnownMeter]:
    rows = session.execute(_KNOWN, {"numbers": list(numbers)})
    return {
        row.number: KnownMeter(row.serial, MeterState(row.state), row.stock_code, row.stock_at)
        for row in rows
    }


def _owners(session: Session, serials: Sequence[str]) -> dict[str, str]:
    rows = session.execute(_OWNERS, {"serials": list(serials)})
    return {row.serial: row.number for row in rows}


def _serial_taken(serial: str, number: str) -> StockChange:
    text_ = f"Serial {serial} belongs to meter {number}."
    finding = find(RejectCode.METER_SERIAL_MISMATCH, "serial", text_, severity=Severity.ERROR)
    return StockChange(ItemVerdict.REJECTED, (), (finding,))


def _after(
    delivery: Delivery, item: StockItem, before: KnownMeter | None, change: StockChange
) -> KnownMeter:
    """The meter as it is from now on; one that has gone further keeps its place, not its details."""
    head = delivery.head
    state = change.path[-1] if change.path else before.state if before else MeterState.ORDERED
    stocked = head.kind in (DeliveryKind.ORDERED, DeliveryKind.DELIVERED)
    stock = item.stock if stocked or before is None else before.stock
    return KnownMeter(item.serial, MeterState(state), stock, item.issued_at)


def _record(session: Session, message_id: int, told: Sequence[Told]) -> None:
    copy_rows(
        session,
        "meter_delivery_item",
        ("inbound_message_id", "place", "number", "serial", "model", "verdict", "code", "text"),
        (
            (
                message_id,
                one.place,
                one.number,
                one.serial,
                one.model,
                str(one.verdict),
                str(one.finding.code) if one.finding else None,
                one.finding.text if one.finding else None,
            )
            for one in told
        ),
    )
