"""Which partner gets an order: the active rules, the one that wins, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One rule; an empty set or None matches everything, the lowest priority number wins.

    partner_types are the order types that the partner takes at all, whatever the rule says;
    empty means all. active_to is the first instant at which the rule no longer counts.
    """

    id: int
    name: str
    priority: int
    partner_code: str
    active_from: datetime
    active_to: datetime | None = None
    order_type_codes: frozenset[str] = frozenset()
    municipality_codes: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    mass: bool | None = None
    partner_types: frozenset[str] = frozenset()


class RouteFacts(NamedTuple):
    """What routing looks at in an order; mass tells whether it came in a mass order."""

    order_type_code: str
    municipality_code: str | None = None
    model: str | None = None
    mass: bool = False


class RouteDecision(NamedTuple):
    """The partner and the rule that chose it, or neither, and always a sentence that says why.

    set_number: the version of the rules that decided.
    """

    partner_code: str | None
    rule_id: int | None
    reason: str
    set_number: int | None = None


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Rules in the order in which they win, and the same filed by order type and municipality."""

    in_order: tuple[RouteRule, ...]
    by_area: Mapping[tuple[str | None, str | None], tuple[RouteRule, ...]] = field(repr=False)
    types: frozenset[str]
    municipalities: frozenset[str]
    set_number: int | None = None


class Miss(StrEnum):
    """What keeps a rule from fitting an order."""

    TYPE = "TYPE"
    AREA = "AREA"
    MODEL = "MODEL"
    MASS = "MASS"
    PARTNER = "PARTNER"
    TIME = "TIME"


@dataclass(frozen=True, slots=True)
class RuleTry:
    """One rule held against an order; without misses it fits, and the first that fits wins."""

    rule: RouteRule
    misses: tuple[Miss, ...]


def compile_rules(rules: Iterable[RouteRule], set_number: int | None = None) -> CompiledRules:
    """Sort and file rules once, so that deciding does not walk hundreds of area rules per order.

    Order: priority number, then the more specific rule (it limits more things), then the lower id.
    """
    in_order = tuple(sorted(rules, key=lambda rule: (rule.priority, -_specificity(rule), rule.id)))
    types = frozenset(code for rule in in_order for code in rule.order_type_codes)
    areas = frozenset(code for rule in in_order for code in rule.municipality_codes)
    filed: dict[tuple[str | None, str | None], list[RouteRule]] = {}
    for rule in in_order:
        # None files a rule for the types and municipalities that no rule names.
        for kind in rule.order_type_codes or {*types, None}:
            for area in rule.municipality_codes or {*areas, None}:
                filed.setdefault((kind, area), []).append(rule)
    by_area = {key: tuple(found) for key, found in filed.items()}
    return CompiledRules(in_order, by_area, types, areas, set_number)


def decide_route(facts: RouteFacts, rules: CompiledRules, at: datetime) -> RouteDecision:
    """Choose the partner for an order: the same facts, rules and time always give the same answer.

    Where no rule fits, the reason names the one that came nearest and what kept it from fitting.
    """
    kind = facts.order_type_code if facts.order_type_code in rules.types else None
    area = facts.municipality_code if facts.municipality_code in rules.municipalities else None
    for rule in rules.by_area.get((kind, area), ()):
        if _fits_rest(rule, facts, at):
            return RouteDecision(rule.partner_code, rule.id, _why(rule, facts), rules.set_number)
    return RouteDecision(None, None, _why_not(facts, rules.in_order, at), rules.set_number)


def try_rules(facts: RouteFacts, rules: CompiledRules, at: datetime) -> tuple[RuleTry, ...]:
    """Every rule in the order in which they win, and what keeps each from fitting."""
    return tuple(
        RuleTry(
            rule, tuple(miss for miss, part in _PARTS.items() if part(rule, facts, at) is not None)
        )
        for rule in rules.in_order
    )


def fits(rule: RouteRule, facts: RouteFacts, at: datetime) -> bool:
    """Whether a rule takes an order at a moment."""
    return (
        (not rule.order_type_codes or facts.order_type_code in rule.order_type_codes)
        and (not rule.municipality_codes or facts.municipality_code in rule.municipality_codes)
        and _fits_rest(rule, facts, at)
    )


def begun_at(rules: CompiledRules, at: datetime) -> datetime | None:
    """When a rule last began to count; whatever had no route before then may have one now."""
    return max((r.active_from for r in rules.in_order if r.active_from <= at), default=None)


def _specificity(rule: RouteRule) -> int:
    limits = (rule.order_type_codes, rule.municipality_codes, rule.models)
    return sum(1 for limit in limits if limit) + (rule.mass is not None)


def _fits_rest(rule: RouteRule, facts: RouteFacts, at: datetime) -> bool:
    """Check what the filing by type and municipality has not checked already."""
    return (
        rule.active_from <= at
        and (rule.active_to is None or at < rule.active_to)
        and (not rule.models or facts.model in rule.models)
        and (rule.mass is None or rule.mass == facts.mass)
        and (not rule.partner_types or facts.order_type_code in rule.partner_types)
    )


def _why(rule: RouteRule, facts: RouteFacts) -> str:
    matched = []
    if rule.order_type_codes:
        matched.append(f"order type {facts.order_type_code}")
    if rule.municipality_codes:
        matched.append(f"municipality {facts.municipality_code}")
    if rule.models:
        matched.append(f"meter model {facts.model}")
    if rule.mass is not None:
        matched.append("orders of a mass order" if rule.mass else "single orders")
    what = " and ".join(matched) or "every order"
    return f"Rule {rule.name} sends {what} to {rule.partner_code}."


def _why_not(facts: RouteFacts, rules: tuple[RouteRule, ...], at: datetime) -> str:
    if not rules:
        return "There is no routing rule at all."
    nearest = min(rules, key=lambda rule: len(_misses(rule, facts, at)))
    misses = ", and ".join(_misses(nearest, facts, at))
    return f"No rule fits. The nearest one, {nearest.name}, does not because {misses}."


def _misses(rule: RouteRule, facts: RouteFacts, at: datetime) -> list[str]:
    return [miss for part in _PARTS.values() if (miss := part(rule, facts, at)) is not None]


def _type_miss(rule: RouteRule, facts: RouteFacts, _at: datetime) -> str | None:
    if not rule.order_type_codes or facts.order_type_code in rule.order_type_codes:
        return None
    wanted = _listed(rule.order_type_codes)
    return f"it is for order type {wanted} and the order has {facts.order_type_code}"


def _area_miss(rule: RouteRule, facts: RouteFacts, _at: datetime) -> str | None:
    if not rule.municipality_codes or facts.municipality_code in rule.municipality_codes:
        return None
    wanted = _listed(rule.municipality_codes)
    has = f"has {facts.municipality_code}" if facts.municipality_code else "names none"
    return f"it is for municipality {wanted} and the order {has}"


def _model_miss(rule: RouteRule, facts: RouteFacts, _at: datetime) -> str | None:
    if not rule.models or facts.model in rule.models:
        return None
    has = f"wants {facts.model}" if facts.model else "names none"
    return f"it is for meter model {_listed(rule.models)} and the order {has}"


def _mass_miss(rule: RouteRule, facts: RouteFacts, _at: datetime) -> str | None:
    if rule.mass is None or rule.mass == facts.mass:
        return None
    return f"it is for {'orders of a mass order' if rule.mass else 'single orders'} only"


def _partner_miss(rule: RouteRule, facts: RouteFacts, _at: datetime) -> str | None:
    if not rule.partner_types or facts.order_type_code in rule.partner_types:
        return None
    return f"partner {rule.partner_code} does not take order type {facts.order_type_code}"


def _time_miss(rule: RouteRule, _facts: RouteFacts, at: datetime) -> str | None:
    if at < rule.active_from:
        return f"it begins only at {rule.active_from.isoformat(timespec='minutes')}"
    if rule.active_to is not None and at >= rule.active_to:
        return f"it ended at {rule.active_to.isoformat(timespec='minutes')}"
    return None


def _listed(codes: frozenset[str]) -> str:
    # A rule for a region names dozens of municipalities; the first few tell which rule it is.
    first = sorted(codes)[:_LISTED_COUNT]
    rest = len(codes) - len(first)
    return f"{', '.join(first)} or {rest} more" if rest else " or ".join(first)


_LISTED_COUNT = 4

_PARTS: Mapping[Miss, Callable[[RouteRule, RouteFacts, datetime], str | None]] = {
    Miss.TYPE: _type_miss,
    Miss.AREA: _area_miss,
    Miss.MODEL: _model_miss,
    Miss.MASS: _mass_miss,
    Miss.PARTNER: _partner_miss,
    Miss.TIME: _time_miss,
}
