"""Intake of work orders: check, weigh the revision, route; storing is the next room.

Works on slices of a file, each in one transaction, so that a file of any size needs little memory
and a death in the middle costs at most one slice. Reading the same orders again finds them there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import fetch
from app.domain.clock import helsinki_day
from app.domain.findings import Finding, find, has_error
from app.domain.mapping.canonical import Direction, Document
from app.domain.mass_checks import check_mass_model
from app.domain.reject_codes import RejectCode, Severity
from app.domain.revisions import Known, Verdict, decide_revision, revision_finding
from app.domain.routing import RouteDecision, RouteFacts, decide_route
from app.domain.states import WorkOrderState
from app.domain.work_order_checks import PointFacts, check_work_order
from app.models.partner import Partner
from app.services import bundles_in_force, code_lists, inbound, order_store, runs
from app.services.bundle_tally import Tally
from app.services.order_store import Existing, Weighed
from app.services.partner_orders import Outgoing, outgoing_or_why
from app.services.slices import Lists, MassContext, Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import CisWorkOrder, ParsedOrder

_WHY_CHARS = 300
# The capability of a bundle without which no item of a mass order goes to its partner.
_MASS = "mass"


def load_lists(session: Session, partner_key: str, now: datetime) -> Lists:
    """The code lists and rules in force."""
    seeing = session.execute(select(Partner.code).where(Partner.sees_key_info)).scalars()
    forms = bundles_in_force.load(session, Document.ORDER, Direction.OUT, now)
    return Lists(
        code_lists.load_code_lists(session),
        code_lists.load_rules(session, now),
        frozenset(seeing),
        frozenset(session.execute(select(Partner.code).where(Partner.active)).scalars()),
        partner_key,
        forms.in_force,
        Tally(),
        forms.unreadable,
    )


def take_slice(session: Session, part: Slice, parsed: Sequence[ParsedOrder]) -> SliceResult:
    """Take a slice of a file; one bad order never touches its neighbours.

    Orders that appear twice in a slice are taken in two rounds, because the second is weighed
    against the first.
    """
    result = SliceResult()
    todo = list(parsed)
    while todo:
        seen: set[str] = set()
        this_round: list[ParsedOrder] = []
        later: list[ParsedOrder] = []
        for item in todo:
            key = item.order.order_id if item.order else None
            (later if key in seen else this_round).append(item)
            if key is not None:
                seen.add(key)
        _take_round(session, part, this_round, result)
        todo = later
    return result


def _take_round(
    session: Session, part: Slice, parsed: Sequence[ParsedOrder], result: SliceResult
) -> None:
    existing = find_existing(session, [p.order.order_id for p in parsed if p.order])
    points = find_points(session, [p.order.gsrn for p in parsed if p.order])
    banned = banned_among(session, [p.order for p in parsed if p.order], part.now)
    weighed: list[Weighed] = []
    kept: list[tuple[str | None, Finding]] = []
    steps: list[runs.StepRow] = []
    for item in parsed:
        noted = tuple(our_finding(finding, item.line) for finding in item.findings)
        if item.order is None:
            order_id, outcome, findings = item.order_id, "REJECTED", noted
            keys: tuple[str, ...] = (order_id,) if order_id else ()
        else:
            known = existing.get(item.order.order_id)
            content_hash = hashlib.sha256(order_store.content_json(item.order)).hexdigest()
            one = weigh(guarded(item.order, banned), content_hash, known, points, part)
            weighed.append(one)
            order_id, outcome = one.order.order_id, one.outcome
            findings = noted + tuple(replace(f, line=item.line) for f in one.findings)
            keys = (order_id, one.order.gsrn)
        result.counts[outcome] += 1
        kept += [(order_id, finding) for finding in findings]
        result.refusals += [
            Refusal(order_id, finding) for finding in findings if finding.severity is Severity.ERROR
        ]
        steps.append(_step(outcome, keys, findings, part.now))
    order_store.write(session, weighed, part, points)
    inbound.add_findings(session, part.message_id, kept, part.now)
    runs.add_steps(session, part.run_id, steps)
    part.lists.tally.flush(session, part.now)


def weigh(
    order: CisWorkOrder,
    content_hash: str,
    existing: Existing | None,
    points: dict[str, PointFacts],
    part: Slice,
) -> Weighed:
    """Decide what becomes of one order; nothing is written yet."""
    known = existing.known if existing else None
    verdict = decide_revision(known, order.revision, content_hash, order.action)
    if (
        verdict is Verdict.DUPLICATE
        and existing is not None
        and existing.inbound_message_id == part.message_id
    ):
        # This very file brought it, before we died or were asked to read it again.
        return Weighed(order, content_hash, verdict, "TAKEN_BEFORE", existing)
    told = revision_finding(verdict, known, order.revision)
    findings: tuple[Finding, ...] = (told,) if told else ()
    if verdict in (Verdict.CANCEL, Verdict.CANCEL_UNKNOWN):
        return Weighed(
            order, content_hash, verdict, verdict, existing, findings, WorkOrderState.CANCELLED
        )
    if verdict not in (Verdict.NEW, Verdict.UPDATE, Verdict.HOLD):
        return Weighed(order, content_hash, verdict, verdict, existing, findings)
    findings += check_work_order(
        order, part.lists.codes, points.get(order.gsrn), helsinki_day(part.now)
    )
    if part.mass is not None:
        findings += check_mass_model(order.required_model, part.lists.codes, part.mass.models)
    if has_error(findings):
        # A bad update leaves the order as it is; a bad new order is kept where staff see it.
        state = WorkOrderState.REJECTED if verdict is Verdict.NEW else None
        return Weighed(order, content_hash, verdict, "REJECTED", existing, findings, state)
    if verdict is Verdict.HOLD:
        # Routed when it is taken: by then another rule may be in force.
        return Weighed(order, content_hash, verdict, verdict, existing, findings)
    facts = _route_facts(order, part, existing)
    route = _kept_route(existing, facts, part.lists) or decide_route(
        facts, part.lists.rules, part.now
    )
    made: Outgoing | None = None
    if not _stays_unformed(existing, part.lists):
        # What becomes of a change is decided, and counted, when it is written.
        route, made = in_their_form(
            order, route, part.lists, part.mass, counts=verdict is Verdict.NEW
        )
    if route.partner_code is None:
        findings += (
            find(RejectCode.NO_ROUTE, "OrderTypeCode", route.reason, severity=Severity.WARN),
        )
    state = WorkOrderState.ROUTED if route.partner_code else WorkOrderState.NO_ROUTE
    outcome = verdict if route.partner_code else "NO_ROUTE"
    return Weighed(
        order, content_hash, verdict, outcome, existing, findings, state, route, made=made
    )


def in_their_form(
    order: CisWorkOrder,
    route: RouteDecision,
    lists: Lists,
    mass: MassContext | None,
    *,
    suffix: str = "",
    counts: bool = True,
) -> tuple[RouteDecision, Outgoing | None]:
    """The order as its partner would get it; one that the partner cannot be sent has no route."""
    code = route.partner_code
    if code is None:
        return route, None
    why = _no_form(code, lists, mass)
    if why is not None:
        return _unsendable(route, why), None
    made = outgoing_or_why(order, code, "NEW", lists, suffix=suffix, mass=mass, counts=counts)
    return (_unsendable(route, made), None) if isinstance(made, str) else (route, made)


def _no_form(code: str, lists: Lists, mass: MassContext | None) -> str | None:
    """Why a partner can be sent no such order at all; None where it can."""
    if code in lists.unreadable:
        return f"this program cannot run the bundle of {code}: {lists.unreadable[code]}"[
            :_WHY_CHARS
        ]
    if code not in lists.orders:
        return f"{code} has no bundle in force for orders"
    if mass is not None and _MASS not in lists.orders[code].active.content.capabilities:
        return f"{code} takes no mass orders"
    return None


def _unsendable(route: RouteDecision, why: str) -> RouteDecision:
    return RouteDecision(None, None, f"{route.reason} But {why}.", route.set_number)


def find_existing(session: Session, order_ids: Sequence[str]) -> dict[str, Existing]:
    """What we know of these orders, locked in one fixed sequence so that two files cannot deadlock."""
    rows = session.execute(
        text(
            "SELECT order_id, revision, content_hash, state, base_state, inbound_message_id,"
            " partner_code, gsrn, order_type_code, municipality_code, required_model, mass_id,"
            " route_rule_id, route_reason, route_set_number, CASE WHEN state = 'STARTED' THEN ("
            "  SELECT jsonb_object_agg(r.revision, r.content_hash) FROM order_request r"
            "  WHERE r.order_id = work_order.order_id AND r.state = 'WAITING') END AS waiting"
            " FROM work_order"
            " WHERE order_id = ANY(:ids) ORDER BY order_id FOR UPDATE"
        ),
        {"ids": list(order_ids)},
    )
    return {
        row.order_id: Existing(
            Known(
                row.revision,
                row.content_hash,
                WorkOrderState(row.state),
                {int(revision): told for revision, told in (row.waiting or {}).items()},
            ),
            base_state=row.base_state,
            inbound_message_id=row.inbound_message_id,
            partner_code=row.partner_code,
            gsrn=row.gsrn,
            route_facts=RouteFacts(
                row.order_type_code, row.municipality_code, row.required_model, bool(row.mass_id)
            ),
            route=RouteDecision(
                row.partner_code, row.route_rule_id, row.route_reason or "", row.route_set_number
            ),
        )
        for row in rows
    }


_POINTS = """
    SELECT p.gsrn, p.status, m.number FROM metering_point p
    LEFT JOIN meter m ON m.gsrn = p.gsrn AND m.state IN ('INSTALLED', 'COMMUNICATING')
    WHERE p.gsrn = ANY(%s)
