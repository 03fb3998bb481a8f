"""What is odd about a set of rules: gaps, overlaps, rules that never win."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.routing import RouteFacts, RouteRule, compile_rules, decide_route, fits, try_rules
from app.domain.rule_diff import compare_rules
from app.domain.rule_findings import KnownCodes, RuleFindingKind, check_rules

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
AGO = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("MVM", "MVY")
K = RuleFindingKind


def rule(id_: int, partner: str = "voima", **limits: Any) -> RouteRule:
    """A rule for everything but for its limits."""
    sets = {name: frozenset(v) if isinstance(v, set) else v for name, v in limits.items()}
    return RouteRule(id_, f"r{id_}", sets.pop("priority", 100), partner, AGO, **sets)


ALL = rule(1)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], [(K.NO_RULES, (), ())]),
        ([ALL], []),
        # A type that no rule names.
        ([rule(1, order_type_codes={"MVM"})], [(K.GAP, (), ("MVY",))]),
        # Only one municipality, so orders anywhere else have no rule.
        (
            [
                rule(1, order_type_codes={"MVM"}),
                rule(2, order_type_codes={"MVY"}, municipality_codes={"837"}),
            ],
            [(K.GAP, (), ("MVY",))],
        ),
        # The partner does not take what the rule gives it.
        (
            [rule(1, partner_types={"MVM"})],
            [(K.GAP, (), ("MVY",))],
        ),
        (
            [rule(1, order_type_codes={"MVM", "MVY"}, partner_types={"MVM"})],
            [(K.GAP, (), ("MVY",)), (K.NOT_TAKEN, (1,), ("MVY",))],
        ),
        # Nothing of what it names is taken, which says why it never wins.
        (
            [ALL, rule(2, priority=1, order_type_codes={"MVM"}, partner_types={"UUA"})],
            [(K.NOT_TAKEN, (2,), ("MVM",))],
        ),
        # Single orders only: mass orders have no rule, and only mass types come in such.
        ([rule(1, mass=False)], [(K.GAP, (), ("MVM",))]),
        # The same priority and different partners.
        (
            [ALL, rule(2, "piiri", municipality_codes={"837"})],
            [(K.OVERLAP, (2, 1), ())],
        ),
        # The priority decides, which is what it is for.
        ([rule(1, priority=200), rule(2, "piiri", municipality_codes={"837"})], []),
        # The same partner either way.
        ([ALL, rule(2, municipality_codes={"837"})], []),
        # Side by side, never both.
        (
            [
                rule(1, municipality_codes={"837"}),
                rule(2, "piiri", municipality_codes={"091"}),
                rule(3, priority=900),
            ],
            [],
        ),
        # One before it takes all that it would take.
        (
            [rule(1, priority=10), rule(2, "piiri", order_type_codes={"MVM"})],
            [(K.NEVER_WINS, (2,), ())],
        ),
        # Two together do.
        (
            [
                rule(1, priority=10, order_type_codes={"MVM"}),
                rule(2, priority=10, order_type_codes={"MVY"}),
                rule(3, priority=20),
            ],
            [(K.NEVER_WINS, (3,), ())],
        ),
        # Over, or never begun.
        (
            [ALL, replace(rule(2, priority=1), active_to=NOW)],
            [(K.ENDED, (2,), ())],
        ),
    ],
)
def test_each_oddity_is_found_and_nothing_else(
    rules: list[RouteRule], expected: list[tuple[K, tuple[int, ...], tuple[str, ...]]]
) -> None:
    found = check_rules(compile_rules(rules), TYPES, NOW)
    assert [(one.kind, one.rules, one.codes) for one in found] == expected


def test_a_gap_names_an_order_that_has_no_rule() -> None:
    rules = compile_rules([rule(1, municipality_codes={"837"}, models={"6534"})])
    for finding in check_rules(rules, TYPES, NOW):
        assert finding.facts is not None
        assert decide_route(finding.facts, rules, NOW).partner_code is None
        assert not finding.whole


def test_a_type_without_any_rule_is_said_to_be_wholly_so() -> None:
    (finding,) = check_rules(compile_rules([rule(1, order_type_codes={"MVM"})]), TYPES, NOW)
    assert finding.whole


def test_a_gap_that_opens_later_says_when() -> None:
    ends = NOW + timedelta(days=30)
    (finding,) = check_rules(compile_rules([replace(ALL, active_to=ends)]), ("MVY",), NOW)
    assert (finding.kind, finding.from_at) == (K.GAP, ends)


def test_a_rule_that_begins_later_is_no_gap_and_wins_then() -> None:
    later = replace(rule(2, "piiri", priority=1), active_from=NOW + timedelta(days=1))
    assert check_rules(compile_rules([ALL, later]), TYPES, NOW) == ()


def test_a_partner_that_is_switched_off_leaves_a_gap() -> None:
    rules = compile_rules([ALL])
    found = check_rules(rules, ("MVY",), NOW, idle_partners=frozenset({"voima"}))
    assert [(one.kind, one.rules) for one in found] == [(K.GAP, ()), (K.PARTNER_OFF, (1,))]


def test_hundreds_of_areas_are_judged_within_a_second() -> None:
    areas = [
        rule(n, f"p{n % 7}", municipality_codes={f"{n:03}"}, order_type_codes={"MVM", "MVY"})
        for n in range(1, 310)
    ]
    rules = compile_rules([*areas, rule(999, priority=900)])
    began = perf_counter()
    assert check_rules(rules, TYPES, NOW) == ()
    assert perf_counter() - began < 5


def test_hundreds_of_areas_that_each_begin_on_a_day_of_their_own_are_judged_as_quickly() -> None:
    """A rollout goes from municipality to municipality, and each day is a moment to look at."""
    areas = [
        replace(
            rule(n, f"p{n % 7}", municipality_codes={f"{n:03}"}, order_type_codes={"MVM"}),
            active_from=NOW + timedelta(days=n),
        )
        for n in range(1, 310)
    ]
    rules = compile_rules([*areas, rule(999, priority=900)])
    began = perf_counter()
    assert check_rules(rules, TYPES, NOW) == ()
    assert perf_counter() - began < 5


_codes = st.frozensets(st.sampled_from(["A", "B"]), max_size=2)
_rules = st.lists(
    st.builds(
        RouteRule,
        id=st.integers(1, 9),
        name=st.uuids().map(str),
        priority=st.integers(1, 2),
        partner_code=st.sampled_from(["voima", "piiri"]),
        active_from=st.sampled_from([AGO, NOW + timedelta(days=1)]),
        order_type_codes=st.frozensets(st.sampled_from(TYPES), max_size=2),
        municipality_codes=_codes,
        models=_codes,
        mass=st.sampled_from([None, True, False]),
    ),
    max_size=5,
    unique_by=lambda one: one.id,
)
_facts = st.builds(
    RouteFacts,
    st.sampled_from(TYPES),
    st.sampled_from([None, "A", "B", "C"]),
    st.sampled_from([None, "A", "B", "C"]),
    st.booleans(),
)


@given(rules=_rules, facts=_facts)
def test_an_order_without_a_route_lies_in_a_gap_that_was_found(
    rules: list[RouteRule], facts: RouteFacts
) -> None:
    compiled = compile_rules(rules)
    found = check_rules(compiled, TYPES, NOW, mass_types=frozenset(TYPES))
    gaps = {one.codes[0] for one in found if one.kind is K.GAP and one.from_at is None}
    if decide_route(facts, compiled, NOW).partner_code is None and rules:
        assert facts.order_type_code in gaps


@given(rules=_rules, facts=_facts)
def test_the_bench_and_the_decision_agree(rules: list[RouteRule], facts: RouteFacts) -> None:
    compiled = compile_rules(rules, 7)
    decision = decide_route(facts, compiled, NOW)
    fitting = [one.rule for one in try_rules(facts, compiled, NOW) if not one.misses]
    assert decision.rule_id == (fitting[0].id if fitting else None)
    assert decision.set_number == 7
    assert [one for one in compiled.in_order if fits(one, facts, NOW)] == fitting


def test_versions_are_compared_rule_by_rule_whatever_their_rows() -> None:
    before = [rule(1), rule(2), rule(3)]
    after = [replace(rule(2), id=12, priority=5), replace(rule(3), id=13), replace(rule(4), id=14)]
    told = [
        (one.name, one.before is None, one.after is None) for one in compare_rules(before, after)
    ]
    assert told == [("r1", False, True), ("r2", False, False), ("r4", True, False)]


def test_codes_that_no_order_can_have_are_told() -> None:
    known = KnownCodes(frozenset(TYPES), frozenset({"6534"}), frozenset({"837"}))
    odd = rule(2, order_type_codes={"MVMX"}, models={"6534", "5530"}, municipality_codes={"837"})
    found = check_rules(compile_rules([ALL, odd]), TYPES, NOW, known=known)
    assert [(f.kind, f.rules, f.codes) for f in found if f.kind is K.UNKNOWN_CODES] == [
        (K.UNKNOWN_CODES, (2,), ("5530", "MVMX"))
    ]
    fine = rule(3, order_type_codes={"MVM"}, models={"6534"}, municipality_codes={"837"})
    found = check_rules(compile_rules([ALL, fine]), TYPES, NOW, known=known)
    assert K.UNKNOWN_CODES not in {f.kind for f in found}
