"""Versions of the routing rules: two people, one in force, nothing moved silently."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.db import db, transaction
from app.domain.routing import RouteFacts, decide_route
from app.models import AuditEntry, RouteRule, RuleSet, WorkOrder
from app.queries import routing as routing_queries
from app.services import code_lists, rule_files, rule_sets
from app.services.rule_files import RulesUnreadable
from app.services.rule_sets import RulesRefused
from tests.services.elsewhere import Elsewhere
from tests.services.routing_world import (
    AGO,
    NOW,
    a_swap,
    an_order,
    draft_with,
    put_in_force,
    take,
    values,
)

SWAP = RouteFacts("MVM", "837", "6534")


def test_a_draft_decides_nothing_until_a_second_person_activates_it(piiri: None) -> None:
    number = draft_with(values())
    assert _partner() == "voima"
    with transaction() as session:
        rule_sets.submit(session, number, "new contractor", by="staff:aino", now=NOW)
    assert _partner() == "voima"
    with transaction() as session:
        rule_sets.activate(session, number, by="staff:otso", now=NOW)
    assert _partner() == "piiri"
    assert _states() == {1: "RETIRED", number: "ACTIVE"}


@pytest.mark.parametrize("who", ["staff:aino", "staff:mikko"])
def test_nobody_activates_what_they_wrote_or_submitted(piiri: None, who: str) -> None:
    number = draft_with(values())
    with transaction() as session:
        rule_sets.submit(session, number, "x", by="staff:mikko", now=NOW)
    with pytest.raises(RulesRefused, match="SAME_PERSON"), transaction() as session:
        rule_sets.activate(session, number, by=who, now=NOW)
    assert _states()[number] == "SUBMITTED"


def test_what_is_submitted_cannot_be_edited_unnoticed(piiri: None) -> None:
    number = draft_with(values())
    with transaction() as session:
        rule_sets.submit(session, number, "x", by="staff:aino", now=NOW)
    with pytest.raises(RulesRefused, match="CHANGED_MEANWHILE"), transaction() as session:
        rule_sets.save_rule(session, number, None, values("x2"), by="staff:aino", now=NOW)
    with transaction() as session:
        rule_sets.take_back(session, number, by="staff:otso", now=NOW)
        rule_sets.save_rule(session, number, None, values("x2"), by="staff:otso", now=NOW)
        rule_sets.submit(session, number, "x", by="staff:aino", now=NOW)
    # Whoever has changed a word of it is an author from then on.
    with pytest.raises(RulesRefused, match="SAME_PERSON"), transaction() as session:
        rule_sets.activate(session, number, by="staff:otso", now=NOW)


def test_nobody_activates_what_was_changed_after_they_had_looked_at_it(piiri: None) -> None:
    number = draft_with(values())
    with transaction() as session:
        rule_sets.submit(session, number, "x", by="staff:aino", now=NOW)
    # Otso reads it; meanwhile it is taken back, changed and submitted anew.
    later = NOW + timedelta(minutes=1)
    with transaction() as session:
        rule_sets.take_back(session, number, by="staff:aino", now=later)
        rule_sets.save_rule(session, number, None, values("x2"), by="staff:aino", now=later)
        rule_sets.submit(session, number, "x", by="staff:aino", now=later)
    with pytest.raises(RulesRefused, match="CHANGED_MEANWHILE"), transaction() as session:
        rule_sets.activate(session, number, by="staff:otso", now=later, seen_at=NOW)
    assert _states()[number] == "SUBMITTED"
    with transaction() as session:
        rule_sets.activate(session, number, by="staff:otso", now=later, seen_at=later)
    assert _states()[number] == "ACTIVE"


def test_a_roll_back_is_a_new_version_equal_to_the_old_one_and_needs_a_second_person(
    piiri: None,
) -> None:
    second = put_in_force(values())
    with transaction() as session:
        third = rule_sets.roll_back(session, 1, "it was wrong", by="staff:aino", now=NOW).number
    assert _partner() == "piiri"
    with pytest.raises(RulesRefused, match="SAME_PERSON"), transaction() as session:
        rule_sets.activate(session, third, by="staff:aino", now=NOW)
    with transaction() as session:
        rule_sets.activate(session, third, by="staff:otso", now=NOW)
    assert _partner() == "voima"
    assert _states() == {1: "RETIRED", second: "RETIRED", third: "ACTIVE"}
    with transaction() as session:
        assert _content(session, third) == _content(session, 1)
        assert session.get_one(RuleSet, third).equals == 1
        # Only what was in force once can come back.
        with pytest.raises(RulesRefused, match="CHANGED_MEANWHILE"):
            rule_sets.roll_back(session, third, "x", by="staff:aino", now=NOW)


def test_one_version_is_worked_on_at_a_time_also_by_two_at_once(app: Flask, piiri: None) -> None:
    with transaction() as session:
        rule_sets.begin_draft(session, by="staff:aino", now=NOW)
        other = Elsewhere(app, _begin)
        other.start()
        other.wait_until_blocked()
    other.join()
    assert other.result == "OPEN_VERSION"
    # The database itself lets no second one in, whatever a service forgets.
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(
            text("INSERT INTO rule_set SELECT 99, 'SUBMITTED', 1, NULL, '', '{}', now(), now()")
        )


def test_one_version_is_in_force_at_a_time(piiri: None) -> None:
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(
            text("INSERT INTO rule_set SELECT 99, 'ACTIVE', 1, NULL, '', '{}', now(), now()")
        )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"active_to": AGO}, "BAD_PERIOD"),
        ({"partner": "nobody"}, "PARTNER_UNKNOWN"),
        ({"partner": "dms"}, "PARTNER_UNKNOWN"),
        ({"name": "Mass replacement"}, "NAME_TAKEN"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(piiri: None, changes: dict, code: str) -> None:
    number = draft_with()
    with pytest.raises(RulesRefused, match=code), transaction() as session:
        rule_sets.save_rule(session, number, None, values(**changes), by="staff:aino", now=NOW)


def test_a_draft_without_rules_is_not_submitted(piiri: None) -> None:
    number = draft_with()
    with transaction() as session:
        ids = session.scalars(select(RouteRule.id).where(RouteRule.set_number == number)).all()
        for one in ids:
            rule_sets.remove_rule(session, number, one, by="staff:aino", now=NOW)
    with pytest.raises(RulesRefused, match="NO_RULES"), transaction() as session:
        rule_sets.submit(session, number, "x", by="staff:aino", now=NOW)
    # The rules in force are other rows.
    assert _partner() == "voima"


def test_every_act_is_on_record(piiri: None) -> None:
    number = put_in_force(values())
    with transaction() as session:
        rows = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"rules:{number}")
            .order_by(AuditEntry.id)
        ).all()
        assert [(row.action, row.actor) for row in rows] == [
            ("RULES_BEGUN", "staff:aino"),
            ("RULE_ADDED", "staff:aino"),
            ("RULES_SUBMITTED", "staff:aino"),
            ("RULES_ACTIVATED", "staff:otso"),
        ]


def test_an_order_keeps_which_rule_of_which_version_decided(piiri: None) -> None:
    take([a_swap(1)])
    number = put_in_force(values())
    take([a_swap(2)], message_id=2)
    with transaction() as session:
        first, second = session.get_one(WorkOrder, "A-1"), session.get_one(WorkOrder, "A-2")
        assert (first.partner_code, first.route_set_number) == ("voima", 1)
        assert (second.partner_code, second.route_set_number) == ("piiri", number)
        # The old rule is still there to be named.
        assert session.get_one(RouteRule, first.route_rule_id).set_number == 1
        order = routing_queries.find_order(session, "A-1")
        assert order is not None
        assert (order.rule_name, order.set_number) == ("Mass replacement", 1)


def test_an_order_in_flight_stays_with_its_partner_when_the_rules_change(piiri: None) -> None:
    take([a_swap(1)])
    put_in_force(values())
    # The next revision changes nothing that routing looks at.
    result = take([a_swap(1, revision=2, phone="+358501234567")], message_id=2)
    assert dict(result.counts) == {"UPDATE": 1}
    with transaction() as session:
        order = session.get_one(WorkOrder, "A-1")
        assert (order.partner_code, order.route_set_number, order.revision) == ("voima", 1, 2)
    # One that changes it is decided anew, under the rules of now.
    take([a_swap(1, revision=3, municipality_code="091")], message_id=3)
    with transaction() as session:
        assert session.get_one(WorkOrder, "A-1").partner_code == "piiri"


def test_an_order_does_not_stay_with_a_partner_that_is_switched_off(piiri: None) -> None:
    take([a_swap(1)])
    put_in_force(values())
    with transaction() as session:
        session.execute(text("UPDATE partner SET active = false WHERE code = 'voima'"))
    take([a_swap(1, revision=2, phone="+358501234567")], message_id=2)
    with transaction() as session:
        assert session.get_one(WorkOrder, "A-1").partner_code == "piiri"


def test_what_a_version_would_change_is_counted_over_all_open_orders(piiri: None) -> None:
    take([a_swap(n) for n in range(1, 6)] + [an_order(n) for n in range(6, 9)])
    number = draft_with(
        values("tampere", municipality_codes=["837"], order_type_codes=["MVM"]),
        values("huolto", order_type_codes=["HUO"]),
    )
    with transaction() as session:
        session.execute(text("UPDATE work_order SET state = 'CLOSED' WHERE order_id = 'A-5'"))
        rules = code_lists.load_rule_set(session, number)
        found = routing_queries.impact(session, rules, NOW)
        # One by one it is the same.
        naive = [
            decide_route(
                RouteFacts(o.order_type_code, o.municipality_code, o.required_model), rules, NOW
            )
            for o in session.scalars(select(WorkOrder).where(WorkOrder.state != "CLOSED"))
        ]
    assert found.open_count == len(naive) == 7
    told = [(one.before, one.after, one.in_flight, one.count, one.example) for one in found.changes]
    assert told == [("voima", "piiri", True, 4, "A-1"), (None, "piiri", False, 3, "A-6")]
    assert sum(found.rule_counts.values()) == 7


def test_rules_go_through_a_file_and_come_back_as_they_were(piiri: None) -> None:
    with transaction() as session:
        written = rule_files.write_rules(code_lists.load_rule_set(session, 1))
        number = rule_sets.begin_draft(session, by="staff:aino", now=NOW).number
        read = rule_files.read_rules(written)
        rule_files.replace_rules(session, number, read, by="staff:aino", now=NOW)
        assert _content(session, number) == _content(session, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        b"{",
        b"\xff",
        b'[{"name": "x", "priority": 0, "partner": "voima", "active_from": "2026-01-01T00:00Z"}]',
        b'[{"name": "x", "priority": 1, "partner": "voima", "active_from": "2026-01-01T00:00"}]',
        b'[{"name": "x", "priority": 1, "partner": "voima", "when": "1==1"}]',
    ],
)
def test_a_file_that_is_not_one_of_rules_is_refused_whole(wrong: bytes) -> None:
    with pytest.raises(RulesUnreadable):
        rule_files.read_rules(wrong)


def _begin() -> str:
    try:
        with transaction() as session:
            rule_sets.begin_draft(session, by="staff:otso", now=NOW + timedelta(seconds=1))
    except RulesRefused as refused:
        return refused.code
    return "BEGUN"


def _partner() -> str | None:
    with transaction() as session:
        return decide_route(SWAP, code_lists.load_rules(session, NOW), NOW).partner_code


def _states() -> dict[int, str]:
    with transaction() as session:
        return {row.number: row.state for row in session.scalars(select(RuleSet))}


def _content(session: object, number: int) -> list[tuple[object, ...]]:
    rows = db.session.execute(
        select(
            RouteRule.name,
            RouteRule.priority,
            RouteRule.partner_code,
            RouteRule.order_type_codes,
            RouteRule.active_from,
        )
        .where(RouteRule.set_number == number)
        .order_by(RouteRule.name)
    )
    return [(*row[:3], sorted(row[3]), row[4]) for row in rows]