"""


def find_points(session: Session, gsrns: Sequence[str]) -> dict[str, PointFacts]:
    """What the register says about these metering points."""
    rows = fetch(session.connection(), _POINTS, (list(gsrns),))
    return {row[0]: PointFacts(*row) for row in rows}


_BANNED = text(
    """
    SELECT cis_id FROM customer WHERE cis_id = ANY(:customers) AND personal_safety_ban
    UNION
    SELECT o.gsrn FROM occupancy o JOIN customer c ON c.cis_id = o.customer_id
    WHERE o.gsrn = ANY(:gsrns) AND c.personal_safety_ban
      AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)
    """
)


def find_banned(
    session: Session, customers: Sequence[str], gsrns: Sequence[str], now: datetime
) -> set[str]:
    """Customers under a safety ban and metering points where one lives, among these."""
    parameters = {
        "customers": list(customers),
        "gsrns": list(gsrns),
        "today": helsinki_day(now),
    }
    return set(session.execute(_BANNED, parameters).scalars())


def banned_among(session: Session, orders: Sequence[CisWorkOrder], now: datetime) -> set[str]:
    """The same of what these orders name."""
    customers = [order.customer_id for order in orders if order.customer_id]
    return find_banned(session, customers, [order.gsrn for order in orders], now)


def guarded(order: CisWorkOrder, banned: set[str]) -> CisWorkOrder:
    """A ban that we know of counts although the order does not repeat it (REQ-31)."""
    if order.safety_ban or banned.isdisjoint((order.customer_id, order.gsrn)):
        return order
    return msgspec.structs.replace(order, safety_ban=True)


# The partner has the order, or is getting it, and has not given it back.
_IN_FLIGHT = frozenset(
    {
        WorkOrderState.ROUTED,
        WorkOrderState.SENT,
        WorkOrderState.ACCEPTED,
        WorkOrderState.SCHEDULED,
        WorkOrderState.RESCHEDULED,
        WorkOrderState.FAILED,
    }
)


def _route_facts(order: CisWorkOrder, part: Slice, existing: Existing | None) -> RouteFacts:
    """What the rules look at; a change of one order does not take it out of its mass order."""
    return RouteFacts(
        order_type_code=order.order_type_code,
        municipality_code=order.municipality_code,
        model=order.required_model,
        mass=part.mass is not None or (existing is not None and existing.route_facts.mass),
    )


def _kept_route(existing: Existing | None, facts: RouteFacts, lists: Lists) -> RouteDecision | None:
    """The route of an order in flight, if nothing has changed that it was decided by.

    New rules are for new orders: they move nothing silently from one partner to another. A partner
    whom nobody here can tell that it has lost an order keeps it, whatever has changed.
    """
    if existing is not None and _stays_unformed(existing, lists):
        return existing.route
    if (
        existing is None
        or existing.known.state not in _IN_FLIGHT
        or existing.partner_code not in lists.partners
        or existing.route_facts != facts
    ):
        return None
    return existing.route


def _stays_unformed(existing: Existing | None, lists: Lists) -> bool:
    """Whether the order is with a partner for whom nothing can be brought into its form now."""
    return (
        existing is not None
        and existing.known.state in _IN_FLIGHT
        and existing.partner_code in lists.unreadable
    )


def _step(
    outcome: str, keys: tuple[str, ...], findings: Iterable[Finding], now: datetime
) -> runs.StepRow:
    codes = [finding.code for finding in findings]
    return runs.StepRow(
        name="work order",
        state=outcome,
        keys=keys,
        started_at=now,
        detail=", ".join(codes) or None,
        error_class=codes[0] if outcome == "REJECTED" and codes else None,
    )
