"""Connection orders in the database: one row whatever the deliveries, each piece of news once."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.clock import helsinki_day
from app.models import Announcement, ConnectionEvent, ConnectionOrder, Meter, Notice
from app.services import master_data, runs
from app.services.announcements import about_connection
from app.services.audience import Listener, open_audience
from app.services.intake import load_lists
from app.services.slices import Slice, SliceResult
from integrations.cis.types import CisConnection, CisCustomer, ParsedRecord
from tests.connection_orders import ORDER_NO, make_version, take_versions, wish_for_connections
from tests.services.world import GSRN, MAIL, NOW, PHONE, add_customer, add_point

ORDER = ORDER_NO
VISIT = {"visit_from": NOW + timedelta(days=7), "visit_to": NOW + timedelta(days=7, hours=2)}
SWITCH = {
    "energise_from": NOW + timedelta(days=60),
    "energise_to": NOW + timedelta(days=60, hours=3),
}
LATER = {name: at + timedelta(days=1) for name, at in SWITCH.items()}

COURSE: list[dict[str, Any]] = [
    {"stage": "ORDERED", "target_week": "2027-W03"},
    {"stage": "SITE_PLANNING", "target_week": "2027-W03", **VISIT},
    {"stage": "BUILDING", "target_week": "2027-W05", "delay_reason": "FROST"},
    {"stage": "READY", "target_week": "2027-W05", **SWITCH},
    {"stage": "READY", "target_week": "2027-W05", **LATER},
    {"stage": "READY", "target_week": "2027-W05", **SWITCH},
    {"stage": "COMPLETED", "meter_number": "6534000017", "gsrn": GSRN, **SWITCH},
]
TOLD = [
    "CONN_RECEIVED",
    "CONN_PLANNING",
    "CONN_DELAYED",
    "CONN_ENERGISE",
    "CONN_ENERGISE",
    "CONN_ENERGISE",
    "CONN_COMPLETED",
]


def version(number: int, **facts: Any) -> CisConnection:
    """Version `number`, made that many hours after noon, of an order of customer C1."""
    return make_version(number, NOW + timedelta(hours=number - 1), **facts)


VERSIONS = [version(number, **facts) for number, facts in enumerate(COURSE, start=1)]


def test_a_course_in_its_order_tells_each_step_once(known: None) -> None:
    for one in VERSIONS:
        take(one)
    assert [one.type for one in announcements()] == TOLD
    row = order()
    assert (row.stage, row.version, row.meter_number) == ("COMPLETED", 7, "6534000017")
    assert (row.promised_week, row.street_name, row.haystack.split()[0]) == (
        "2027-W03",
        "Rantapolku",
        ORDER.lower(),
    )
    done = announcements()[-1].facts
    assert (done["on"], done["meter"], done["order_no"]) == ("2026-11-24", "6534000017", ORDER)
    assert {one.subject for one in announcements()} == {about_connection(ORDER).subject}


def test_the_same_versions_in_one_slice_and_one_file_do_the_same(known: None) -> None:
    assert take(*VERSIONS).counts == {"NEW": 1, "UPDATE": 6}
    assert [one.type for one in announcements()] == TOLD


def test_shuffled_and_repeated_deliveries_end_in_the_same_row_and_tell_nothing_twice(
    known: None,
) -> None:
    for one in VERSIONS:
        take(one)
    expected = final_row()
    for seed in range(12):
        wipe()
        shuffled = [*VERSIONS, *VERSIONS]
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - a repeatable order.
        for message_id, one in enumerate(shuffled):
            take(one, message_id=message_id)
        assert final_row() == expected
        told = [(one.type, one.occurrence) for one in announcements()]
        assert len(told) == len(set(told))
        # Whatever came last, the newest version is told, and no older one after it.
        numbers = [int(occurrence) for _, occurrence in told]
        assert numbers == sorted(numbers)
        assert numbers[-1] == 7


def test_the_same_version_is_a_duplicate_and_with_other_content_a_conflict(known: None) -> None:
    take(VERSIONS[0])
    assert take(VERSIONS[0], message_id=2).counts == {"DUPLICATE": 1}
    assert take(VERSIONS[0], message_id=1).counts == {"TAKEN_BEFORE": 1}
    other = msgspec.structs.replace(VERSIONS[0], target_week="2027-W09")
    result = take(other)
    assert result.counts == {"CONFLICT": 1}
    assert [(r.order_id, str(r.finding.code)) for r in result.refusals] == [
        (ORDER, "REVISION_CONFLICT")
    ]
    assert order().target_week == "2027-W03"


def test_an_older_version_is_kept_and_changes_nothing(known: None) -> None:
    take(VERSIONS[3])
    result = take(VERSIONS[1])
    assert result.counts == {"STALE": 1}
    assert result.refusals == []
    assert order().version == 4
    assert [one.type for one in announcements()] == ["CONN_ENERGISE"]
    with transaction() as session:
        assert len(session.scalars(select(ConnectionEvent)).all()) == 2


def test_a_stage_that_goes_back_is_refused_until_it_is_called_a_correction(known: None) -> None:
    take(version(1, stage="READY"))
    result = take(version(2, stage="BUILDING"))
    assert result.counts == {"REJECTED": 1}
    assert [str(one.finding.code) for one in result.refusals] == ["STAGE_BACK"]
    assert (order().stage, order().version) == ("READY", 1)
    assert take(version(2, stage="BUILDING"), message_id=9).counts == {"REJECTED": 1}
    take(version(3, stage="BUILDING", correction=True))
    assert (order().stage, order().version) == ("BUILDING", 3)


def test_a_late_version_after_which_a_later_one_would_go_back_says_so(known: None) -> None:
    take(version(2, stage="BUILDING"))
    take(version(1, stage="READY"))
    assert (order().stage, order().version) == ("READY", 1)
    assert findings() == [("STAGE_BACK", "WARN")]


def test_a_bad_order_does_not_touch_its_neighbours(known: None) -> None:
    stranger = version(1, order_no="LT-1", customer_id="C404")
    bad = version(1, order_no="LT-2", gsrn="123")
    result = take(stranger, bad, version(1, order_no="LT-3"))
    assert result.counts == {"REJECTED": 2, "NEW": 1}
    assert [(r.order_id, r.finding.path) for r in result.refusals] == [
        ("LT-1", "CustomerId"),
        ("LT-2", "Identification"),
    ]
    # The refused version may come again once its customer is known.
    with transaction() as session:
        add_customer(session, "C404", contacts={})
    assert take(stranger).counts == {"NEW": 1}


def test_the_meter_of_a_finished_connection_is_looked_up_where_the_cis_names_none(
    known: None,
) -> None:
    with transaction() as session:
        session.add(Meter(number="6534000099", state="INSTALLED", gsrn=GSRN, updated_at=NOW))
    take(version(1, stage="COMPLETED", gsrn=GSRN))
    assert [one.facts["meter"] for one in announcements()] == ["6534000099"]


def test_a_cancelled_order_takes_back_what_has_not_left(known: None) -> None:
    take(VERSIONS[0])
    take(VERSIONS[3])
    with transaction() as session:
        announcement = session.scalar(
            select(Announcement.id).where(Announcement.type == "CONN_ENERGISE")
        )
        session.execute(text("UPDATE announcement SET state = 'DONE'"))
        session.add(_waiting_notice(announcement))
    take(version(9, stage="CANCELLED"))
    with transaction() as session:
        assert session.scalars(select(Notice.state)).all() == ["SUPERSEDED"]


def test_a_cancelled_order_withdraws_what_nobody_was_told_yet(known: None) -> None:
    take(VERSIONS[0])
    take(version(2, stage="CANCELLED"))
    assert [one.state for one in announcements()] == ["WITHDRAWN"]


def test_the_audience_is_the_customer_of_the_order_without_any_metering_point(known: None) -> None:
    take(VERSIONS[0])
    (one,) = audience()
    contact = one.recipient.contact
    assert contact is not None
    assert (contact.value, one.recipient.wants, one.recipient.customer_id) == (PHONE, True, "C1")
    assert [point.gsrn for point in one.points] == [""]
    assert one.addresses == ("Rantapolku 4",)


def test_whoever_left_the_topic_or_has_no_contact_is_on_record_and_not_told(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_point(session)
            add_customer(session, "C1", contacts={MAIL: "EMAIL"}, channel="EMAIL", enabled=False)
            add_customer(session, "C2", contacts={})
            add_customer(session, "C3", contacts={PHONE: "SMS"}, channel="NONE")
        take(VERSIONS[0])
        take(version(1, order_no="LT-2", customer_id="C2"))
        take(version(1, order_no="LT-3", customer_id="C3"))
        assert [one.recipient.wants for one in audience()] == [False]
        assert [one.recipient.contact for one in audience("LT-2")] == [None]
        assert [one.recipient.wants for one in audience("LT-3")] == [False]


def test_a_wish_for_the_point_comes_before_the_wish_for_all(known: None) -> None:
    take(version(1, gsrn=GSRN))
    with transaction() as session:
        wish_for_connections(session, NOW, enabled=False, gsrn=GSRN)
    assert [one.recipient.wants for one in audience()] == [False]


def test_a_customer_who_changes_the_name_is_found_under_the_new_one(known: None) -> None:
    take(VERSIONS[0])
    record = CisCustomer(customer_id="C1", version=2, kind="consumer", name="Åke Ängström")
    with transaction() as session:
        run_id = runs.start_run(session, "intake", "doorbell", NOW, lease=1, subject="x")
        part = Slice(1, run_id, NOW, load_lists(session, "k" * 32, NOW))
        master_data.take_slice(session, part, [ParsedRecord(1, "Customer", "C1", record)])
    assert "ake angstrom" in order().haystack


@pytest.fixture
def known(app: Flask) -> Iterable[None]:
    """A customer with a phone who wants to hear about connections."""
    with app.app_context():
        with transaction() as session:
            add_point(session)
            add_customer(session, "C1", quiet=(time(22), time(7)))
            wish_for_connections(session, NOW)
        yield


def take(*records: CisConnection, message_id: int = 1) -> SliceResult:
    """One slice, as the intake takes it."""
    with transaction() as session:
        return take_versions(session, list(records), NOW, message_id)


def order(order_no: str = ORDER) -> ConnectionOrder:
    with transaction() as session:
        found = session.get(ConnectionOrder, order_no, populate_existing=True)
        assert found is not None
        return found


def final_row() -> dict[str, Any]:
    row = order()
    return {
        column.name: getattr(row, column.name)
        for column in ConnectionOrder.__table__.columns
        if column.name not in ("created_at", "updated_at")
    }


def announcements() -> list[Announcement]:
    with transaction() as session:
        found = select(Announcement).order_by(Announcement.id)
        return list(session.scalars(found.execution_options(populate_existing=True)))


def findings() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.execute(
            text("SELECT code, severity FROM inbound_finding WHERE severity <> 'INFO' ORDER BY id")
        )
        return [(row.code, row.severity) for row in rows]


def wipe() -> None:
    with transaction() as session:
        session.execute(text("TRUNCATE connection_event, connection_order, announcement CASCADE"))


def audience(order_no: str = ORDER) -> list[Listener]:
    with transaction() as session:
        announcement = session.scalar(
            select(Announcement).where(
                Announcement.subject == f"connection:{order_no}",
                Announcement.type == "CONN_RECEIVED",
            )
        )
        assert announcement is not None
        session.expunge(announcement)
    with open_audience(announcement, helsinki_day(NOW), None, []) as listeners:
        return list(listeners)


def _waiting_notice(announcement_id: int | None) -> Notice:
    return Notice(
        type="CONN_ENERGISE",
        dedupe_key="x",
        customer_id="C1",
        gsrn="",
        announcement_id=announcement_id,
        topic="CONNECTION",
        language="fi",
        channel="SMS",
        sent_to=PHONE,
        state="HELD",
        state_at=NOW,
        decision="Held until the end of quiet hours.",
        event_at=NOW,
        created_at=datetime.now(UTC),
    )
