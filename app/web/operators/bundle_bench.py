"""The mapping bench: any message or order through any version, and through another one beside it.

Nothing is stored, queued or sent; that somebody looked is recorded before anything is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import msgspec
from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.findings import Finding
from app.domain.mapping.canonical import Direction, Document
from app.domain.mapping.vocabulary import MappingInvalid
from app.domain.roles import Permission
from app.models.partner_bundle import PartnerBundle
from app.queries import bench_sources, bundle_list
from app.queries.bench_sources import Candidate, Sort, StoredOrder
from app.queries.bundle_list import BundleRow
from app.services import audit, bench_run, partner_files
from app.services.ack_receipt import KIND as ACK_KIND
from app.services.ack_receipt import source_of as ack_source
from app.services.bench_run import Bench, BenchRefused, Pair
from app.services.bundle_content import CompiledBundle, compile_bundle, from_row
from app.services.meter_deliveries import KIND as DELIVERY_KIND
from app.services.slices import MassContext
from app.web.access import actor, may, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.bundles import get_version, versions_of
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action
from integrations.partners.manifest import BundleUnreadable

# More records than this are not compared on one page; whoever looks for one names it.
PAIRS_SHOWN = 20
_ACTIONS: Sequence[str] = get_args(Action)
_ORDERS = Sort("CIS_FILE", "cis", ("WORK_ORDERS", "IEC_REQUEST"))
_OTHER_ORDERS = Sort("CIS_FILE", "cis", ("IEC_REQUEST",))


@dataclass(slots=True)
class _Asked:
    """What somebody wants to try."""

    words: str
    order_id: str
    message_id: int | None
    at: str
    action: Action | None
    pasted: str

    @property
    def anything(self) -> bool:
        return bool(self.order_id or self.message_id or self.pasted.strip())


@dataclass(slots=True)
class _Result:
    """What came of it; total counts records also where only some are shown."""

    pairs: list[Pair]
    total: int = 0
    findings: Sequence[tuple[str | None, Finding]] = ()
    trouble: str = ""
    order: StoredOrder | None = None
    message: Candidate | None = None


@blueprint.route("/bundles/<int:number>/bench", methods=["GET", "POST"])
@role_required(Permission.SEE_PAYLOAD)
def bundle_bench(number: int) -> ResponseReturnValue:
    """Search an archived message or an order, or paste one, and see what versions make of it."""
    session = db.session()
    row, stored = get_version(session, number)
    others = [one for one in versions_of(session, row) if one.id != row.id]
    beside_row = _beside(others, row)
    main, trouble = _compiled(stored)
    beside: CompiledBundle | None = None
    if beside_row is not None:
        beside, why = _compiled(get_version(session, beside_row.id)[1])
        trouble = trouble or why
    asked = _asked()
    sort = _sort_of(row, main)
    result = None
    if main is not None and asked.anything:
        sees = may(Permission.SEE_KEY_INFO)
        bench = Bench(row.partner_code, main, beside, sees, now())
        _record_look(row, beside_row, asked, sees)
        result = _run(session, bench, row, asked)
    return render_template(
        "operators/bundle_bench.html",
        row=row,
        others=others,
        beside=beside_row,
        asked=asked,
        trouble=trouble,
        result=result,
        candidates=bench_sources.find_messages(session, sort, asked.words),
        stored_order=bench_sources.find_order(session, asked.words)
        if asked.words and row.direction == Direction.OUT
        else None,
        is_out=row.direction == Direction.OUT,
        actions=_ACTIONS,
        partners=bundle_list.partner_names(session),
        pairs_shown=PAIRS_SHOWN,
        readable=_readable,
        short=_short,
    )


def _run(session: Session, bench: Bench, row: BundleRow, asked: _Asked) -> _Result:
    result = _Result([])
    if asked.order_id:
        return _run_stored_order(session, bench, row, asked, result)
    body = asked.pasted.encode()
    if asked.message_id is not None:
        message = bench_sources.find_message(session, asked.message_id)
        if message is None:
            result.trouble = gettext("There is no message %(number)s.", number=asked.message_id)
            return result
        result.message = message
        if message.body_removed:
            result.trouble = gettext("The message itself was removed when its time was over.")
            return result
        if message.size_bytes > bench_sources.BODY_MOST_BYTES:
            result.trouble = gettext("The message is too large for the bench. Look for one order.")
            return result
        body = bench_sources.read_body(session, message.id)
    if row.direction == Direction.OUT:
        _run_orders(session, bench, body, asked, result)
    else:
        _cut(result, bench_run.run_incoming(session, bench, body), asked.at)
    return result


def _run_stored_order(
    session: Session, bench: Bench, row: BundleRow, asked: _Asked, result: _Result
) -> _Result:
    if row.direction != Direction.OUT:
        result.trouble = gettext("This version reads messages. Choose one.")
        return result
    found = bench_sources.find_order(session, asked.order_id)
    if found is None:
        result.trouble = gettext("There is no order %(order)s.", order=asked.order_id)
        return result
    try:
        order = msgspec.json.decode(found.facts, type=CisWorkOrder)
    except msgspec.ValidationError:
        result.trouble = gettext("Order %(order)s has not the form of today.", order=asked.order_id)
        return result
    result.order = found
    if found.key_info:
        order = msgspec.structs.replace(order, key_info=found.key_info)
    mass = None
    if found.mass_id is not None:
        mass = MassContext(found.mass_id, found.wave, frozenset(found.models))
    pair = bench_run.run_order(session, bench, order, asked.action or "NEW", mass)
    result.pairs, result.total = [pair], 1
    return result


def _run_orders(
    session: Session, bench: Bench, body: bytes, asked: _Asked, result: _Result
) -> None:
    try:
        read = bench_run.read_orders(session, body, bench.now, asked.at or None)
    except BenchRefused as refused:
        result.trouble = _refusal(refused.code)
        return
    result.findings, result.total = read.findings, len(read.orders)
    result.pairs = [
        bench_run.run_order(session, bench, order, asked.action or _action_of(order))
        for order in read.orders[:PAIRS_SHOWN]
    ]


def _cut(result: _Result, pairs: list[Pair], at: str) -> None:
    if at:
        pairs = [pair for pair in pairs if at in (pair.key, str(pair.line))]
    result.total = len(pairs)
    # What differs or has a finding is what people look for.
    pairs.sort(key=lambda one: not (one.differences or _findings_of(one)))
    result.pairs = pairs[:PAIRS_SHOWN]


def _findings_of(pair: Pair) -> bool:
    return any(one is not None and one.findings for one in (pair.main, pair.beside))


def _asked() -> _Asked:
    values = request.values
    number = values.get("message", "").strip()
    action = values.get("action", "")
    return _Asked(
        words=values.get("q", "").strip()[:120],
        order_id=values.get("order", "").strip()[:80],
        message_id=int(number)
        if number.isascii() and number.isdigit() and len(number) < 19
        else None,
        at=values.get("at", "").strip()[:80],
        action=cast("Action", action) if action in _ACTIONS else None,
        pasted=request.form.get("pasted", ""),
    )


def _beside(others: Sequence[BundleRow], row: BundleRow) -> BundleRow | None:
    """The version that was asked for; without a word of it the one in force."""
    chosen = request.values.get("beside")
    if chosen is None:
        return next((one for one in others if one.in_force), None)
    return next((one for one in others if str(one.id) == chosen), None)


def _compiled(stored: PartnerBundle) -> tuple[CompiledBundle | None, str]:
    try:
        return compile_bundle(from_row(stored.content)), ""
    except (MappingInvalid, BundleUnreadable) as error:
        why = gettext("This program cannot run it: %(why)s", why=str(error)[:300])
        return None, why


def _sort_of(row: BundleRow, main: CompiledBundle | None) -> Sort:
    """In which archived messages this document of this partner comes, or the orders that go there."""
    if row.document == Document.ORDER:
        return _ORDERS if row.direction == Direction.OUT else _OTHER_ORDERS
    if row.document == Document.DELIVERY:
        return Sort(DELIVERY_KIND, partner_files.source_of(row.partner_code))
    if main is not None and main.is_file:
        return Sort(partner_files.KIND, partner_files.source_of(row.partner_code))
    return Sort(ACK_KIND, ack_source(row.partner_code))


def _record_look(row: BundleRow, beside: BundleRow | None, asked: _Asked, sees: bool) -> None:
    detail: dict[str, Any] = {
        "message": asked.message_id,
        "order": asked.order_id or asked.at or None,
        "pasted": bool(asked.pasted.strip()),
        "beside": beside.id if beside else None,
        "protected": "shown" if sees else "hidden",
    }
    with transaction() as session:
        audit.record(session, actor(), "BENCH_RUN", f"bundle:{row.id}", detail, now())


def _action_of(order: CisWorkOrder) -> Action:
    return cast("Action", order.action) if order.action in _ACTIONS else "NEW"


def _readable(value: Any) -> str:
    """A document as text; what JSON has no form for as its own words."""
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 120 else f"{text[:119]}…"


def _refusal(code: str) -> str:
    words = {
        "NOT_ORDERS": gettext("There are no work orders in this message."),
        "MASS_FILE": gettext("It is a mass order. Look for one of its orders."),
        "NOT_JSON": gettext("It is neither a message of the CIS nor an order as JSON."),
    }
    return words.get(code, code)
