"""One message or order through one or two versions of a bundle, for the bench.

Promise: nothing is written, queued or sent. It reads rows and runs mappings; that somebody looked is
for the caller to record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.findings import Finding
from app.domain.mapping.canonical import Direction, Document
from app.domain.mapping.difference import Difference
from app.models.partner import Partner
from app.services import bench_masks, bundle_bench, bundles_in_force, intake
from app.services.bundle_bench import Trial
from app.services.bundle_check import GoldenOrder
from app.services.bundle_content import CompiledBundle
from app.services.bundle_tally import Tally
from app.services.iec_orders import parse_iec_orders
from app.services.slices import MassContext, our_finding
from integrations.cis.document import HEAD_BYTES, sniff
from integrations.cis.types import CisWorkOrder, DocumentKind, FileRejected, ParsedOrder
from integrations.cis.work_order_codec import parse_work_orders
from integrations.installer.types import Action

# As many orders of a file are looked at; whoever wants another one names it.
ORDERS_MOST = 500


class BenchRefused(Exception):
    """What was given cannot be tried; code says why: NOT_ORDERS, MASS_FILE, NOT_JSON."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bench:
    """The version on the bench, the one beside it, and what whoever looks may see."""

    partner_code: str
    main: CompiledBundle
    beside: CompiledBundle | None
    sees_protected: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """One record through both versions; key: the order or meter that it is about, where it says so.

    main is None where only the version beside finds such a record.
    """

    line: int
    key: str | None
    main: Trial | None
    beside: Trial | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """The names of what is kept from whoever looks."""
        return tuple(
            sorted({name for one in (self.main, self.beside) if one for name in one.hidden})
        )


@dataclass(frozen=True, slots=True)
class ReadOrders:
    """The orders in a message, and what was wrong with it or with those that are none."""

    orders: tuple[CisWorkOrder, ...] = ()
    findings: tuple[tuple[str | None, Finding], ...] = ()


def run_order(
    session: Session,
    bench: Bench,
    order: CisWorkOrder,
    action: Action,
    mass: MassContext | None = None,
) -> Pair:
    """An order as the partner would get it; a ban that we know of counts (REQ-31)."""
    partner = session.get(Partner, bench.partner_code)
    sees_key_info = partner is not None and partner.sees_key_info
    order = intake.guarded(order, intake.banned_among(session, [order], bench.now))
    shown, hidden = (order, ()) if bench.sees_protected else bench_masks.hide_in_order(order)

    def _try(bundle: CompiledBundle) -> Trial:
        trial = bundle_bench.try_order(
            bundle, shown, action, sees_key_info=sees_key_info, mass=mass
        )
        # What the partner does not get is not hidden from anybody.
        return replace(trial, hidden=tuple(name for name in hidden if name in trial.canonical))

    return _pair(bench, 0, order.order_id, _try(bench.main), _beside(bench, _try))


def run_incoming(session: Session, bench: Bench, body: bytes) -> list[Pair]:
    """A message of theirs as both versions read it, record by record."""
    main = _incoming(session, bench, bench.main, body)
    if bench.beside is None:
        return [Pair(one.line, key_of(bench.main, one), one) for one in main]
    beside = _incoming(session, bench, bench.beside, body)
    pairs = []
    for one, other in zip_longest(main, beside):
        known = one or other
        key = key_of(bench.main, known)
        pairs.append(_pair(bench, known.line, key, one, other))
    return pairs


