"""Orders that nobody has heard of go to another partner; what somebody has, or may have, stays."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import AuditEntry, OutboxItem, RouteMove, WorkOrder, WorkOrderChange
from app.services import code_lists, intake, outbox, route_moves, runs
from app.services.outbox import Settlement, claim, settle
from app.services.route_moves import MoveRefused
from app.services.rule_sets import RuleValues
from tests.services.routing_world import KEY, NOW, a_swap, put_in_force, take, values

LATER = NOW + timedelta(hours=1)
SWAPS = {"order_type_codes": ["MVM"]}


def test_orders_that_wait_go_to_the_new_partner_and_the_old_one_never_hears_of_them(
    piiri: None,
) -> None:
    take([a_swap(n) for n in range(1, 4)])
    number = put_in_force(values("piiri", **SWAPS))
    assert _ways() == {("voima", "piiri"): 3}
    _ask(3)
    assert _move() == {"ROUTED": 3, "LOOKED_AT": 3}
    with transaction() as session:
        orders = session.scalars(select(WorkOrder)).all()
        assert {(o.state, o.partner_code, o.route_set_number) for o in orders} == {
            ("ROUTED", "piiri", number)
        }
        items = session.execute(select(OutboxItem.lane, OutboxItem.state, OutboxItem.payload))
        told = Counter((row.lane, row.state, row.payload["action"]) for row in items)
        assert told == {
            ("partner.voima", "CANCELLED", "NEW"): 3,
            ("partner.piiri", "READY", "NEW"): 3,
        }
        # The new partner knows them by id and revision, as any order.
        keys = {item.wire_key for item in claim(session, "partner.piiri", 1, 10, LATER, 120)}
        assert keys == {"A-1-1", "A-2-1", "A-3-1"}
        change = session.scalars(
            select(WorkOrderChange)
            .where(WorkOrderChange.order_id == "A-1")
            .order_by(WorkOrderChange.id.desc())
        ).first()
        assert change is not None
        assert (change.from_state, change.states) == ("ROUTED", ["VALIDATED", "ROUTED"])
        assert f"rules {number}" in change.cause
    assert (_ways(), _move()) == ({}, {})
    with transaction() as session:
        assert session.scalars(select(RouteMove.state)).one() == "DONE"


@pytest.mark.parametrize("heard", ["sent", "tried", "claimed"])
def test_what_somebody_has_or_may_have_stays_where_it_is(piiri: None, heard: str) -> None:
    take([a_swap(1), a_swap(2)])
    with transaction() as session:
        (item,) = claim(session, "partner.voima", 1, 1, NOW, 3600)
        if heard == "sent":
            settle(session, 1, [Settlement(item, None, "SENT", "SENT", NOW, NOW)], NOW, 60)
        elif heard == "tried":
            outbox.give_back(session, 1, NOW, 60)
    put_in_force(values("piiri", **SWAPS))
    assert _ways() == {("voima", "piiri"): 1}
    _ask(1)
    assert _move() == {"ROUTED": 1, "LOOKED_AT": 1}
    with transaction() as session:
        partners = {o.order_id: o.partner_code for o in session.scalars(select(WorkOrder))}
        assert partners == {"A-1": "voima", "A-2": "piiri"}


def test_what_a_sender_takes_between_the_look_and_the_move_stays(piiri: None) -> None:
    take([a_swap(1), a_swap(2)])
    put_in_force(values("piiri", **SWAPS))
    _ask(2)
    with transaction() as session:
        claim(session, "partner.voima", 1, 1, NOW, 3600)
    assert _move()["ROUTED"] == 1
    with transaction() as session:
        rows = session.execute(text("SELECT partner_code, count(*) FROM work_order GROUP BY 1"))
        assert dict(rows.all()) == {"voima": 1, "piiri": 1}  # type: ignore[arg-type]


def test_many_need_a_second_person_who_sees_no_more_than_the_first(piiri: None) -> None:
    take([a_swap(n) for n in range(1, 102)])
    put_in_force(values("piiri", **SWAPS))
    with pytest.raises(MoveRefused, match="CHANGED_MEANWHILE"):
        _ask(100)
    with pytest.raises(MoveRefused, match="NO_REASON"):
        _ask(101, reason="")
    _ask(101)
    with pytest.raises(MoveRefused, match="OPEN_MOVE"):
        _ask(101, by="staff:otso")
    assert _move() == {}
    with transaction() as session:
        move_id = session.scalars(select(RouteMove.id)).one()
        with pytest.raises(MoveRefused, match="SAME_PERSON"):
            route_moves.confirm(session, move_id, by="staff:aino", now=LATER)
    with transaction() as session:
        route_moves.confirm(session, move_id, by="staff:otso", now=LATER)
    assert _move() == {"ROUTED": 101, "LOOKED_AT": 101}
    with transaction() as session:
        acts = session.scalars(
            select(AuditEntry.action).where(AuditEntry.action.like("ROUTE_MOVE%"))
        ).all()
        assert acts == ["ROUTE_MOVE_PROPOSED", "ROUTE_MOVE_APPROVED"]


def test_one_person_drops_it_and_nothing_moves(piiri: None) -> None:
    take([a_swap(n) for n in range(1, 102)])
    put_in_force(values("piiri", **SWAPS))
    _ask(101)
    with transaction() as session:
        move_id = session.scalars(select(RouteMove.id)).one()
        route_moves.drop(session, move_id, by="staff:aino", now=LATER)
    assert _move() == {}
    assert _ways() == {("voima", "piiri"): 101}


def test_a_death_between_two_slices_goes_on_and_doubles_nothing(
    piiri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_moves, "SLICE_ROWS", 3)
    take([a_swap(n) for n in range(1, 11)])
    put_in_force(values("piiri", **SWAPS))
    _ask(10)
    with transaction() as session:
        assert _slice(session) == {"ROUTED": 3, "LOOKED_AT": 3}
    with pytest.raises(_Died):
        _slice_and_die()
    assert _move() == {"ROUTED": 7, "LOOKED_AT": 7}
    with transaction() as session:
        items = session.execute(
            select(OutboxItem.business_key).where(
                OutboxItem.lane == "partner.piiri", OutboxItem.state == "READY"
            )
        )
        assert Counter(row[0] for row in items) == {f"A-{n}": 1 for n in range(1, 11)}
        assert session.scalars(select(RouteMove.moved_count)).one() == 10


def test_other_rules_in_force_end_a_move(piiri: None) -> None:
    take([a_swap(1)])
    put_in_force(values("piiri", **SWAPS))
    _ask(1)
    put_in_force(RuleValues("back", 1, "voima", NOW, order_type_codes=["MVM"]))
    assert _move() == {}
    with transaction() as session:
        assert session.scalars(select(WorkOrder.partner_code)).one() == "voima"
        assert session.scalars(select(RouteMove.state)).one() == "DONE"


def test_rules_that_come_into_force_between_two_slices_end_a_move(
    piiri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_moves, "SLICE_ROWS", 1)
    take([a_swap(n) for n in range(1, 4)])
    put_in_force(values("piiri", **SWAPS))
    _ask(3)
    with transaction() as session:
        lists = intake.load_lists(session, KEY, LATER)
        run_id = runs.start_run(session, "routing", "test", LATER)
        assert route_moves.move_slice(session, lists, run_id, LATER)["ROUTED"] == 1
    put_in_force(RuleValues("back", 1, "voima", NOW, order_type_codes=["MVM"]))
    with transaction() as session:
        # The worker still holds the lists that it began with.
        assert not route_moves.move_slice(session, lists, run_id, LATER)
        partners = Counter(session.scalars(select(WorkOrder.partner_code)))
        assert partners == {"piiri": 1, "voima": 2}


def test_an_order_that_nobody_takes_any_more_stays(piiri: None) -> None:
    take([a_swap(1)])
    with transaction() as session:
        # Under the newer version no rule fits it.
        session.execute(text("UPDATE work_order SET order_type_code = 'HUO'"))
    put_in_force(values("piiri", **SWAPS))
    with pytest.raises(MoveRefused, match="NOTHING"):
        _ask(1)


class _Died(Exception):
    """The process went away before the commit."""


def _ways() -> dict[tuple[str, str], int]:
    with transaction() as session:
        rules = code_lists.load_rules(session, LATER)
        return {
            (one.before, one.after): one.count for one in route_moves.movable(session, rules, LATER)
        }


def _ask(seen: int, *, reason: str = "partner is down", by: str = "staff:aino") -> None:
    with transaction() as session:
        rules = code_lists.load_rules(session, LATER)
        route_moves.ask(session, rules, seen, reason, by=by, now=LATER)


def _move(now: datetime = LATER) -> dict[str, int]:
    counts: Counter[str] = Counter()
    while True:
        with transaction() as session:
            part = _slice(session, now)
        if not part:
            return dict(counts)
        counts.update(part)


def _slice_and_die() -> None:
    with transaction() as session:
        _slice(session)
        raise _Died


def _slice(session: Session, now: datetime = LATER) -> Counter[str]:
    run_id = runs.start_run(session, "routing", "test", now)
    lists = intake.load_lists(session, KEY, now)
    return route_moves.move_slice(session, lists, run_id, now)
