"""Orders without a route meet new rules, each once, whatever dies in between."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import OutboxItem, Run, WorkOrder, WorkOrderChange
from app.queries import parked_orders
from app.services import intake, rerouting, runs
from tests.services.routing_world import (
    KEY,
    NOW,
    a_swap,
    an_order,
    deliver,
    put_in_force,
    take,
    values,
)
from workers import rerouting as worker

LATER = NOW + timedelta(hours=1)


def test_a_rule_set_with_no_match_parks_every_order_with_the_reason(piiri: None) -> None:
    take([an_order(n) for n in range(1, 4)])
    with transaction() as session:
        assert parked_orders.count_parked(session)["NO_ROUTE"] == 3
        assert session.scalars(select(OutboxItem)).all() == []
        reasons = {o.route_reason for o in session.scalars(select(WorkOrder))}
        assert len(reasons) == 1
        assert "No rule fits. The nearest one" in str(reasons.pop())
    # Nobody looks at them again as long as the rules are the same.
    assert _reroute() == {}


def test_an_order_that_cannot_be_read_keeps_no_other_without_a_route(piiri: None) -> None:
    take([an_order(1), an_order(2)])
    with transaction() as session:
        # As a program of another version may have left it.
        session.execute(text("UPDATE work_order SET facts = '{}' WHERE order_id = 'A-1'"))
    put_in_force(values("huolto", order_type_codes=["HUO"]))
    assert _reroute() == {"ROUTED": 1, "NO_ROUTE": 1}
    with transaction() as session:
        first, second = session.get_one(WorkOrder, "A-1"), session.get_one(WorkOrder, "A-2")
        assert (first.state, second.state) == ("NO_ROUTE", "ROUTED")
        assert str(first.route_reason).endswith("cannot be read by this program.")
    assert _reroute() == {}


def test_after_an_activation_orders_without_a_route_get_one_and_leave(piiri: None) -> None:
    take([an_order(1), an_order(2, municipality_code="091"), a_swap(3)])
    number = put_in_force(values("huolto", order_type_codes=["HUO"], municipality_codes=["837"]))
    assert _reroute() == {"ROUTED": 1, "NO_ROUTE": 1}
    with transaction() as session:
        first, second = session.get_one(WorkOrder, "A-1"), session.get_one(WorkOrder, "A-2")
        assert (first.state, first.base_state, first.partner_code) == ("ROUTED", "ROUTED", "piiri")
        assert first.route_set_number == second.route_set_number == number
        assert (second.state, second.partner_code) == ("NO_ROUTE", None)
        # How long it has waited is not forgotten by looking at it.
        assert second.state_at == NOW
        item = session.scalars(select(OutboxItem).where(OutboxItem.business_key == "A-1")).one()
        assert (item.lane, item.dedupe_key, item.state) == ("partner.piiri", "A-1-1", "READY")
        assert item.payload["action"] == "NEW"
        change = session.scalars(
            select(WorkOrderChange).where(WorkOrderChange.order_id == "A-1")
        ).all()[-1]
        assert (change.from_state, change.states) == ("NO_ROUTE", ["VALIDATED", "ROUTED"])
        assert f"rules {number}" in change.cause
        # What a partner has is not touched.
        assert session.get_one(WorkOrder, "A-3").route_set_number == 1
    assert _reroute() == {}


def test_a_rule_that_begins_later_finds_its_orders_when_it_begins(piiri: None) -> None:
    take([an_order(1)])
    put_in_force(values("huolto", order_type_codes=["HUO"], active_from=LATER))
    assert _reroute(NOW + timedelta(minutes=1)) == {"NO_ROUTE": 1}
    assert _reroute(NOW + timedelta(minutes=2)) == {}
    assert _reroute(LATER + timedelta(minutes=1)) == {"ROUTED": 1}


def test_what_dies_between_two_slices_goes_on_and_doubles_nothing(
    app: Flask, piiri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerouting, "SLICE_ROWS", 3)
    take([an_order(n) for n in range(1, 11)])
    put_in_force(values("huolto", order_type_codes=["HUO"]))
    assert _slice() == {"ROUTED": 3}
    with pytest.raises(_Died):
        _slice_and_die()
    worker.reroute(app.extensions["tiedolla_settings"], 1, "test")
    with transaction() as session:
        keys = Counter(session.scalars(select(OutboxItem.dedupe_key)))
        assert keys == {f"A-{n}-1": 1 for n in range(1, 11)}
        assert set(session.scalars(select(WorkOrder.state))) == {"ROUTED"}
        run = session.scalars(select(Run).where(Run.subject == "rules 2")).one()
        assert (run.state, run.counts) == ("OK", {"ROUTED": 7})


def test_an_order_that_was_called_off_at_the_same_partner_waits_for_the_cis(piiri: None) -> None:
    """The partner ignores what is no newer than the calling off, so sending it would be a lie."""
    first = put_in_force(values("huolto", order_type_codes=["HUO"], municipality_codes=["837"]))
    take([an_order(1)])
    deliver("partner.piiri")
    take([an_order(1, revision=2, municipality_code="091")], message_id=2)
    with transaction() as session:
        order = session.get_one(WorkOrder, "A-1")
        assert (order.state, order.route_set_number) == ("NO_ROUTE", first)
    put_in_force(values("muu huolto", order_type_codes=["HUO"], priority=20))
    assert _reroute() == {"NO_ROUTE": 1}
    with transaction() as session:
        order = session.get_one(WorkOrder, "A-1", populate_existing=True)
        assert "has to send a new revision" in str(order.route_reason)
        assert [i.payload["action"] for i in _items(session)] == ["NEW", "CANCEL"]
    # The new revision goes.
    take([an_order(1, revision=3, municipality_code="091")], message_id=3)
    with transaction() as session:
        order = session.get_one(WorkOrder, "A-1", populate_existing=True)
        assert order.partner_code == "piiri"
        assert [i.payload["action"] for i in _items(session)] == ["NEW", "CANCEL", "NEW"]


def test_an_order_that_was_called_off_elsewhere_goes_under_a_key_of_its_own(piiri: None) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    # No rule takes this type any more, so it is called off at voima under revision 2.
    take([a_swap(1, revision=2, order_type_code="LIS")], message_id=2)
    number = put_in_force(values("lisä", order_type_codes=["LIS"]))
    assert _reroute() == {"ROUTED": 1}
    with transaction() as session:
        told = [(i.lane, i.dedupe_key, i.payload["action"]) for i in _items(session)]
    assert told == [
        ("partner.voima", "A-1-1", "NEW"),
        ("partner.voima", "A-1-2", "CANCEL"),
        ("partner.piiri", f"A-1-2-rules{number}", "NEW"),
    ]


def test_a_customer_under_a_ban_that_came_later_is_not_named(piiri: None) -> None:
    take([an_order(1, customer_id="C-1", customer_name="Aino Esimerkki", phone="+358501234567")])
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
                " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
                " VALUES ('C-1', 1, 'consumer', 'x', 'fi', false, true, false, 'SMS', true, now())"
            )
        )
    put_in_force(values("huolto", order_type_codes=["HUO"]))
    assert _reroute() == {"ROUTED": 1}
    with transaction() as session:
        (item,) = _items(session)
        assert item.payload.get("contact") is None


class _Died(Exception):
    """The process went away before the commit."""


def _reroute(now: datetime = NOW + timedelta(minutes=1)) -> dict[str, int]:
    counts: Counter[str] = Counter()
    while part := _slice(now):
        counts.update(part)
    return dict(counts)


def _slice(now: datetime = NOW + timedelta(minutes=1)) -> dict[str, int]:
    with transaction() as session:
        return dict(_slice_in(session, now))


def _slice_and_die() -> None:
    with transaction() as session:
        _slice_in(session, NOW + timedelta(minutes=1))
        raise _Died


def _slice_in(session: Session, now: datetime) -> Counter[str]:
    run_id = runs.start_run(session, "routing", "test", now)
    lists = intake.load_lists(session, KEY, now)
    return rerouting.reroute_slice(session, lists, run_id, now)


def _items(session: Session) -> list[OutboxItem]:
    return list(session.scalars(select(OutboxItem).order_by(OutboxItem.id)))
