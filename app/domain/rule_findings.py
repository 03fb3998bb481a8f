"""What is odd about a set of routing rules before anybody uses it: gaps, overlaps, idle rules.

Every kind of order that the rules can tell apart is tried once: the municipalities that the same
rules name count as one, and so do the meter models. So a set of hundreds of rules for areas is
judged completely, not by samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.routing import CompiledRules, RouteFacts, RouteRule, fits


class RuleFindingKind(StrEnum):
    """What is odd.

    NO_RULES: there is none. GAP: orders of a type that no rule takes. OVERLAP: two rules of the
    same priority and different partners both take an order, so only which is more specific, or
    older, decides. NEVER_WINS: a rule before it always takes what it would take. NOT_TAKEN: the
    rule names order types that its partner does not take. UNKNOWN_CODES: it names types, models or
    municipalities that are not in use. ENDED: it is over. PARTNER_OFF: its partner is not in use,
    so it counts for nothing.
    """

    NO_RULES = "NO_RULES"
    GAP = "GAP"
    OVERLAP = "OVERLAP"
    NEVER_WINS = "NEVER_WINS"
    NOT_TAKEN = "NOT_TAKEN"
    UNKNOWN_CODES = "UNKNOWN_CODES"
    ENDED = "ENDED"
    PARTNER_OFF = "PARTNER_OFF"


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """One oddity. facts: an order that shows it; whole: it is so for every order of the type, or of the rule.

    rules: the ids of the rules concerned. from_at: when it begins, None for now. codes: order types,
    of UNKNOWN_CODES whatever is not in use.
    """

    kind: RuleFindingKind
    rules: tuple[int, ...] = ()
    facts: RouteFacts | None = None
    whole: bool = False
    from_at: datetime | None = None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownCodes:
    """What a rule may name."""

    order_types: frozenset[str]
    models: frozenset[str]
    municipalities: frozenset[str]


def check_rules(
    rules: CompiledRules,
    order_types: Iterable[str],
    at: datetime,
    *,
    idle_partners: frozenset[str] = frozenset(),
    mass_types: frozenset[str] = frozenset({"MVM"}),
    known: KnownCodes | None = None,
) -> tuple[RuleFinding, ...]:
    """Everything odd about the rules at a moment, and about when one of them begins or ends.

    order_types: those in use. mass_types: those that come in mass orders; the others never do.
    idle_partners: partners that are switched off. known: the codes that a rule may name.
    """
    if not rules.in_order:
        return (RuleFinding(RuleFindingKind.NO_RULES),)
    working = [rule for rule in rules.in_order if rule.partner_code not in idle_partners]
    found = [*_single(rules.in_order, at, idle_partners)]
    if known is not None:
        found += _unknown(rules.in_order, known)
    kinds = sorted({*order_types, *rules.types})
    moments = [at, *_turns(working, at)]
    cells = {kind: list(_cells(kind, working, kind in mass_types)) for kind in kinds}
    won: set[int] = set()
    gaps: dict[str, RuleFinding] = {}
    overlaps: dict[tuple[int, int], RuleFinding] = {}
    for moment in moments:
        since = None if moment == at else moment
        for kind in kinds:
            open_, taken = None, False
            for facts, near in cells[kind]:
                matching = [rule for rule in near if fits(rule, facts, moment)]
                if not matching:
                    open_ = open_ or facts
                    continue
                taken = True
                won.add(matching[0].id)
                _note_overlap(overlaps, matching, facts, since)
            if open_ is not None and kind not in gaps:
                gaps[kind] = RuleFinding(
                    RuleFindingKind.GAP, facts=open_, whole=not taken, from_at=since, codes=(kind,)
                )
    # Whatever else is wrong with a rule says already why it never wins.
    partly = (RuleFindingKind.NOT_TAKEN, RuleFindingKind.UNKNOWN_CODES)
    told = {f.rules[0] for f in found if f.whole or f.kind not in partly}
    idle = [rule for rule in working if rule.id not in won and rule.id not in told]
    found += [RuleFinding(RuleFindingKind.NEVER_WINS, (rule.id,)) for rule in idle]
    return (*gaps.values(), *overlaps.values(), *found)


def _single(
    rules: Iterable[RouteRule], at: datetime, idle_partners: frozenset[str]
) -> Iterator[RuleFinding]:
    """What is odd about one rule whatever the others say."""
    for rule in rules:
        if rule.partner_code in idle_partners:
            yield RuleFinding(RuleFindingKind.PARTNER_OFF, (rule.id,))
        elif rule.active_to is not None and rule.active_to <= max(at, rule.active_from):
            yield RuleFinding(RuleFindingKind.ENDED, (rule.id,))
        if rule.partner_types and (refused := rule.order_type_codes - rule.partner_types):
            yield RuleFinding(
                RuleFindingKind.NOT_TAKEN,
                (rule.id,),
                whole=refused == rule.order_type_codes,
                codes=tuple(sorted(refused)),
            )


def _unknown(rules: Iterable[RouteRule], known: KnownCodes) -> Iterator[RuleFinding]:
    """Codes of a rule that no order can have: misspelt, or in use no more."""
    for rule in rules:
        unknown = (
            (rule.order_type_codes - known.order_types)
            | (rule.models - known.models)
            | (rule.municipality_codes - known.municipalities)
        )
        if unknown:
            codes = tuple(sorted(unknown))
            yield RuleFinding(RuleFindingKind.UNKNOWN_CODES, (rule.id,), codes=codes)


def _note_overlap(
    overlaps: dict[tuple[int, int], RuleFinding],
    matching: Sequence[RouteRule],
    facts: RouteFacts,
    since: datetime | None,
) -> None:
    first = matching[0]
    for other in matching[1:]:
        if other.priority != first.priority:
            return
        pair = (first.id, other.id)
        if other.partner_code != first.partner_code and pair not in overlaps:
            overlaps[pair] = RuleFinding(RuleFindingKind.OVERLAP, pair, facts=facts, from_at=since)


def _turns(rules: Iterable[RouteRule], at: datetime) -> list[datetime]:
    """When a rule begins or ends after a moment."""
    moments = {rule.active_from for rule in rules} | {
        rule.active_to for rule in rules if rule.active_to is not None
    }
    return sorted(moment for moment in moments if moment > at)


def _cells(
    kind: str, rules: Sequence[RouteRule], in_mass: bool
) -> Iterator[tuple[RouteFacts, Sequence[RouteRule]]]:
    """One order of each sort of this type that the rules can tell apart, and the rules near it.

    Those of the type and the area, in the order in which they win: of hundreds of rules for areas a few.
    """
    mine = [rule for rule in rules if not rule.order_type_codes or kind in rule.order_type_codes]
    areas = _classes(mine, lambda rule: rule.municipality_codes)
    models = _classes(mine, lambda rule: rule.models)
    told = any(rule.mass is not None for rule in mine)
    masses = ((False, True) if told else (True,)) if in_mass else (False,)
    for area in areas:
        near = [
            rule for rule in mine if not rule.municipality_codes or area in rule.municipality_codes
        ]
        for model, mass in itertools.product(models, masses):
            yield RouteFacts(kind, area, model, mass), near


def _classes(
    rules: Sequence[RouteRule], codes_of: Callable[[RouteRule], frozenset[str]]
) -> list[str | None]:
    """One code for each group that the same rules name, and None for what no rule names."""
    named: dict[str, list[int]] = {}
    for place, rule in enumerate(rules):
        for code in codes_of(rule):
            named.setdefault(code, []).append(place)
    groups: Mapping[tuple[int, ...], str] = {
        tuple(places): code for code, places in sorted(named.items(), reverse=True)
    }
    return [*sorted(groups.values()), None]
