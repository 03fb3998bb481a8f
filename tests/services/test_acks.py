"""What partners report moves orders, outages, meters and messages, each exactly once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.models import (
    Ack,
    Alarm,
    InboundFinding,
    InboundMessage,
    Meter,
    MeterReading,
    Notice,
    Outage,
    OutagePoint,
    OutboxItem,
    WorkOrder,
    WorkOrderChange,
)
from app.services import acks, inbound
from tests.field_work import (
    NEW_METER,
    OLD_METER,
    ORDER,
    add_order,
    arrive,
    at,
    encode,
    gsrn,
    hang_meter,
    make_ack,
)


def test_a_day_of_field_work_ends_with_everybody_told(day: Flask) -> None:
    for kind, minutes in (("ACCEPTED", -300), ("SCHEDULED", -200), ("STARTED", 0)):
        assert arrive(make_ack(kind, minutes), minutes).outcome == "APPLIED"
    assert _order().state == "STARTED"
    outage, point = _outage()
    assert (outage.state, outage.started_at, point.on_at) == ("OPEN", at(0), None)

    completed = make_ack("COMPLETED", 20, outage={"onAt": at(20).isoformat()})
    assert arrive(completed, 21).outcome == "APPLIED"
    order = _order()
    assert (order.state, order.attempts, order.partner_ref) == ("COMPLETED", 1, f"VM-{ORDER}")
    outage, point = _outage()
    assert (outage.state, outage.version) == ("CLOSED", 2)
    assert (point.off_at, point.on_at) == (at(0), at(20))
    old, new = _meters(OLD_METER, NEW_METER)
    assert (old.state, old.gsrn, old.removed_at) == ("REMOVED", None, at(20))
    assert (new.state, new.gsrn, new.installed_at, new.serial) == (
        "INSTALLED",
        gsrn(),
        at(20),
        "AID88",
    )
    assert sorted((item.lane, item.state) for item in _downstream()) == [
        ("billing", "READY"),
        ("cis", "READY"),
        ("dms", "READY"),
        ("nis", "READY"),
    ]
    assert {item.order_key for item in _downstream()} == {gsrn()}
    assert sorted(notice.type for notice in _all(Notice)) == [
        "METER_SWAP_ANNOUNCED",
        "METER_SWAP_DONE",
        "METER_SWAP_STARTED",
    ]
    history = [(change.from_state, change.states) for change in _all(WorkOrderChange)]
    assert history == [
        ("SENT", ["ACCEPTED"]),
        ("ACCEPTED", ["SCHEDULED"]),
        ("SCHEDULED", ["STARTED"]),
        ("STARTED", ["COMPLETED"]),
    ]


def test_the_bill_gets_the_final_and_the_first_reading(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    (billing,) = (item for item in _downstream() if item.lane == "billing")
    assert billing.payload["oldMeter"]["number"] == OLD_METER
    assert billing.payload["oldMeter"]["finalReadings"][0]["value"] == 41755.5
    assert billing.payload["newMeter"] == {
        "number": NEW_METER,
        "startReadings": [
            {
                "register": "1.8.0",
                "value": 0.0,
                "unit": "kWh",
                "readAt": at(20).isoformat().replace("+00:00", "Z"),
                "source": "DISPLAY",
            }
        ],
        "multiplier": 1.0,
    }
    assert sorted((r.meter_number, float(r.value)) for r in _all(MeterReading)) == [
        (OLD_METER, 41755.5),
        (NEW_METER, 0.0),
    ]


def test_the_cis_gets_the_whole_point_with_its_new_meter(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    (cis,) = (item for item in _downstream() if item.lane == "cis")
    assert cis.payload["final_state"] == "COMPLETED"
    point = cis.payload["metering_point"]
    assert (point["gsrn"], point["street_name"]) == (gsrn(), "Koivutie")
    assert point["meter"]["meter_number"] == NEW_METER
    assert cis.dedupe_key == f"cis:{ORDER}:1"


def test_an_acknowledgement_repeated_in_other_words_does_nothing(day: Flask) -> None:
    ack = make_ack("COMPLETED", 20)
    arrive(ack, 20)
    again = dict(reversed(ack.items()))
    assert arrive(again, 25).outcome == "DUPLICATE"
    assert len(_all(Ack)) == 1
    assert len(_downstream()) == 4
    assert [message.state for message in _all(InboundMessage)] == ["INTERPRETED", "INTERPRETED"]


def test_an_id_used_again_for_something_else_is_refused_and_recorded(day: Flask) -> None:
    first = make_ack("ACCEPTED", 0)
    arrive(first, 0)
    other = make_ack("FAILED", 10, ackId=first["ackId"])
    assert arrive(other, 10).outcome == "REJECTED"
    assert _order().state == "ACCEPTED"
    (finding,) = _all(InboundFinding)
    assert (finding.code, finding.order_id) == ("REVISION_CONFLICT", ORDER)
    assert _all(InboundMessage)[-1].reason_code == "REVISION_CONFLICT"


def test_an_unknown_order_is_waited_for(day: Flask) -> None:
    ack = make_ack("ACCEPTED", 20, order_id="WO-LATER")
    assert arrive(ack, 20).outcome == "WAITING"
    (message,) = _all(InboundMessage)
    assert (message.state, message.reason_code) == ("HELD", "ACK_UNKNOWN_ORDER")
    assert _all(Ack) == []
    with transaction() as session:
        add_order(session, "WO-LATER", gsrn=gsrn(2), old_meter_number="5530-78")
        assert inbound.reopen(session, "ACK", ["WO-LATER"], "ACK_UNKNOWN_ORDER") == 1
    assert arrive(ack, 30).outcome == "APPLIED"
    assert _order("WO-LATER").state == "ACCEPTED"


def test_an_order_that_comes_while_we_look_is_seen_at_the_next_look(day: Flask) -> None:
    ack = make_ack("ACCEPTED", 20, order_id="WO-LATER")
    with transaction() as session:
        body = encode(ack)
        stored = inbound.store_small(
            session,
            source="ack:voima",
            kind="ACK",
            name="a",
            body=body,
            now=at(20),
            business_key="WO-LATER",
        )

    def _bring_order() -> None:
        with day.app_context(), transaction() as session:
            add_order(session, "WO-LATER", gsrn=gsrn(2), old_meter_number="5530-78")
            # What intake does last; it holds the message until it commits.
            assert inbound.reopen(session, "ACK", ["WO-LATER"], "ACK_UNKNOWN_ORDER") == 0
            brought.set()
            assert _somebody_waits(session)

    brought = threading.Event()
    intake = threading.Thread(target=_bring_order)
    intake.start()
    assert brought.wait(timeout=30)
    with transaction() as session:
        assert acks.interpret_all(session, [stored.id], at(21), 1) == []
    intake.join(timeout=30)
    with transaction() as session:
        (told,) = acks.interpret_all(session, [stored.id], at(22), 1)
    assert told.outcome == "APPLIED"
    assert _order("WO-LATER").state == "ACCEPTED"


def test_an_order_that_is_being_stored_waits_for_the_look_and_lets_it_be_repeated(
    day: Flask,
) -> None:
    ack = make_ack("ACCEPTED", 20, order_id="WO-LATER")
    with transaction() as session:
        body = encode(ack)
        stored = inbound.store_small(
            session,
            source="ack:voima",
            kind="ACK",
            name="a",
            body=body,
            now=at(20),
            business_key="WO-LATER",
        )
    reopened: list[int] = []

    def _bring_order() -> None:
        with day.app_context(), transaction() as session:
            add_order(session, "WO-LATER", gsrn=gsrn(2), old_meter_number="5530-78")
            found = inbound.reopen(session, "ACK", ["WO-LATER"], "ACK_UNKNOWN_ORDER")
            reopened.append(found)

    intake = threading.Thread(target=_bring_order)
    with transaction() as session:
        (told,) = acks.interpret_all(session, [stored.id], at(21), 1)
        assert told.outcome == "WAITING"
        intake.start()
        assert _somebody_waits(session)
    intake.join(timeout=30)
    assert reopened == [1]
    with transaction() as session:
        (told,) = acks.interpret_all(session, [stored.id], at(22), 1)
    assert told.outcome == "APPLIED"


def _somebody_waits(session: Session) -> bool:
    """Until another session waits for a lock of ours, at most half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        waiting = session.execute(
            text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'relation'")
        ).scalar_one()
        if waiting:
            return True
        time.sleep(0.01)
    return False


