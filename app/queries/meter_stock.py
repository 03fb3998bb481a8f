"""Meters in stock, their deliveries, and reports of meters that no delivery explains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

STOCK_STATES = ("ORDERED", "DELIVERED", "ALLOCATED", "INSTALLED", "RETURNED", "FAULTY", "LOST")
VIEWS = ("open", "mine", "settled")


@dataclass(frozen=True, slots=True)
class StockRow:
    """How many meters of one model a stock has in each state of STOCK_STATES; stock None: our own."""

    stock_code: str | None
    stock_name: str | None
    model: str | None
    counts: dict[str, int]

    @property
    def at_hand(self) -> int:
        """What can be hung tomorrow."""
        return self.counts.get("DELIVERED", 0) + self.counts.get("ALLOCATED", 0)


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One message about a delivery; state is that of the message."""

    message_id: int
    delivery_id: str
    source: str
    kind: str
    maker: str | None
    stock_code: str | None
    issued_at: datetime
    received_at: datetime
    item_count: int
    counts: dict[str, int]
    state: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One meter of a delivery with its verdict."""

    place: int
    number: str | None
    serial: str | None
    model: str | None
    verdict: str
    code: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class MismatchRow:
    """One report of a meter that is not what the stock says."""

    order_id: str
    gsrn: str
    partner_code: str
    meter_number: str
    serial: str | None
    known_serial: str | None
    code: str
    detail: str
    state: str
    owner: str | None
    opened_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    resolution: str | None
    note: str | None


_STOCK = text(
    """
    SELECT m.stock_code, p.name, m.model, m.state, count(*) AS meters
    FROM meter m LEFT JOIN partner p ON p.code = m.stock_code
    WHERE m.stock_at IS NOT NULL
    GROUP BY m.stock_code, p.name, m.model, m.state
    ORDER BY m.stock_code NULLS FIRST, m.model NULLS LAST
    """
)


def stock(session: Session) -> list[StockRow]:
    """Every stock, model by model; a meter that talks counts as installed."""
    rows: dict[tuple[str | None, str | None], StockRow] = {}
    for one in session.execute(_STOCK):
        row = rows.setdefault(
            (one.stock_code, one.model), StockRow(one.stock_code, one.name, one.model, {})
        )
        state = "INSTALLED" if one.state == "COMMUNICATING" else one.state
        row.counts[state] = row.counts.get(state, 0) + one.meters
    return list(rows.values())


_DELIVERIES = """
    SELECT d.inbound_message_id, d.delivery_id, d.source, d.kind, d.maker, d.stock_code,
        d.issued_at, d.received_at, d.item_count, d.counts, m.state
    FROM meter_delivery d JOIN inbound_message m ON m.id = d.inbound_message_id
"""
_LIST = text(f"{_DELIVERIES} ORDER BY d.received_at DESC, 1 DESC LIMIT :limit OFFSET :offset")
_ONE = text(f"{_DELIVERIES} WHERE d.inbound_message_id = :id")
_BY_NAME = text(
    f"{_DELIVERIES} WHERE d.source = :source AND d.delivery_id = :delivery_id"
    " ORDER BY d.received_at DESC, 1 DESC LIMIT 1"
)


def deliveries(session: Session, limit: int, offset: int = 0) -> list[DeliveryRow]:
    """Deliveries, the newest first."""
    return [DeliveryRow(*row) for row in session.execute(_LIST, {"limit": limit, "offset": offset})]


def find_delivery(session: Session, message_id: int) -> DeliveryRow | None:
    """One delivery by the message that brought it."""
    row = session.execute(_ONE, {"id": message_id}).one_or_none()
    return DeliveryRow(*row) if row is not None else None


def find_by_name(session: Session, source: str, delivery_id: str) -> DeliveryRow | None:
    """The newest message of a source about the delivery of this name."""
    named = {"source": source, "delivery_id": delivery_id}
    row = session.execute(_BY_NAME, named).one_or_none()
    return DeliveryRow(*row) if row is not None else None


_ITEMS = text(
    """
    SELECT place, number, serial, model, verdict, code, text FROM meter_delivery_item
    WHERE inbound_message_id = :id AND place > :after
      AND (CAST(:verdict AS text) IS NULL OR verdict = :verdict)
    ORDER BY place LIMIT :limit
    """
)


def items_of(
    session: Session, message_id: int, limit: int, *, after: int = 0, verdict: str | None = None
) -> list[ItemRow]:
    """Meters of a delivery in their order, from the place after `after` on."""
    values = {"id": message_id, "after": after, "verdict": verdict, "limit": limit}
    return [ItemRow(*row) for row in session.execute(_ITEMS, values)]


_MISMATCHES = text(
    """
    SELECT s.order_id, s.gsrn, s.partner_code, s.meter_number, s.serial,
        CASE WHEN m.stock_at IS NOT NULL THEN m.serial END, s.code, s.detail, s.state, s.owner,
        s.opened_at, s.settled_at, s.settled_by, s.resolution, s.note
    FROM serial_mismatch s LEFT JOIN meter m ON m.number = s.meter_number
    WHERE CASE :view WHEN 'settled' THEN s.state = 'SETTLED'
        WHEN 'mine' THEN s.state = 'TAKEN' AND s.owner = :me ELSE s.state <> 'SETTLED' END
    ORDER BY CASE WHEN s.state = 'SETTLED' THEN s.settled_at END DESC NULLS LAST, s.opened_at,
        s.order_id
    LIMIT :limit OFFSET :offset
    """
)
_MISMATCH_OF = text(
    """
    SELECT s.order_id, s.gsrn, s.partner_code, s.meter_number, s.serial,
        CASE WHEN m.stock_at IS NOT NULL THEN m.serial END, s.code, s.detail, s.state, s.owner,
        s.opened_at, s.settled_at, s.settled_by, s.resolution, s.note
    FROM serial_mismatch s LEFT JOIN meter m ON m.number = s.meter_number
    WHERE s.order_id = :order_id
    """
)


def mismatches(
    session: Session, view: str, me: str, limit: int, offset: int = 0
) -> list[MismatchRow]:
    """The list, the longest waiting first; those that are settled, the latest first."""
    values = {"view": view, "me": me, "limit": limit, "offset": offset}
    return [MismatchRow(*row) for row in session.execute(_MISMATCHES, values)]


def mismatch_of(session: Session, order_id: str) -> MismatchRow | None:
    """The order's own, settled or not."""
    row = session.execute(_MISMATCH_OF, {"order_id": order_id}).one_or_none()
    return MismatchRow(*row) if row is not None else None


def count_mismatches(session: Session) -> int:
    """How many are not settled."""
    statement = text("SELECT count(*) FROM serial_mismatch WHERE state <> 'SETTLED'")
    return int(session.execute(statement).scalar_one())
