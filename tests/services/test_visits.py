"""Planned visits: announced, asked about, changed, cancelled and reminded of, by what customers know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.models import VisitAnswer
from app.services import fault_candidates, meter_events, opt_outs, outages, visit_notices
from integrations.head_end.types import MeterEvent
from tests.field_work import ORDER, add_order, arrive, at, gsrn, make_ack
from tests.services.replying import cases, handle, last_answer, messages, send, two_way_settings
from tests.services.world import ledger, scalar

PHONE = f"+35840{gsrn()[-7:]}"
DAY = 24 * 60
# Two days after the acknowledgements, from 9 to 11 in Finland.
FROM, TO = at(2 * DAY - 240), at(2 * DAY - 120)
LATER = (FROM + timedelta(days=1), TO + timedelta(days=1))


def test_a_visit_that_needs_nobody_is_announced(crew: Flask) -> None:
    _order()
    _scheduled(0)
    (notice,) = ledger()
    assert (notice.type, notice.state) == ("METER_SWAP_ANNOUNCED", "QUEUED")
    assert "13.3. klo 09.00-11.00" in (notice.body or "")
    assert notice.expires_at == FROM


def test_a_visit_that_needs_somebody_is_asked_about_unless_it_is_agreed(crew: Flask) -> None:
    _order(presence_required=True)
    _scheduled(0)
    assert [n.type for n in ledger()] == ["METER_SWAP_BOOK"]
    assert "Vastaa OK tai EI" in (ledger()[0].body or "")
    _order("WO-2", presence_required=True)
    _scheduled(0, order_id="WO-2", agreed=True)
    assert [n.type for n in ledger() if n.order_id == "WO-2"] == ["METER_SWAP_ANNOUNCED"]


def test_another_window_replaces_what_has_not_left_and_the_same_is_no_news(crew: Flask) -> None:
    _order()
    _scheduled(0)
    _scheduled(10, kind="RESCHEDULED")
    assert [n.type for n in ledger()] == ["METER_SWAP_ANNOUNCED"]
    _scheduled(20, *LATER, kind="RESCHEDULED")
    assert [(n.type, n.state) for n in ledger()] == [
        ("METER_SWAP_ANNOUNCED", "SUPERSEDED"),
        ("METER_SWAP_RESCHEDULED", "QUEUED"),
    ]
    assert "14.3. klo 09.00-11.00" in (ledger()[1].body or "")


def test_windows_told_out_of_order_leave_the_last_one(crew: Flask) -> None:
    _order()
    _scheduled(20, *LATER, kind="RESCHEDULED", arrives=30)
    _scheduled(0, arrives=40)
    assert [n.type for n in ledger()] == ["METER_SWAP_ANNOUNCED"]
    assert "14.3." in (ledger()[0].body or "")


def test_a_repeated_acknowledgement_tells_nobody_again(crew: Flask) -> None:
    _order()
    for arrives in (1, 2, 3):
        _scheduled(0, arrives=arrives)
    assert len(ledger()) == 1


def test_a_window_that_has_begun_is_not_announced(crew: Flask) -> None:
    _order()
    _scheduled(0, at(-30), at(90), arrives=5)
    assert ledger() == []


def test_an_announcement_at_night_waits_for_the_morning_but_not_past_the_visit(crew: Flask) -> None:
    _order()
    _scheduled(11 * 60)
    (notice,) = ledger()
    # At 7 in Finland.
    assert (notice.state, notice.not_before_at) == ("HELD", at(18 * 60))
    _order("WO-2", gsrn=gsrn(2), old_meter_number=None)
    _scheduled(11 * 60, at(17 * 60), at(19 * 60), order_id="WO-2")
    (early,) = [n for n in ledger() if n.order_id == "WO-2"]
    assert (early.state, early.suppress_reason) == ("SUPPRESSED", "STALE")


def test_req_14_whoever_lives_there_on_the_day_of_the_visit_is_told(crew: Flask) -> None:
    _order()
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = :day"), {"day": at(0).date()})
    _scheduled(0)
    assert [(n.sent_to, n.suppress_reason) for n in ledger()] == [(None, "NO_CONTACT")]


def test_a_cancelled_visit_is_told_to_exactly_those_who_know_of_it(crew: Flask) -> None:
    _order()
    with transaction() as session:
        _add_contact(session, "+358407654321")
    _scheduled(0)
    _sent(PHONE)
    _cancel(30)
    rows = {(n.sent_to, n.type): (n.state, n.suppress_reason) for n in ledger()}
    assert rows == {
        (PHONE, "METER_SWAP_ANNOUNCED"): ("SENT", None),
        (PHONE, "METER_SWAP_CANCELLED"): ("QUEUED", None),
        ("+358407654321", "METER_SWAP_ANNOUNCED"): ("SUPERSEDED", "SUPERSEDED"),
        ("+358407654321", "METER_SWAP_CANCELLED"): ("SUPPRESSED", "NEVER_TOLD"),
    }
    # A second word on it is no news.
    _cancel(31, ackId="00000000-0000-4000-8000-000000000001")
    assert sum(n.type == "METER_SWAP_CANCELLED" for n in ledger()) == 2


def test_a_cancellation_by_the_cis_is_told_too(crew: Flask) -> None:
    _order()
    _scheduled(0)
    _sent(PHONE)
    with transaction() as session:
        visit_notices.tell_called_off(session, {ORDER: 2, "WO-none": 1}, at(30))
    assert [(n.type, n.state) for n in ledger()][-1] == ("METER_SWAP_CANCELLED", "QUEUED")


def test_who_has_opted_out_since_hears_of_no_cancellation(crew: Flask) -> None:
    _order()
    _scheduled(0)
    _sent(PHONE)
    with transaction() as session:
        opt_outs.opt_out(session, PHONE, None, source="SMS", by="sms:1", now=at(5))
    _cancel(30)
    assert [(n.state, n.suppress_reason) for n in ledger() if n.type == "METER_SWAP_CANCELLED"] == [
        ("SUPPRESSED", "OPTED_OUT")
    ]


def test_the_work_makes_earlier_texts_about_it_pointless(crew: Flask) -> None:
    _order()
    _scheduled(11 * 60)
    arrive(make_ack("STARTED", 12 * 60), 12 * 60)
    assert [(n.type, n.state) for n in ledger()] == [
        ("METER_SWAP_ANNOUNCED", "SUPERSEDED"),
        ("METER_SWAP_STARTED", "QUEUED"),
    ]


@pytest.mark.parametrize("ends", ["started", "cancelled", "moved"])
def test_whoever_moves_in_before_the_visit_hears_of_no_visit_that_will_not_be(
    crew: Flask, ends: str
) -> None:
    _order()
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = :day"), {"day": at(0).date()})
        _add_newcomer(session)
    _scheduled(11 * 60)
    assert [(n.sent_to, n.state) for n in ledger()] == [("+358407654321", "HELD")]
    if ends == "started":
        # Too early: it is the former resident who is told of the work.
        arrive(make_ack("STARTED", 12 * 60), 12 * 60)
    elif ends == "cancelled":
        _cancel(12 * 60)
    else:
        _scheduled(12 * 60, *LATER, kind="RESCHEDULED")
    assert [n.state for n in ledger() if n.type == "METER_SWAP_ANNOUNCED"] == ["SUPERSEDED"]


def test_a_visit_after_a_failed_one_is_announced_anew(crew: Flask) -> None:
    _order()
    _scheduled(0)
    arrive(make_ack("FAILED", 10), 10)
    _scheduled(20, *LATER)
    assert [n.type for n in ledger()] == [
        "METER_SWAP_ANNOUNCED",
        "METER_SWAP_FAILED",
        "METER_SWAP_ANNOUNCED",
    ]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        # 17.50, 18.00, 21.50 the day before; 22.10; 8.00 on the day; after it began.
        (DAY + 290, []),
        (DAY + 300, ["QUEUED"]),
        (DAY + 530, ["QUEUED"]),
        (DAY + 550, ["SUPPRESSED"]),
        (2 * DAY - 300, []),
        (2 * DAY - 200, []),
    ],
)
def test_a_visit_is_reminded_of_in_the_evening_before_and_never_after(
    crew: Flask, minutes: int, expected: list[str]
) -> None:
    _order()
    _scheduled(0)
    assert _remind(minutes) == expected
    # Looking again finds nothing to do, and tells nobody again.
    with transaction() as session:
        assert visit_notices.remind(session, at(minutes)) == 0
    assert _remind(minutes + 1) == expected


def test_a_reminder_is_only_for_a_visit_that_is_still_planned(crew: Flask) -> None:
    _order()
    _scheduled(0)
    _cancel(30)
    assert _remind(DAY + 300) == []


def test_a_moved_visit_is_reminded_of_at_its_new_time(crew: Flask) -> None:
    _order()
    _scheduled(0)
    _scheduled(60, *LATER, kind="RESCHEDULED")
    assert _remind(DAY + 300) == []
    assert _remind(2 * DAY + 300) == ["QUEUED"]
    assert "huomenna 14.3." in (ledger()[-1].body or "")


def test_who_was_told_in_the_afternoon_needs_no_reminder(crew: Flask) -> None:
    _order()
    _scheduled(DAY + 60)
    assert _remind(DAY + 300) == []


def test_an_old_start_still_says_nothing_of_the_visit_that_is_planned(crew: Flask) -> None:
    _order()
    arrive(make_ack("FAILED", 10), 10)
    _scheduled(20)
    arrive(make_ack("STARTED", 0), 30)
    assert _remind(DAY + 300) == ["QUEUED"]


def test_ok_confirms_the_proposed_time(crew: Flask) -> None:
    _order(presence_required=True)
    _scheduled(0)
    _sent(PHONE)
    assert _reply("Ok, kiitos", 5) == "YES"
    kind, words = last_answer(PHONE)
    assert kind == "BOOKING_OK"
    assert "13.3. klo 09.00-11.00" in words
    (answer,) = _answers()
    assert (answer.answer, answer.order_id, answer.from_at) == ("CONFIRMED", ORDER, FROM)
    assert messages()[0].order_id == ORDER
    assert cases() == []
    assert _remind(DAY + 300) == ["QUEUED"]


def test_no_declines_it_asks_a_person_and_ends_the_reminder(crew: Flask) -> None:
    _order(presence_required=True)
    _scheduled(0)
    _sent(PHONE)
    assert _reply("EI", 5) == "NO"
    assert last_answer(PHONE)[0] == "BOOKING_NO"
    (case,) = cases()
    assert (case.reasons, case.order_id, case.gsrn) == (["VISIT_DECLINED"], ORDER, gsrn())
    assert _remind(DAY + 300) == []


def test_the_last_answer_counts(crew: Flask) -> None:
    _order(presence_required=True)
    _scheduled(0)
    _sent(PHONE)
    _reply("NEJ", 5)
    _reply("JA", 6)
    assert [answer.answer for answer in _answers()] == ["DECLINED", "CONFIRMED"]
    assert _remind(DAY + 300) == ["QUEUED"]


@pytest.mark.parametrize(
    "before", ["not sent", "begun", "cancelled", "moved by the clock"], ids=lambda name: name
)
def test_an_answer_to_nothing_goes_to_a_person(crew: Flask, before: str) -> None:
    _order(presence_required=True)
    _scheduled(0)
    minutes = 5.0
    if before != "not sent":
        _sent(PHONE)
    if before == "begun":
        arrive(make_ack("STARTED", 3), 4)
    if before == "cancelled":
        _cancel(3)
    if before == "moved by the clock":
        minutes = 2 * DAY - 240
    assert _reply("OK", minutes) == "UNCLEAR"
    assert _answers() == []


def test_two_proposed_times_are_told_apart_by_a_question(crew: Flask) -> None:
    _order(presence_required=True)
    _order("WO-2", gsrn=gsrn(2), presence_required=True, old_meter_number=None)
    with transaction() as session:
        session.execute(
            text("UPDATE contact SET value = :phone WHERE kind = 'SMS'"), {"phone": PHONE}
        )
    _scheduled(0)
    _scheduled(1, *LATER, order_id="WO-2")
    _sent(PHONE)
    assert _reply("OK", 5) == "YES_WHICH"
    assert last_answer(PHONE)[0] == "WHICH_SITE"
    assert _reply("1", 6) == "YES"
    # The latest proposal stands first.
    assert [answer.order_id for answer in _answers()] == ["WO-2"]
    assert "14.3." in last_answer(PHONE)[1]


def test_req_18_a_start_that_was_told_late_or_after_the_end_starts_nothing(crew: Flask) -> None:
    _order()
    arrive(make_ack("STARTED", 0), 31)
    assert [(n.type, n.state, n.suppress_reason) for n in ledger()] == [
        ("METER_SWAP_STARTED", "SUPPRESSED", "STALE")
    ]
    _order("WO-2", gsrn=gsrn(2), old_meter_number="5530-78")
    done = make_ack("COMPLETED", 20, order_id="WO-2")
    done["oldMeter"]["number"], done["newMeter"]["number"] = "5530-78", "6534-89"
    arrive(done, 21)
    arrive(make_ack("STARTED", 0, order_id="WO-2"), 22)
    assert {(n.type, n.state) for n in ledger() if n.order_id == "WO-2"} == {
        ("METER_SWAP_DONE", "QUEUED"),
        ("METER_SWAP_STARTED", "SUPPRESSED"),
    }


def test_req_19_a_forgotten_end_raises_an_alarm_and_tells_nobody_that_the_power_is_on(
    crew: Flask,
) -> None:
    _order()
    arrive(make_ack("STARTED", 0), 1)
    with transaction() as session:
        assert outages.mark_stale(session, at(119)) == 0
        assert outages.mark_stale(session, at(121)) == 1
    assert scalar("SELECT kind FROM alarm WHERE closed_at IS NULL") == "SWAP_OUTAGE_STALE"
    assert [n.type for n in ledger()] == ["METER_SWAP_STARTED"]


def test_a_last_gasp_that_came_before_the_start_was_told_is_no_fault(crew: Flask) -> None:
    _order()
    gasp = MeterEvent(gsrn=gsrn(), event_code="LAST_GASP", at=at(0))
    with transaction() as session:
        meter_events.take_events(session, 1, [gasp], at(1))
    assert scalar("SELECT state FROM outage WHERE kind = 'FAULT'") == "DETECTED"
    arrive(make_ack("STARTED", 1), 20)
    assert scalar("SELECT state FROM outage WHERE kind = 'FAULT'") == "FALSE_ALARM"
    assert scalar("SELECT state FROM outage WHERE kind = 'METER_SWAP'") == "OPEN"


@pytest.mark.parametrize("also", ["another meter", "a customer", "hours before"])
def test_a_visit_explains_nothing_but_its_own_meter(crew: Flask, also: str) -> None:
    _order()
    _order("WO-2", gsrn=gsrn(2), old_meter_number="5530-78")
    went = at(-90) if also == "hours before" else at(0)
    with transaction() as session:
        session.execute(text("UPDATE metering_point SET transformer = 'M837-0001'"))
        points = [gsrn(), gsrn(2)] if also == "another meter" else [gsrn()]
        gasps = [MeterEvent(gsrn=one, event_code="LAST_GASP", at=went) for one in points]
        meter_events.take_events(session, 1, gasps, at(1))
        if also == "a customer":
            fault_candidates.report_from_customer(session, gsrn(), at(2), "sms:1")
    arrive(make_ack("STARTED", 1), 20)
    assert scalar("SELECT state FROM outage WHERE kind = 'FAULT'") == "DETECTED"


def _order(order_id: str = ORDER, **changes: Any) -> None:
    with transaction() as session:
        add_order(session, order_id, **changes)


def _scheduled(
    minutes: float,
    begin: datetime = FROM,
    end: datetime = TO,
    *,
    kind: str = "SCHEDULED",
    order_id: str = ORDER,
    agreed: bool | None = None,
    arrives: float | None = None,
) -> None:
    schedule: dict[str, Any] = {"from": begin.isoformat(), "to": end.isoformat()}
    if agreed is not None:
        schedule["agreedWithCustomer"] = agreed
    ack = make_ack(kind, minutes, order_id=order_id, schedule=schedule)
    arrive(ack, minutes + 1 if arrives is None else arrives)


def _cancel(minutes: float, **changes: Any) -> None:
    arrive(make_ack("CANCELLED", minutes, **changes), minutes)


def _sent(number: str) -> None:
    """The provider has what was queued for this number."""
    with transaction() as session:
        session.execute(
            text("UPDATE notice SET state = 'SENT' WHERE sent_to = :to AND state = 'QUEUED'"),
            {"to": number},
        )


def _remind(minutes: float) -> list[str]:
    with transaction() as session:
        visit_notices.remind(session, at(minutes))
    return [n.state for n in ledger() if n.type == "METER_SWAP_REMINDER"]


def _reply(words: str, minutes: float) -> str | None:
    return handle(send(words, PHONE, at(minutes)), at(minutes))


def _answers() -> list[VisitAnswer]:
    with transaction() as session:
        return list(session.query(VisitAnswer).order_by(VisitAnswer.id))


def _add_contact(session: Any, number: str) -> None:
    session.execute(
        text(
            "WITH k AS (INSERT INTO contact (customer_id, kind, value, state, source, bounce_count,"
            " created_at) SELECT cis_id, 'SMS', :number, 'VERIFIED', 'CIS', 0, :now FROM customer"
            " RETURNING id) INSERT INTO preference (contact_id, topic, enabled, night_ok, source,"
            " legal_basis, changed_at) SELECT id, 'METER_SWAP', true, false, 'CIS', 'CONTRACT', :now"
            " FROM k"
        ),
        {"number": number, "now": datetime(2025, 1, 1, tzinfo=UTC)},
    )


def _add_newcomer(session: Any) -> None:
    """Somebody who moves in on the day of the visit."""
    session.execute(
        text(
            "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
            " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
            " VALUES ('NEW', 1, 'consumer', 'Uusi', 'fi', false, false, false, 'SMS', true, now())"
        )
    )
    session.execute(
        text(
            "INSERT INTO occupancy (contract_id, version, customer_id, gsrn, moved_in_on, updated_at)"
            " VALUES ('K-NEW', 1, 'NEW', :gsrn, :day, now())"
        ),
        {"gsrn": gsrn(), "day": FROM.date()},
    )
    session.execute(
        text(
            "INSERT INTO contact (customer_id, kind, value, state, source, enrolled, bounce_count,"
            " created_at) VALUES ('NEW', 'SMS', '+358407654321', 'VERIFIED', 'CIS', true, 0, now())"
        )
    )


@pytest.fixture
def crew(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application's context, with a number that takes replies."""
    with app.app_context():
        monkeypatch.setitem(current_app.extensions, "tiedolla_settings", two_way_settings())
        yield app
        db.session.remove()