def read_orders(
    session: Session, body: bytes, now: datetime, only: str | None = None
) -> ReadOrders:
    """The orders in a file of the CIS, or in a JSON text with the names of our own fields.

    only: the id of the one that is looked for. Raises: BenchRefused.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return ReadOrders((_order_of_json(body),))
    orders: list[CisWorkOrder] = []
    findings: list[tuple[str | None, Finding]] = []
    try:
        for item in _parsed(session, body, now):
            if only is not None and item.order_id != only:
                continue
            if item.order is not None and len(orders) < ORDERS_MOST:
                orders.append(item.order)
            if len(findings) < ORDERS_MOST:
                findings += [(item.order_id, our_finding(f, item.line)) for f in item.findings]
    except FileRejected as error:
        findings += [(None, our_finding(one)) for one in error.findings]
    return ReadOrders(tuple(orders), tuple(findings))


def key_of(bundle: CompiledBundle, trial: Trial) -> str | None:
    """What a record is about: the number of an order or of a meter."""
    name = {"ack": "orderId", "delivery": "number"}.get(bundle.content.document, "order_id")
    value = trial.canonical.get(name)
    return str(value) if isinstance(value, str | int) and str(value) else None


def _incoming(session: Session, bench: Bench, bundle: CompiledBundle, body: bytes) -> list[Trial]:
    if bench.sees_protected:
        return bundle_bench.try_incoming(bundle, body)
    trials = bundle_bench.try_incoming(bundle, body)
    banned = _banned(session, bundle, trials, bench.now)

    def _hide(
        record: Mapping[str, Any], value: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        ban = bool(value.get("safety_ban")) or not banned.isdisjoint(_names_in(value))
        return bench_masks.hide_in_record(bundle, record, ban=ban)

    return bundle_bench.try_incoming(bundle, body, _hide)


def _banned(
    session: Session, bundle: CompiledBundle, trials: Sequence[Trial], now: datetime
) -> set[str]:
    """Orders, points and customers of these records that a safety ban protects."""
    names = sorted({name for one in trials for name in _names_in(one.canonical)})
    if not names or bundle.content.document == Document.DELIVERY:
        return set()
    values = {"names": names, "today": helsinki_day(now)}
    return set(session.execute(_BANNED, values).scalars())


_BANNED = text(
    """
    SELECT cis_id FROM customer WHERE cis_id = ANY(:names) AND personal_safety_ban
    UNION
    SELECT o.gsrn FROM occupancy o JOIN customer c ON c.cis_id = o.customer_id
    WHERE o.gsrn = ANY(:names) AND c.personal_safety_ban
      AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)
    UNION
    SELECT w.order_id FROM work_order w
    WHERE w.order_id = ANY(:names) AND (w.facts->>'safety_ban' = 'true'
        OR EXISTS (SELECT 1 FROM occupancy o JOIN customer c ON c.cis_id = o.customer_id
            WHERE o.gsrn = w.gsrn AND c.personal_safety_ban
              AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)))
    """
)


def _names_in(value: Mapping[str, Any]) -> set[str]:
    names = (value.get(name) for name in ("orderId", "order_id", "gsrn", "customer_id"))
    return {name for name in names if isinstance(name, str)}


def _beside(bench: Bench, attempt: Any) -> Trial | None:
    return attempt(bench.beside) if bench.beside is not None else None


def _pair(
    bench: Bench, line: int, key: str | None, main: Trial | None, beside: Trial | None
) -> Pair:
    found: tuple[Difference, ...] = ()
    if main is not None and beside is not None:
        # The version beside is the known one, so what the other has more is what is new.
        found = bundle_bench.compare(beside, main)
    return Pair(line, key, main, beside, found)


def _order_of_json(body: bytes) -> CisWorkOrder:
    try:
        return msgspec.json.decode(body, type=GoldenOrder).order
    except (ValueError, RecursionError):
        # As in golden pairs, or the order by itself.
        pass
    try:
        return msgspec.json.decode(body, type=CisWorkOrder)
    except (ValueError, RecursionError):
        raise BenchRefused("NOT_JSON") from None


def _parsed(session: Session, body: bytes, now: datetime) -> Iterator[ParsedOrder]:
    kind = sniff(body[:HEAD_BYTES])
    if kind is DocumentKind.MASS_WORK_ORDERS:
        raise BenchRefused("MASS_FILE")
    if kind is DocumentKind.IEC_REQUEST:
        reader = bundles_in_force.find(session, "cis", Document.ORDER, Direction.IN, now)
        # A tally that is never written: what is tried here is no traffic.
        parts = parse_iec_orders([body], reader, Tally())
    elif kind is DocumentKind.WORK_ORDERS:
        parts = parse_work_orders([body])
    else:
        raise BenchRefused("NOT_ORDERS")
    for part in parts:
        if isinstance(part, ParsedOrder):
            yield part
