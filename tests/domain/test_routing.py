"""Routing: which rule wins, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.routing import RouteFacts, RouteRule, compile_rules, decide_route

NOW = datetime(2025, 11, 24, 9, tzinfo=UTC)
AGO = datetime(2025, 1, 1, tzinfo=UTC)


def test_the_lowest_priority_number_wins_over_a_more_specific_rule() -> None:
    first = rule(1, priority=10, partner_code="voima")
    second = rule(2, priority=20, partner_code="piiri", order_type_codes=frozenset({"MVM"}))
    decision = decide_route(MASS_ORDER, compile_rules([second, first]), NOW)
    assert (decision.partner_code, decision.rule_id) == ("voima", 1)


def test_among_equals_the_more_specific_rule_wins_and_then_the_older_one() -> None:
    general = rule(1, partner_code="yleinen")
    typed = rule(3, partner_code="voima", order_type_codes=frozenset({"MVM"}))
    typed_later = rule(4, partner_code="piiri", order_type_codes=frozenset({"MVM"}))
    for rules in permutations([general, typed, typed_later]):
        decision = decide_route(MASS_ORDER, compile_rules(rules), NOW)
        assert (decision.partner_code, decision.rule_id) == ("voima", 3)


def test_the_reason_names_what_matched() -> None:
    chosen = rule(
        7,
        name="Massavaihto Tampere",
        partner_code="voima",
        order_type_codes=frozenset({"MVM", "MVY"}),
        municipality_codes=frozenset({"837"}),
        models=frozenset({"6534"}),
        mass=True,
    )
    decision = decide_route(MASS_ORDER, compile_rules([chosen]), NOW)
    assert decision.reason == (
        "Rule Massavaihto Tampere sends order type MVM and municipality 837 and "
        "meter model 6534 and orders of a mass order to voima."
    )


def test_a_rule_without_limits_takes_every_order() -> None:
    decision = decide_route(RouteFacts("UUA"), compile_rules([rule(1, name="Oma")]), NOW)
    assert decision.reason == "Rule Oma sends every order to voima."


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"order_type_codes": {"KAT", "KYT"}}, "for order type KAT or KYT and the order has MVM"),
        ({"municipality_codes": {"091"}}, "for municipality 091 and the order has 837"),
        ({"models": {"6550"}}, "for meter model 6550 and the order wants 6534"),
        ({"mass": False}, "for single orders only"),
        ({"partner_types": {"UUA"}}, "partner voima does not take order type MVM"),
        ({"active_from": NOW + timedelta(hours=1)}, "begins only at 2025-11-24T10:00+00:00"),
        ({"active_to": NOW}, "ended at 2025-11-24T09:00+00:00"),
    ],
)
def test_without_a_fitting_rule_the_reason_says_what_kept_the_nearest_from_fitting(
    limits: dict[str, object], words: str
) -> None:
    frozen = {k: frozenset(v) if isinstance(v, set) else v for k, v in limits.items()}
    far = rule(
        1,
        priority=1,
        order_type_codes=frozenset({"POI"}),
        municipality_codes=frozenset({"999"}),
        mass=False,
    )
    near = replace(rule(2, name="Lähin", priority=9), **frozen)
    decision = decide_route(MASS_ORDER, compile_rules([far, near]), NOW)
    assert (decision.partner_code, decision.rule_id) == (None, None)
    assert decision.reason.startswith("No rule fits. The nearest one, Lähin, does not because ")
    assert words in decision.reason


def test_a_rule_for_a_region_is_named_by_its_first_municipalities() -> None:
    region = rule(1, municipality_codes=frozenset(f"{code:03}" for code in range(20)))
    decision = decide_route(MASS_ORDER, compile_rules([region]), NOW)
    assert "municipality 000, 001, 002, 003 or 16 more and the order has 837" in decision.reason


def test_without_any_rule_that_is_said() -> None:
    assert decide_route(MASS_ORDER, compile_rules([]), NOW).reason == (
        "There is no routing rule at all."
    )


def test_an_order_without_municipality_or_model_fits_no_rule_that_asks_for_one() -> None:
    bare = RouteFacts("MVM")
    asks = [
        rule(1, municipality_codes=frozenset({"837"})),
        rule(2, models=frozenset({"6534"})),
    ]
    assert decide_route(bare, compile_rules(asks), NOW).partner_code is None


codes = st.frozensets(st.sampled_from("ABC"), max_size=2)
rules_given = st.lists(
    st.builds(
        RouteRule,
        id=st.integers(1, 99),
        name=st.just("r"),
        priority=st.integers(1, 3),
        partner_code=st.sampled_from(["voima", "piiri"]),
        active_from=st.sampled_from([AGO, NOW, NOW + timedelta(days=1)]),
        active_to=st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
        order_type_codes=codes,
        municipality_codes=codes,
        models=codes,
        mass=st.sampled_from([None, True, False]),
        partner_types=codes,
    ),
    unique_by=lambda each: each.id,
    max_size=6,
)
letters = st.sampled_from("ABCX")
facts_given = st.builds(
    RouteFacts, letters, st.none() | letters, st.none() | letters, st.booleans()
)


@given(rules_given, facts_given)
def test_filing_the_rules_changes_nothing_about_the_decision(
    rules: list[RouteRule], facts: RouteFacts
) -> None:
    decision = decide_route(facts, compile_rules(rules), NOW)
    assert decision == decide_route(facts, compile_rules(list(reversed(rules))), NOW)
    fitting = [each for each in rules if fits(each, facts)]
    if not fitting:
        assert decision.partner_code is None
    else:
        best = min(fitting, key=lambda each: (each.priority, -limits_of(each), each.id))
        assert (decision.partner_code, decision.rule_id) == (best.partner_code, best.id)


def test_three_hundred_area_rules_do_not_slow_a_decision() -> None:
    areas = [
        rule(n, order_type_codes=frozenset({"MVY"}), municipality_codes=frozenset({f"{n:03}"}))
        for n in range(300)
    ]
    compiled = compile_rules([*areas, rule(999, priority=99)])
    facts = RouteFacts("MVY", "299", "6534")

    def seconds() -> float:
        begin = perf_counter()
        for _ in range(500):
            decide_route(facts, compiled, NOW)
        return perf_counter() - begin

    assert min(seconds() for _ in range(5)) / 500 < 30e-6


def fits(each: RouteRule, facts: RouteFacts) -> bool:
    """The meaning of a rule, written once more and without any filing."""
    return all(
        (
            not each.order_type_codes or facts.order_type_code in each.order_type_codes,
            not each.municipality_codes or facts.municipality_code in each.municipality_codes,
            not each.models or facts.model in each.models,
            each.mass in {None, facts.mass},
            not each.partner_types or facts.order_type_code in each.partner_types,
            each.active_from <= NOW,
            each.active_to is None or each.active_to > NOW,
        )
    )


def limits_of(each: RouteRule) -> int:
    """How many things a rule limits."""
    limits = [each.order_type_codes, each.municipality_codes, each.models]
    return sum(map(bool, limits)) + (each.mass is not None)


def rule(rule_id: int, **parts: object) -> RouteRule:
    """A rule that takes everything, but for the given parts."""
    takes_all = RouteRule(rule_id, f"rule {rule_id}", 10, "voima", AGO)
    return replace(takes_all, **parts)


MASS_ORDER = RouteFacts("MVM", "837", "6534", mass=True)
