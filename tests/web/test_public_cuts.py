"""The public calendar of planned cuts: what anybody may know, and nothing about anybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import text

from app.domain.point_list import read_numbers
from app.services import planned_cuts, planned_running, planned_telling
from app.services.planned_cuts import Draft
from app.services.planned_points import Wanted
from app.services.planned_rows import hold
from tests.web.conftest import StandingClock, Writing
from tests.web.sample_rows import add_point, gsrn
from tests.web.visitor import Visitor

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FROM = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
TO = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def homes(clock: StandingClock, writing: Writing) -> None:
    """Eight homes: six in Hämeenlinna, two of them in a place of their own, and two in Tampere."""
    clock.at = MONDAY
    with writing() as session:
        for number in range(1, 9):
            add_point(session, number, house=str(number), phone=None, name=f"Asukas {number}")
        session.execute(
            text("UPDATE metering_point SET municipality_code = '837' WHERE gsrn = ANY(:g)"),
            {"g": [gsrn(7), gsrn(8)]},
        )


def test_only_what_people_were_told_is_public(visitor: Visitor, writing: Writing) -> None:
    cut_id = _draft(writing, range(1, 7))
    assert "No power cuts are planned" in visitor.get("/planned-cuts").text
    _announce(writing, cut_id)
    page = visitor.get("/planned-cuts").text
    assert "Hämeenlinna" in page
    assert "6 metering points" in page
    assert "network maintenance" in page
    assert "Koivutie" not in page
    assert "Asukas" not in page
    assert gsrn(1) not in page


def test_fewer_than_five_are_not_counted(visitor: Visitor, writing: Writing) -> None:
    _announce(writing, _draft(writing, range(1, 9)))
    page = visitor.get("/planned-cuts?municipality=837").text
    assert "Fewer than five metering points" in page
    assert "2 metering points" not in page
    assert "Hämeenlinna</" not in page.split("<table", 1)[1]
    assert "HÄMEENLINNA" not in page.split("<table", 1)[1].upper()


def test_a_place_with_few_points_is_not_named(visitor: Visitor, writing: Writing) -> None:
    with writing() as session:
        session.execute(
            text("UPDATE metering_point SET post_office = 'IITTALA' WHERE gsrn = :g"),
            {"g": gsrn(6)},
        )
    _announce(writing, _draft(writing, range(1, 7)))
    page = visitor.get("/planned-cuts").text
    assert "6 metering points" in page
    assert "Iittala" not in page


def test_an_end_that_has_passed_is_not_promised(
    visitor: Visitor, writing: Writing, clock: StandingClock
) -> None:
    cut_id = _draft(writing, range(1, 7))
    _announce(writing, cut_id)
    with writing() as session:
        planned_running.begin(session, hold(session, cut_id), FROM, by="system:clock", now=FROM)
    late = TO + timedelta(minutes=6)
    with writing() as session:
        planned_running.overrun(session, hold(session, cut_id), late)
    clock.at = late
    page = visitor.get("/planned-cuts").text
    assert "takes longer than planned" in page
    assert "12:00" not in page


def test_calendars_follow_changes_and_cancellations(visitor: Visitor, writing: Writing) -> None:
    cut_id = _draft(writing, range(1, 7))
    _announce(writing, cut_id)
    (first,) = _events(visitor, "/planned-cuts.ics?lang=en")
    assert first["summary"] == "Planned power cut, Hämeenlinna"
    assert first.decoded("dtstart") == FROM
    assert first.decoded("dtend") == TO
    later = timedelta(hours=24)
    with writing() as session:
        planned_telling.reschedule(
            session, cut_id, FROM + later, TO + later, by="staff:b", now=MONDAY, version=None
        )
    (moved,) = _events(visitor, "/planned-cuts.ics?lang=sv")
    assert moved["uid"] == first["uid"]
    assert moved["sequence"] > first["sequence"]
    assert moved.decoded("dtstart") == FROM + later
    assert moved["summary"] == "Planerat elavbrott, Tavastehus"
    with writing() as session:
        planned_telling.cancel(session, cut_id, reason="x", by="staff:b", now=MONDAY, version=None)
    (gone,) = _events(visitor, "/planned-cuts.ics")
    assert (gone["status"], gone["uid"]) == ("CANCELLED", first["uid"])
    assert gone["sequence"] > moved["sequence"]
    assert "No power cuts are planned" in visitor.get("/planned-cuts?lang=en").text


def test_a_feed_of_one_municipality_has_only_that(visitor: Visitor, writing: Writing) -> None:
    _announce(writing, _draft(writing, range(1, 9)))
    assert len(_events(visitor, "/planned-cuts.ics")) == 2
    (only,) = _events(visitor, "/planned-cuts.ics?municipality=837")
    assert "viisi" in only["description"]
    assert len(_events(visitor, "/planned-cuts.ics?municipality=drop&lang=xx")) == 2


def test_the_point_page_tells_of_the_plan(agent: Visitor, writing: Writing) -> None:
    cut_id = _draft(writing, range(1, 7))
    assert "Planned cuts" not in agent.get(f"/points/{gsrn(1)}").text
    _announce(writing, cut_id)
    page = agent.get(f"/points/{gsrn(1)}").text
    assert "A power cut is planned from 26 Nov 2026 at 09:00 to 26 Nov 2026 at 12:00" in page
    assert "The power went off" not in page
    with writing() as session:
        planned_running.begin(session, hold(session, cut_id), FROM, by="system:clock", now=FROM)
    page = agent.get(f"/points/{gsrn(1)}").text
    assert "A planned power cut is under way" in page


def _draft(writing: Writing, numbers: Any) -> int:
    with writing() as session:
        made = planned_cuts.draft(
            session,
            Draft("x", FROM, TO, "MAINTENANCE", Wanted(read_numbers([gsrn(n) for n in numbers]))),
            source="PORTAL",
            source_ref="K-1",
            by="staff:a",
            now=MONDAY,
        )
        return made.plan.id


def _announce(writing: Writing, cut_id: int) -> None:
    with writing() as session:
        planned_cuts.approve(session, cut_id, by="staff:b", now=MONDAY, version=None)


def _events(visitor: Visitor, path: str) -> list[Any]:
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    return list(Calendar.from_ical(answer.data).walk("VEVENT"))