def test_another_partners_order_is_refused_and_stays_as_it_is(day: Flask) -> None:
    assert arrive(make_ack("COMPLETED", 20), 20, partner="other").outcome == "REJECTED"
    assert _order().state == "SENT"
    assert _all(Ack) == []
    assert _downstream() == []
    (message,) = _all(InboundMessage)
    assert (message.state, message.reason_code) == ("REJECTED", "ACK_NOT_YOURS")
    assert [finding.code for finding in _all(InboundFinding)] == ["ACK_NOT_YOURS"]


def test_a_time_in_the_future_holds_the_bill_and_tells_nobody(day: Flask) -> None:
    assert arrive(make_ack("COMPLETED", 600), 20).outcome == "HELD"
    assert _order().state == "COMPLETED"
    (billing,) = (item for item in _downstream() if item.lane == "billing")
    assert (billing.state, billing.hold_reason) == ("HELD", "TIME_IN_FUTURE")
    assert [n.state for n in _all(Notice)] == ["SUPPRESSED"]


@pytest.mark.parametrize(("value", "code"), [(40_000, "READING_LOW"), (900_000, "READING_JUMP")])
def test_req_20_a_doubtful_reading_holds_the_bill_and_nothing_else(
    day: Flask, value: float, code: str
) -> None:
    ack = make_ack("COMPLETED", 20)
    ack["oldMeter"]["readings"][0]["value"] = value
    assert arrive(ack, 20).outcome == "HELD"
    states = {item.lane: (item.state, item.hold_reason) for item in _downstream()}
    assert states["billing"] == ("HELD", code)
    assert {states[lane] for lane in ("cis", "nis", "dms")} == {("READY", None)}
    assert _order().state == "COMPLETED"


