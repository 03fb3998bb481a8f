"""Routing on the pages: versions, what a version would change, and which rule one order meets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.routing import CompiledRules, RouteFacts, RouteRule, decide_route
from app.models.route_rule import RuleSet

# How many different changes a page lists; the totals count all.
CHANGES_MOST = 50


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version in the list."""

    number: int
    state: str
    rules: int
    orders: int
    note: str
    authors: list[str]
    equals: int | None
    created_at: datetime
    submitted_by: str | None
    decided_by: str | None
    decided_at: datetime | None
    activated_at: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order as routing sees it, and the decision that is on record."""

    order_id: str
    gsrn: str
    state: str
    facts: RouteFacts
    partner_code: str | None
    rule_name: str | None
    set_number: int | None
    reason: str | None
    routed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """Orders that a version would decide otherwise: from whom to whom, by which rule, how many.

    in_flight: the partner has them; they would stay there all the same.
    """

    before: str | None
    after: str | None
    rule: RouteRule | None
    in_flight: bool
    count: int
    example: str


@dataclass(slots=True)
class Impact:
    """What a version would change among the orders that are open; rule_counts: by rule id."""

    open_count: int = 0
    same_count: int = 0
    changes: list[Change] = field(default_factory=list)
    rule_counts: Counter[int] = field(default_factory=Counter)

    def moved(self, *, in_flight: bool) -> int:
        """How many would go elsewhere."""
        return sum(one.count for one in self.changes if one.in_flight is in_flight)


_VERSIONS = text(
    """
    SELECT s.number, s.state, (SELECT count(*) FROM route_rule r WHERE r.set_number = s.number),
        0, s.note, s.authors, s.equals, s.created_at, s.submitted_by, s.decided_by,
        s.decided_at, s.activated_at, s.retired_at
    FROM rule_set s ORDER BY s.number DESC LIMIT :limit OFFSET :offset
    """
)
_ORDER = text(
    """
    SELECT o.order_id, o.gsrn, o.state, o.order_type_code, o.municipality_code, o.required_model,
        o.mass_id IS NOT NULL AS mass, o.partner_code, r.name AS rule_name, o.route_set_number,
        o.route_reason, o.routed_at
    FROM work_order o LEFT JOIN route_rule r ON r.id = o.route_rule_id WHERE o.order_id = :id
    """
)
# What routing looks at has a few hundred or thousand different values among any number of orders,
# so the database counts them and the rules are asked once for each.
_OPEN = text(
    """
    SELECT order_type_code, municipality_code, required_model, mass_id IS NOT NULL AS mass,
        partner_code, state <> 'NO_ROUTE' AS in_flight, count(*) AS number, min(order_id) AS example
    FROM work_order
    WHERE state IN ('NO_ROUTE', 'ROUTED', 'SENT', 'ACCEPTED', 'SCHEDULED', 'RESCHEDULED', 'FAILED',
        'PARTNER_REJECTED', 'RETURNED')
    GROUP BY 1, 2, 3, 4, 5, 6
    """
)


def versions(session: Session, limit: int, offset: int = 0) -> list[VersionRow]:
    """Every version, the newest first."""
    rows = session.execute(_VERSIONS, {"limit": limit, "offset": offset})
    return [VersionRow(*row) for row in rows]


def find_set(session: Session, number: int) -> RuleSet | None:
    """One version, read afresh."""
    return session.get(RuleSet, number, populate_existing=True)


def open_number(session: Session) -> int | None:
    """The version that is being worked on, or waits for a second person."""
    statement = select(RuleSet.number).where(RuleSet.state.in_(("DRAFT", "SUBMITTED")))
    return session.execute(statement).scalar_one_or_none()


def count_waiting(session: Session) -> int:
    """Versions, and moves of orders, that wait for a second person."""
    statement = text(
        "SELECT (SELECT count(*) FROM rule_set WHERE state = 'SUBMITTED')"
        " + (SELECT count(*) FROM route_move WHERE state = 'PROPOSED')"
    )
    return int(session.execute(statement).scalar_one())


def find_order(session: Session, order_id: str) -> OrderFacts | None:
    """One order as routing sees it."""
    row = session.execute(_ORDER, {"id": order_id}).one_or_none()
    if row is None:
        return None
    return OrderFacts(
        row.order_id,
        row.gsrn,
        row.state,
        RouteFacts(row.order_type_code, row.municipality_code, row.required_model, row.mass),
        row.partner_code,
        row.rule_name,
        row.route_set_number,
        row.route_reason,
        row.routed_at,
    )


def impact(session: Session, rules: CompiledRules, at: datetime) -> Impact:
    """What these rules would decide about every order that is open, beside what is on record."""
    found = Impact()
    by_id = {rule.id: rule for rule in rules.in_order}
    changed: dict[tuple[str | None, str | None, int | None, bool], tuple[int, str]] = {}
    for row in session.execute(_OPEN):
        facts = RouteFacts(row.order_type_code, row.municipality_code, row.required_model, row.mass)
        decision = decide_route(facts, rules, at)
        found.open_count += row.number
        if decision.rule_id is not None:
            found.rule_counts[decision.rule_id] += row.number
        if decision.partner_code == row.partner_code:
            found.same_count += row.number
            continue
        key = (row.partner_code, decision.partner_code, decision.rule_id, row.in_flight)
        count, example = changed.get(key, (0, row.example))
        changed[key] = (count + row.number, min(example, row.example))
    found.changes = sorted(
        (
            Change(before, after, by_id.get(rule_id or 0), in_flight, count, example)
            for (before, after, rule_id, in_flight), (count, example) in changed.items()
        ),
        key=lambda one: (-one.count, one.example),
    )
    return found
