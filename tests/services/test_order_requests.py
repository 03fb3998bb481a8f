"""A change or cancellation that arrives during the work waits, asks, and is answered by its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import InboundFinding, Notice, OrderRequest, OutboxItem, Run, WorkOrder
from app.queries import parked_orders
from app.services import intake, order_request_answers, runs
from app.services.slices import MassContext, Slice, SliceResult
from app.settings import Settings
from integrations.cis.types import CisWorkOrder, ParsedOrder
from tests.field_work import MORNING, OLD_METER, ORDER, add_order, arrive, at, gsrn, make_ack
from workers.order_requests import answer_requests

NOW = at(10)
FILE = 500


def test_a_change_during_the_work_waits_and_is_taken_when_the_visit_fails(started: Flask) -> None:
    result = _ask(revision=2, required_model="6511")
    assert dict(result.counts) == {"HOLD": 1}
    assert result.refusals == []
    order = _order()
    assert (order.state, order.revision, order.required_model) == ("STARTED", 1, "6534")
    assert _partner() == []
    with transaction() as session:
        (parked,) = parked_orders.find_parked(session, 10, state="ASKED")
        assert (parked.order_id, parked.since_at) == (ORDER, NOW)
    _answer(started)
    assert [one.state for one in _requests()] == ["WAITING"]
    arrive(make_ack("FAILED", 20), 20)
    assert _requests()[0].facts["required_model"] == "6511"
    _answer(started)
    assert _requests()[0].facts == {}
    order = _order()
    assert (order.state, order.revision, order.required_model) == ("ROUTED", 2, "6511")
    assert [(item["action"], item["revision"]) for item in _partner()] == [("UPDATE", 2)]
    assert [(one.state, one.answer) for one in _requests()] == [
        ("TAKEN", "taken after the visit (FAILED)")
    ]


def test_a_change_during_work_that_is_completed_is_refused_to_the_cis(started: Flask) -> None:
    _ask(revision=2, required_model="6511")
    arrive(make_ack("COMPLETED", 20), 20)
    _answer(started)
    assert (_order().state, _order().revision) == ("COMPLETED", 1)
    assert [one.state for one in _requests()] == ["REFUSED"]
    assert _refused() == [(ORDER, "REVISION_CONFLICT")]
    codes = db.session.scalars(select(InboundFinding.code))
    assert sorted(codes) == ["REVISION_CONFLICT", "REVISION_WAITS"]
    _answer(started)
    assert _refused() == [(ORDER, "REVISION_CONFLICT")]


def test_a_request_over_which_we_fail_keeps_no_other_waiting(started: Flask) -> None:
    with transaction() as session:
        add_order(session, "WO-2002", gsrn=gsrn(2), old_meter_number="5530-2")
    arrive(make_ack("STARTED", 0, "WO-2002"), 1)
    _ask(revision=2, required_model="6511")
    _ask(revision=2, required_model="6511", order_id="WO-2002", gsrn=gsrn(2), message=2)
    arrive(make_ack("FAILED", 20), 20)
    arrive(make_ack("FAILED", 20, "WO-2002"), 20)
    with transaction() as session:
        # As a program of another version may have left it.
        session.execute(
            text("UPDATE order_request SET facts = '{}' WHERE order_id = :id"), {"id": ORDER}
        )
    with pytest.raises(msgspec.ValidationError):
        _answer(started)
    assert [(one.order_id, one.state) for one in _requests()] == [
        (ORDER, "WAITING"),
        ("WO-2002", "TAKEN"),
    ]
    with transaction() as session:
        run = session.scalars(select(Run).where(Run.process == "answer requests")).one()
        assert (run.state, run.counts) == ("FAILED", {"FAILED": 1, "TAKEN": 1})


def test_a_bad_change_during_the_work_is_refused_at_once(started: Flask) -> None:
    result = _ask(revision=2, required_model="NOSUCH")
    assert [str(one.finding.code) for one in result.refusals] == ["MODEL_UNKNOWN"]
    assert _requests() == []


def test_the_same_change_again_waits_once_and_a_newer_one_takes_its_place(started: Flask) -> None:
    _ask(revision=2, required_model="6511")
    assert dict(_ask(revision=2, required_model="6511", message=2).counts) == {"DUPLICATE": 1}
    assert dict(_ask(revision=2, priority=1, message=3).counts) == {"CONFLICT": 1}
    assert dict(_ask(revision=3, priority=1, message=4).counts) == {"HOLD": 1}
    assert dict(_ask(revision=2, required_model="6511", message=5).counts) == {"STALE": 1}
    assert [(one.revision, one.state) for one in _requests()] == [
        (2, "SUPERSEDED"),
        (3, "WAITING"),
    ]


def test_a_cancellation_during_the_work_asks_the_partner_to_stop(started: Flask) -> None:
    result = _ask(revision=2, action="CANCEL")
    assert dict(result.counts) == {"ASK": 1}
    assert result.refusals == []
    order = _order()
    # The work goes on until the partner says otherwise.
    assert (order.state, order.base_state, order.revision) == ("STARTED", "CANCELLED", 2)
    assert [(item["action"], item["revision"]) for item in _partner()] == [("CANCEL", 2)]
    assert dict(_ask(revision=2, action="CANCEL", message=2).counts) == {"DUPLICATE": 1}
    _answer(started)
    assert [one.state for one in _requests()] == ["WAITING"]


def test_whoever_knows_that_work_began_hears_that_it_was_broken_off(started: Flask) -> None:
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'SENT', sent_at = :at"), {"at": at(1)})
    _ask(revision=2, action="CANCEL")
    arrive(make_ack("CANCELLED", 15), 15)
    _, told = db.session.scalars(select(Notice).order_by(Notice.id)).all()
    assert (told.type, told.state) == ("METER_SWAP_CANCELLED", "QUEUED")
    assert "11.3. klo 13.00-13.15 on peruttu" in (told.body or "")
    # The same once more, and in other words, is no news.
    arrive(make_ack("CANCELLED", 16, revision=2), 16)
    assert db.session.scalars(select(Notice.type).order_by(Notice.id)).all() == [
        "METER_SWAP_STARTED",
        "METER_SWAP_CANCELLED",
    ]


def test_of_a_visit_that_was_broken_off_before_the_word_left_nobody_hears(started: Flask) -> None:
    _ask(revision=2, action="CANCEL")
    arrive(make_ack("CANCELLED", 15), 15)
    notices = db.session.scalars(select(Notice).order_by(Notice.id)).all()
    assert [(one.type, one.state, one.suppress_reason) for one in notices] == [
        ("METER_SWAP_STARTED", "SUPERSEDED", "SUPERSEDED"),
        ("METER_SWAP_CANCELLED", "SUPPRESSED", "NEVER_TOLD"),
    ]


def test_a_start_that_is_reported_after_the_stop_starts_nothing(day: Flask) -> None:
    # The CIS calls the order off while somebody is at work whose start we have not heard of yet.
    _ask(revision=2, action="CANCEL")
    arrive(make_ack("CANCELLED", 15), 15)
    assert arrive(make_ack("STARTED", 0), 20).outcome == "STALE"
    assert db.session.scalars(select(Notice.state).where(Notice.state != "SUPPRESSED")).all() == []


@pytest.mark.parametrize("revision", [1, 2])
def test_a_partner_that_stops_ends_the_visit_and_the_cis_hears_of_it(
    started: Flask, revision: int
) -> None:
    _ask(revision=2, action="CANCEL")
    assert arrive(make_ack("CANCELLED", 15, revision=revision), 15).outcome == "APPLIED"
    assert _order().state == "CANCELLED"
    _answer(started)
    assert [one.state for one in _requests()] == ["TAKEN"]
    (end,) = _ends()
    assert (end["final_state"], end["order_id"]) == ("CANCELLED", ORDER)
    assert end["outage_on_at"] is not None
    with transaction() as session:
        closed = session.execute(text("SELECT state FROM outage")).scalar_one()
        assert closed == "CLOSED"


def test_a_visit_that_fails_after_a_cancellation_leaves_the_order_called_off(
    started: Flask,
) -> None:
    _ask(revision=2, action="CANCEL")
    arrive(make_ack("FAILED", 15), 15)
    assert _order().state == "CANCELLED"
    _answer(started)
    assert [one.state for one in _requests()] == ["TAKEN"]
    assert [end["final_state"] for end in _ends()] == ["CANCELLED"]


def test_work_that_is_completed_all_the_same_answers_the_cis_that_it_was_too_late(
    started: Flask,
) -> None:
    _ask(revision=2, action="CANCEL")
    assert arrive(make_ack("REJECTED", 12, revision=2), 12).outcome == "STALE"
    assert _order().state == "STARTED"
    arrive(make_ack("COMPLETED", 20), 20)
    assert _order().state == "COMPLETED"
    _answer(started)
    assert [one.state for one in _requests()] == ["REFUSED"]
    assert _refused() == [(ORDER, "CANCEL_TOO_LATE")]
    assert _ends() == []


def test_nobody_stops_work_that_was_not_called_off(started: Flask) -> None:
    assert arrive(make_ack("CANCELLED", 15), 15).outcome == "REJECTED"
    assert _order().state == "STARTED"


def test_an_order_whose_next_visit_has_begun_meanwhile_is_left_alone(started: Flask) -> None:
    """Between the look at the list and the lock somebody went to work again."""
    _ask(revision=2, required_model="6511")
    with transaction() as session:
        lists = intake.load_lists(session, "k" * 32, NOW)
        run_id = session.scalars(select(Run.id)).first()
        assert run_id is not None
        assert order_request_answers.answer(session, ORDER, lists, run_id, NOW) == []
    assert [one.state for one in _requests()] == ["WAITING"]
    assert _order().revision == 1


def test_a_door_code_in_a_change_that_waits_reaches_the_order_and_is_forgotten(
    started: Flask,
) -> None:
    _ask(revision=2, required_model="6511", key_info="code 1234")
    (request,) = _requests()
    assert (request.key_info, request.facts.get("key_info")) == ("code 1234", None)
    arrive(make_ack("FAILED", 20), 20)
    _answer(started)
    assert _order().key_info == "code 1234"
    assert _requests()[0].key_info is None


def test_before_the_start_nothing_waits_and_nobody_is_asked(day: Flask) -> None:
    assert dict(_ask(revision=2, required_model="6511").counts) == {"UPDATE": 1}
    assert dict(_ask(revision=3, action="CANCEL", message=2).counts) == {"CANCEL": 1}
    assert _requests() == []
    assert _order().state == "CANCELLED"


def test_three_failed_visits_return_the_order_and_the_cis_hears_why(day: Flask) -> None:
    for visit, reason in enumerate(("ACC_LOCKED", "CUS_ABSENT", "CUS_ABSENT")):
        start = visit * 1440
        arrive(make_ack("STARTED", start), start)
        assert _ends() == []
        failure = {"reasonCode": reason, "text": "x"}
        arrive(make_ack("FAILED", start + 10, failure=failure), start + 10)
    assert (_order().state, _order().attempts) == ("RETURNED", 3)
    (end,) = _ends()
    assert (end["final_state"], end["failure_reason"]) == ("RETURNED", "CUS_ABSENT")
    days = [f"{MORNING + timedelta(days=n):%Y-%m-%d}" for n in range(3)]
    assert end["failure_text"] == (
        f"{days[0]} ACC_LOCKED; {days[1]} CUS_ABSENT; {days[2]} CUS_ABSENT"
    )
    with transaction() as session:
        (parked,) = parked_orders.find_parked(session, 10, state="RETURNED")
        assert parked.order_id == ORDER
        told = session.scalars(select(Notice.type).where(Notice.type == "METER_SWAP_FAILED")).all()
        assert len(told) == 3
    # The company orders anew: the next visit is the first one.
    assert dict(_ask(revision=2, required_model="6511").counts) == {"UPDATE": 1}
    assert _order().state == "ROUTED"


def test_work_that_was_done_after_all_takes_the_place_of_the_return(day: Flask) -> None:
    for visit in range(3):
        arrive(make_ack("FAILED", visit * 60), visit * 60)
    assert _order().state == "RETURNED"
    arrive(make_ack("COMPLETED", 500), 500)
    told = [(item.kind, item.state) for item in _to_cis()]
    assert told == [("CIS_ORDER_END", "CANCELLED"), ("CIS_COMPLETION", "READY")]
    versions = [item.version for item in _to_cis()]
    assert versions == sorted(set(versions))


def test_children_of_a_mass_order_follow_the_same_rules(started: Flask) -> None:
    with transaction() as session:
        session.execute(text("UPDATE work_order SET mass_id = 'M-1'"))
    mass = MassContext("M-1", None, frozenset())
    assert dict(_ask(revision=2, action="CANCEL", mass=mass).counts) == {"ASK": 1}
    assert [item["action"] for item in _partner()] == ["CANCEL"]


@pytest.mark.parametrize("kind", ["UUA", "LIS", "POI", "HUO", "KYT", "KAT", "SIN"])
def test_of_other_work_nobody_is_told_that_a_meter_is_replaced(app: Flask, kind: str) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code=kind)
        arrive(make_ack("STARTED", 0), 1)
        arrive(make_ack("FAILED", 10), 11)
        arrive(make_ack("COMPLETED", 60), 61)
        assert db.session.scalars(select(Notice)).all() == []
        assert _order().state == "COMPLETED"
        db.session.remove()


@pytest.mark.parametrize("kind", ["MVM", "MVY", "MVV"])
def test_of_every_replacement_customers_are_told(app: Flask, kind: str) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code=kind)
        arrive(make_ack("STARTED", 0), 1)
        arrive(make_ack("COMPLETED", 20), 21)
        types = db.session.scalars(select(Notice.type).order_by(Notice.id)).all()
        assert types == ["METER_SWAP_STARTED", "METER_SWAP_DONE"]
        db.session.remove()


def test_whoever_was_told_that_it_is_done_hears_that_it_is_not_however_late(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    late = 3 * 1440
    back = make_ack("CORRECTED", 25, failure={"reasonCode": "TECH_BOARD"}, newMeter=None)
    arrive(back, late)
    notices = db.session.scalars(select(Notice).order_by(Notice.id)).all()
    assert [(one.type, one.state) for one in notices] == [
        ("METER_SWAP_DONE", "SUPERSEDED"),
        ("METER_SWAP_FAILED", "QUEUED"),
    ]


def _ask(message: int = 1, mass: MassContext | None = None, **changes: Any) -> SliceResult:
    facts: dict[str, Any] = {
        "order_id": ORDER,
        "action": "UPDATE",
        "order_type_code": "MVM",
        "gsrn": gsrn(),
        "municipality_code": "837",
        "required_model": "6534",
        "old_meter_number": OLD_METER,
        "language": "fi",
    }
    with transaction() as session:
        run_id = session.scalars(select(Run.id)).first() or runs.start_run(
            session, "intake", "test", NOW
        )
        session.execute(
            text(
                "INSERT INTO inbound_message (id, source, kind, name, body_hash, size_bytes, state,"
                " counts, received_at, attempts, next_at) OVERRIDING SYSTEM VALUE VALUES (:id, 'cis',"
                " 'CIS_FILE', 'orders.xml', :hash, 1, 'INTERPRETED', '{}', :now, 0, :now)"
                " ON CONFLICT DO NOTHING"
            ),
            {"id": FILE + message, "hash": str(message), "now": NOW},
        )
        lists = intake.load_lists(session, "k" * 32, NOW)
        part = Slice(FILE + message, run_id, NOW, lists, mass)
        order = CisWorkOrder(**{**facts, **changes})
        return intake.take_slice(session, part, [ParsedOrder(1, order, ORDER)])


def _answer(app: Flask) -> None:
    settings: Settings = app.extensions["tiedolla_settings"]
    answer_requests(settings, 1, "test")


def _order() -> WorkOrder:
    return db.session.get_one(WorkOrder, ORDER, populate_existing=True)


def _requests() -> list[OrderRequest]:
    statement = select(OrderRequest).order_by(OrderRequest.revision, OrderRequest.order_id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def _partner() -> list[dict[str, Any]]:
    statement = select(OutboxItem.payload).where(OutboxItem.kind == "WORK_ORDER")
    return list(db.session.scalars(statement.order_by(OutboxItem.id)))


def _to_cis() -> list[OutboxItem]:
    statement = select(OutboxItem).where(OutboxItem.lane == "cis").order_by(OutboxItem.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def _ends() -> list[dict[str, Any]]:
    return [item.payload for item in _to_cis() if item.kind == "CIS_ORDER_END"]


def _refused() -> list[tuple[str, str]]:
    return [
        (entry["order_id"], entry["code"])
        for item in _to_cis()
        if item.kind == "CIS_REJECT"
        for entry in item.payload["entries"]
    ]


@pytest.fixture
def day(app: Flask) -> Iterator[Flask]:
    """One order that the partner has."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        yield app
        db.session.remove()


@pytest.fixture
def started(day: Flask) -> Flask:
    """Somebody is at work."""
    arrive(make_ack("STARTED", 0), 1)
    return day