def test_a_correction_withdraws_the_held_bill_and_tells_those_whom_it_concerns(day: Flask) -> None:
    wrong = make_ack("COMPLETED", 20)
    wrong["oldMeter"]["readings"][0]["value"] = 40_000
    arrive(wrong, 20)
    arrive(make_ack("CORRECTED", 60), 60)
    assert _order().state == "CORRECTED"
    states = sorted((item.dedupe_key, item.state) for item in _downstream())
    assert states == sorted(
        [
            (f"{lane}:{ORDER}:{version}", state)
            for lane in ("cis", "dms", "billing")
            for version, state in ((1, "CANCELLED"), (2, "READY"))
        ]
        # To the NIS nothing is different.
        + [(f"nis:{ORDER}:1", "READY")]
    )
    assert sorted(float(r.value) for r in _all(MeterReading)) == [0.0, 41755.5]


def test_a_correction_may_name_another_meter(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    corrected = make_ack("CORRECTED", 60)
    corrected["newMeter"]["number"] = "6534-99"
    arrive(corrected, 60)
    meters = {meter.number: (meter.state, meter.gsrn) for meter in _all(Meter)}
    assert meters == {OLD_METER: ("REMOVED", None), "6534-99": ("INSTALLED", gsrn())}


def test_a_completion_that_is_taken_back_puts_the_old_meter_back(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    back = make_ack("CORRECTED", 60, failure={"reasonCode": "TECH_BOARD"}, newMeter=None)
    arrive(back, 60)
    assert _order().state == "FAILED"
    meters = {meter.number: (meter.state, meter.gsrn) for meter in _all(Meter)}
    assert meters == {OLD_METER: ("INSTALLED", gsrn())}
    assert _all(MeterReading) == []
    assert {item.state for item in _downstream()} == {"CANCELLED"}
    assert [alarm for alarm in _all(Alarm) if alarm.kind == "COMPLETION_TAKEN_BACK"] == []


def test_taking_back_what_others_have_been_told_calls_for_somebody(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    with transaction() as session:
        for item in session.execute(select(OutboxItem).where(OutboxItem.lane == "cis")).scalars():
            item.state = "SENT"
    arrive(make_ack("CORRECTED", 60, failure={"reasonCode": "TECH_BOARD"}, newMeter=None), 60)
    (alarm,) = (alarm for alarm in _all(Alarm) if alarm.kind == "COMPLETION_TAKEN_BACK")
    assert (alarm.subject, alarm.closed_at) == (ORDER, None)
    assert "cis" in alarm.detail


def test_taking_back_what_others_may_have_been_told_calls_for_somebody(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    with transaction() as session:
        for item in session.execute(select(OutboxItem).where(OutboxItem.lane == "nis")).scalars():
            # It was called once, and nobody knows what came of it.
            item.attempts = 1
    arrive(make_ack("CORRECTED", 60, failure={"reasonCode": "TECH_BOARD"}, newMeter=None), 60)
    (alarm,) = (alarm for alarm in _all(Alarm) if alarm.kind == "COMPLETION_TAKEN_BACK")
    assert alarm.detail.endswith(": nis.")


def test_a_start_that_comes_after_the_end_tells_only_of_the_end(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    assert arrive(make_ack("STARTED", 0), 22).outcome == "STALE"
    states = {notice.type: (notice.state, notice.suppress_reason) for notice in _all(Notice)}
    assert states["METER_SWAP_STARTED"] == ("SUPPRESSED", "STALE")
    assert states["METER_SWAP_DONE"][0] == "QUEUED"
    outage, _ = _outage()
    assert outage.state == "CLOSED"


def test_a_late_start_adds_when_the_power_went_if_nobody_had_said(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20, outage={"onAt": at(20).isoformat()}), 20)
    assert _all(Outage) == []
    arrive(make_ack("STARTED", 0), 22)
    outage, point = _outage()
    assert (outage.state, point.off_at, point.on_at) == ("CLOSED", at(0), at(20))
    (dms,) = (i for i in _downstream() if i.lane == "dms" and i.state == "READY")
    assert dms.dedupe_key == f"dms:{ORDER}:2"
    assert dms.payload["offAt"] == at(0).isoformat().replace("+00:00", "Z")


def test_a_failed_visit_tells_the_customer_why(day: Flask) -> None:
    arrive(make_ack("STARTED", 0), 0)
    failed = make_ack("FAILED", 10, failure={"reasonCode": "CUS_ABSENT"}, outage=None)
    assert arrive(failed, 10).outcome == "APPLIED"
    assert (_order().state, _order().attempts) == ("FAILED", 1)
    outage, point = _outage()
    assert (outage.state, point.on_at) == ("CLOSED", at(10))
    (notice,) = (n for n in _all(Notice) if n.type == "METER_SWAP_FAILED")
    assert notice.body is not None
    assert "ketään ei tavattu" in notice.body
    assert _downstream() == []


def test_three_failed_visits_return_the_order(day: Flask) -> None:
    for minutes in (10, 2000, 4000):
        arrive(make_ack("FAILED", minutes), minutes)
    assert (_order().state, _order().attempts) == ("RETURNED", 3)
    assert [change.states for change in _all(WorkOrderChange)] == [["FAILED"], ["RETURNED"]]


def test_a_dangerous_fault_raises_an_alarm_until_the_next_visit(day: Flask) -> None:
    arrive(make_ack("STARTED", 0), 0)
    danger = make_ack("FAILED", 10, failure={"reasonCode": "TECH_NEUTRAL"}, outage=None)
    arrive(danger, 10)
    (alarm,) = _all(Alarm)
    assert (alarm.kind, alarm.subject, alarm.closed_at) == ("DANGEROUS_FAULT", ORDER, None)
    _, point = _outage()
    assert point.on_at is None
    arrive(make_ack("COMPLETED", 300), 300)
    (alarm,) = _all(Alarm)
    assert alarm.closed_at is not None


def test_a_meter_that_does_not_talk_counts_as_installed(day: Flask) -> None:
    hung = make_ack("COMPLETED", 20)
    meters = {"oldMeter": hung["oldMeter"], "newMeter": hung["newMeter"]}
    arrive(make_ack("FAILED", 20, failure={"reasonCode": "TECH_NOCOMM"}, **meters), 20)
    assert _order().state == "COMPLETED"
    assert [notice.type for notice in _all(Notice)] == ["METER_SWAP_DONE"]
    arrive(make_ack("COMPLETED", 25), 25)
    assert [notice.type for notice in _all(Notice)] == ["METER_SWAP_DONE"]
    live = {item.dedupe_key for item in _downstream() if item.state == "READY"}
    # To the CIS it is no failure any more, and billing gets other times of reading.
    versions = {"cis": 2, "nis": 1, "dms": 1, "billing": 2}
    assert live == {f"{lane}:{ORDER}:{version}" for lane, version in versions.items()}


def test_a_completion_without_a_new_meter_does_not_count(day: Flask) -> None:
    assert arrive(make_ack("COMPLETED", 20, newMeter=None), 20).outcome == "REJECTED"
    assert _order().state == "SENT"
    assert [ack.verdict for ack in _all(Ack)] == ["REJECTED"]
    assert "FIELD_MISSING" in {finding.code for finding in _all(InboundFinding)}


@pytest.mark.parametrize("code", ["HUO", "KYT", "KAT", "SIN"])
def test_work_that_hangs_no_meter_changes_none_and_bills_nothing(app: Flask, code: str) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code=code, required_model=None)
        arrive(make_ack("COMPLETED", 20, newMeter=None, oldMeter=None), 20)
        assert _order().state == "COMPLETED"
        assert {item.lane for item in _downstream()} == {"cis", "dms"}
        (meter,) = _all(Meter)
        assert (meter.number, meter.state) == (OLD_METER, "INSTALLED")
        db.session.remove()


@pytest.mark.parametrize("code", ["MVM", "MVY", "MVV"])
def test_every_replacement_is_told_to_all_with_both_meters(app: Flask, code: str) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code=code)
        arrive(make_ack("COMPLETED", 20), 20)
        told = {item.lane: item.payload for item in _downstream()}
        assert set(told) == {"cis", "nis", "dms", "billing"}
        assert told["nis"]["meterNumber"] == NEW_METER
        bill = told["billing"]
        assert (bill["oldMeter"]["number"], bill["newMeter"]["number"]) == (OLD_METER, NEW_METER)
        db.session.remove()


@pytest.mark.parametrize("code", ["UUA", "LIS"])
def test_a_first_meter_is_told_to_all_and_billed_from_its_first_reading(
    app: Flask, code: str
) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code=code, old_meter_number=None)
        arrive(make_ack("COMPLETED", 20, oldMeter=None), 20)
        told = {item.lane: item for item in _downstream()}
        assert set(told) == {"cis", "nis", "dms", "billing"}
        assert told["nis"].payload["meterNumber"] == NEW_METER
        bill = told["billing"]
        assert (bill.state, bill.payload.get("oldMeter")) == ("READY", None)
        assert bill.payload["newMeter"]["number"] == NEW_METER
        (meter,) = _all(Meter)
        assert (meter.number, meter.state) == (NEW_METER, "INSTALLED")
        db.session.remove()


def test_a_removal_leaves_the_point_without_a_meter(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session, order_type_code="POI", required_model=None)
        arrive(make_ack("COMPLETED", 20, newMeter=None), 20)
        told = {item.lane: item.payload for item in _downstream()}
        assert set(told) == {"cis", "nis", "dms", "billing"}
        assert set(told["nis"]) == {"gsrn", "removedAt", "version"}
        (meter,) = _all(Meter)
        assert (meter.number, meter.state, meter.gsrn) == (OLD_METER, "REMOVED", None)
        db.session.remove()


def test_req_20_a_meter_that_hangs_elsewhere_holds_the_bill(day: Flask) -> None:
    with transaction() as session:
        hang_meter(session, NEW_METER, gsrn(7), installed_at=at(-1000))
    arrive(make_ack("COMPLETED", 20), 20)
    (billing,) = (item for item in _downstream() if item.lane == "billing")
    assert billing.hold_reason == "METER_ALREADY_INSTALLED"


def _order(order_id: str = ORDER) -> WorkOrder:
    return db.session.get_one(WorkOrder, order_id, populate_existing=True)


def _outage() -> tuple[Outage, OutagePoint]:
    (outage,), (point,) = _all(Outage), _all(OutagePoint)
    return outage, point


def _meters(*numbers: str) -> tuple[Meter, ...]:
    return tuple(db.session.get_one(Meter, number, populate_existing=True) for number in numbers)


def _downstream() -> list[OutboxItem]:
    return [item for item in _all(OutboxItem) if item.lane in ("cis", "nis", "dms", "billing")]


def _all(model: type[Any]) -> list[Any]:
    key = model.__mapper__.primary_key
    statement = select(model).order_by(*key).execution_options(populate_existing=True)
    return list(db.session.execute(statement).scalars())


@pytest.fixture
def day(app: Flask) -> Any:
    """The application with one order in the partner's hands, inside its context."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        yield app
        db.session.remove()
