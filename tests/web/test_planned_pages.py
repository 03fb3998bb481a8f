"""Planned cuts on the operators' pages: plan, look, approve, change, tell, end."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO

import pytest
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from app.models import AuditEntry, Outage, OutagePoint, PlannedCut
from tests.web.conftest import StandingClock, Writing
from tests.web.sample_rows import add_notice, add_point, gsrn
from tests.web.visitor import Visitor

# A Monday at noon in Finland.
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PLAN = {
    "name": "Muuntamon huolto",
    "cause_code": "MAINTENANCE",
    "from_on": "2026-11-26",
    "from_time": "09:00",
    "to_on": "2026-11-26",
    "to_time": "12:00",
}


@pytest.fixture(autouse=True)
def street(clock: StandingClock, writing: Writing) -> None:
    """Three homes on a Monday."""
    clock.at = MONDAY
    with writing() as session:
        for number in (1, 2, 3):
            add_point(session, number, phone=f"+35840000000{number}", house=str(number))
        session.execute(
            text(
                "INSERT INTO preference (contact_id, topic, enabled, night_ok, source, legal_basis,"
                " changed_at) SELECT id, 'PLANNED', true, false, 'CIS', 'CONTRACT', now()"
                " FROM contact ON CONFLICT DO NOTHING"
            )
        )


def test_a_plan_is_made_looked_at_approved_and_announced(
    operator: Visitor, admin: Visitor, writing: Writing
) -> None:
    page = _draft(operator, points=f"{gsrn(1)}\n{gsrn(2)}\n123\n")
    assert "The draft has 2 metering points." in page
    assert "1 line deserves a look." in page
    assert "The line has no metering point number (18 digits)" in page
    assert "It can be announced in time until tomorrow" in page or "24 Nov 2026 at 09:00" in page
    facts = _facts(page)
    assert facts["Customers"] == "2"
    assert facts["SMS"].startswith("2")
    assert facts["Estimated cost"] == "0.14 €"
    assert "Muuntamon huolto" in operator.get("/planned?week=2026-W48").text

    mine = operator.get("/planned/1/approve").text
    assert "somebody else has to approve it" in mine
    refused = _act(operator, "approve", when="now")
    assert refused.status_code == 422
    assert "Ask somebody else." in refused.text

    assert _act(admin, "approve", when="now").status_code == 302
    assert "The messages are being written." in admin.get("/planned/1").text
    with writing() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert {"PLANNED_CUT_DRAFTED", "PLANNED_CUT_APPROVED", "PLANNED_CUT_ANNOUNCED"} <= set(actions)


def test_the_page_says_who_has_been_told_and_who_not_yet(
    operator: Visitor, admin: Visitor, writing: Writing
) -> None:
    _draft(operator, points=f"{gsrn(1)}\n{gsrn(2)}\n")
    _act(admin, "approve", when="now")
    with writing() as session:
        session.execute(text("UPDATE announcement SET state = 'HELD'"))
    page = admin.get("/planned/1").text
    assert "A second person has to let the messages go first." in page
    assert "td-sentence--warn" in page
    with writing() as session:
        session.execute(text("UPDATE announcement SET state = 'DONE'"))
        number = session.execute(text("SELECT id FROM announcement")).scalar_one()
    assert "No message goes to anybody." in admin.get("/planned/1").text
    for place, state in enumerate(("SENT", "DELIVERED", "HELD", "QUEUED", "QUEUED", "SUPPRESSED")):
        with writing() as session:
            add_notice(
                session,
                gsrn(1),
                "PLANNED_NOTICE",
                datetime.now(UTC),
                state=state,
                topic="PLANNED",
                announcement_id=number,
                outage_id=1,
                order_id=None,
                dedupe_key=f"told/{place}",
            )
    page = admin.get("/planned/1").text
    assert "2 messages have left. 1 waits for the end of quiet hours. 2 wait to be sent." in page


def test_a_second_click_makes_no_second_draft(operator: Visitor, writing: Writing) -> None:
    form = {**PLAN, "points": gsrn(1), "key": "6b0e2bb6-8a3a-4a53-8a2e-1a2b3c4d5e6f"}
    for _ in range(2):
        assert operator.post("/planned/new", form, page="/planned/new").status_code == 302
    with writing() as session:
        assert len(session.scalars(select(Outage)).all()) == 1


def test_points_come_from_a_file_too(operator: Visitor, writing: Writing) -> None:
    content = f"Käyttöpaikka;Osoite\r\n{gsrn(1)};Koivutie\r\n{gsrn(3)};Mäntytie\r\n"
    form = {**PLAN, "file": (BytesIO(content.encode("cp1252")), "points.csv")}
    assert operator.post("/planned/new", form, page="/planned/new").status_code == 302
    with writing() as session:
        found = session.scalars(select(OutagePoint.gsrn).order_by(OutagePoint.gsrn)).all()
    assert found == sorted([gsrn(1), gsrn(3)])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Enter a name"),
        ({"from_on": ""}, "Enter the day"),
        ({"to_time": ""}, "Enter the time of day"),
        ({"to_time": "08:00"}, "The end must be after the beginning"),
        ({"points": ""}, "Name at least one metering point"),
        ({"cause_code": "STORM"}, "Choose a reason"),
        ({"from_on": "2026-11-20", "to_on": "2026-11-26"}, "This time has passed already"),
        ({"from_on": "x"}, "Not a valid date value"),
    ],
)
def test_what_is_missing_or_impossible_is_said_at_its_field(
    operator: Visitor, writing: Writing, changes: dict[str, str], said: str
) -> None:
    form = {**PLAN, "points": gsrn(1), **changes}
    answer = operator.post("/planned/new", form, page="/planned/new")
    assert answer.status_code == 422
    assert said in answer.text
    with writing() as session:
        assert session.scalars(select(Outage)).all() == []


def test_all_that_is_missing_is_said_at_once(operator: Visitor) -> None:
    page = operator.post("/planned/new", {}, page="/planned/new").text
    for said in ("Enter a name", "Enter the day", "Name at least one metering point"):
        assert said in page


def test_a_time_that_the_clock_skips_is_refused_and_one_that_it_shows_twice_is_asked_for(
    operator: Visitor, clock: StandingClock, writing: Writing
) -> None:
    clock.at = datetime(2026, 3, 20, 10, 0, tzinfo=UTC)
    spring = {"from_on": "2026-03-29", "from_time": "03:30", "to_on": "2026-03-29"}
    form = {**PLAN, "points": gsrn(1), **spring}
    page = operator.post("/planned/new", form, page="/planned/new").text
    assert "This time does not exist" in page
    autumn = {"from_on": "2026-10-25", "from_time": "03:30", "to_on": "2026-10-25"}
    form = {**PLAN, "points": gsrn(1), **autumn}
    page = operator.post("/planned/new", form, page="/planned/new").text
    assert "This time comes twice in that night" in page
    assert "The second time, in winter time" in page
    form["from_which"] = "1"
    assert operator.post("/planned/new", form, page="/planned/new").status_code == 302
    with writing() as session:
        cut = session.scalars(select(Outage)).one()
        assert cut.planned_from_at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert 'value="1" checked' in operator.get("/planned/1/edit").text


def test_req_15_a_late_approval_asks_for_the_reason(
    operator: Visitor, admin: Visitor, clock: StandingClock, writing: Writing
) -> None:
    _draft(operator, points=gsrn(1))
    clock.at = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
    assert "Short notice: in time would have been until" in admin.get("/planned/1/approve").text
    refused = _act(admin, "approve", when="now")
    assert refused.status_code == 422
    assert "Give a reason." in refused.text
    assert _act(admin, "approve", when="now", short_reason="Rotten pole").status_code == 302
    page = admin.get("/planned/1").text
    assert "Rotten pole" in page
    assert "at short notice" in page
    kpi = admin.get("/planned/kpi").text
    assert "0 %" in kpi


def test_a_notice_can_be_left_to_the_clock(operator: Visitor, admin: Visitor) -> None:
    _draft(operator, points=gsrn(1))
    later = {"when": "later", "announce_on": "2026-11-23", "announce_time": "15:00"}
    assert _act(admin, "approve", **later).status_code == 302
    assert "It will be announced today at 15:00." in admin.get("/planned/1").text


def test_change_cancel_and_end_ask_first_and_say_what_they_do(
    operator: Visitor, admin: Visitor, clock: StandingClock, writing: Writing
) -> None:
    _draft(operator, points=f"{gsrn(1)}\n{gsrn(2)}")
    _act(admin, "approve", when="now")
    page = operator.get("/planned/1/reschedule").text
    assert "exactly those who were told of the old one" in page
    assert 'value="2026-11-26"' in page
    moved = {**PLAN, "from_on": "2026-11-27", "to_on": "2026-11-27"}
    assert _act(operator, "reschedule", **moved).status_code == 302
    assert "Moved: the power will be off Fri 27 Nov 2026" in operator.get("/planned/1").text

    assert "Enter a reason" in _act(operator, "cancel", reason="").text
    assert _act(operator, "cancel", reason="Moved to spring").status_code == 302
    assert "Moved to spring" in operator.get("/planned/1").text
    gone = operator.get("/planned/1/cancel")
    assert gone.status_code == 302


def test_the_course_of_a_cut_is_told_by_people_too(
    operator: Visitor, admin: Visitor, clock: StandingClock
) -> None:
    _draft(operator, points=f"{gsrn(1)}\n{gsrn(2)}")
    _act(admin, "approve", when="now")
    clock.at = datetime(2026, 11, 26, 7, 5, tzinfo=UTC)
    at = {"at_on": "2026-11-26"}
    assert _act(operator, "begin", **at, at_time="09:02").status_code == 302
    assert "The power is off since today at 09:02" in operator.get("/planned/1").text
    clock.at = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    assert _act(operator, "extend", **at, at_time="11:00").status_code == 422
    assert _act(operator, "extend", **at, at_time="14:00").status_code == 302
    assert _act(operator, "restore", **at, at_time="10:30", points=gsrn(9)).status_code == 422
    assert _act(operator, "restore", **at, at_time="10:30", points=gsrn(1)).status_code == 302
    assert _act(operator, "end", **at, at_time="18:00").status_code == 422
    assert _act(operator, "end", **at, at_time="10:55").status_code == 302
    assert "The power is back since today at 10:55" in operator.get("/planned/1").text


def test_the_end_of_a_cut_that_lasts_over_night_has_its_day(
    operator: Visitor, admin: Visitor, clock: StandingClock
) -> None:
    _draft(operator, points=gsrn(1), to_on="2026-11-27", to_time="06:00")
    _act(admin, "approve", when="now")
    clock.at = datetime(2026, 11, 26, 7, 5, tzinfo=UTC)
    _act(operator, "begin", at_on="2026-11-26", at_time="09:02")
    assert "until 27 Nov 2026 at 06:00 by plan" in operator.get("/planned/1").text


def test_who_saw_an_older_version_looks_again(operator: Visitor, admin: Visitor) -> None:
    _draft(operator, points=gsrn(1))
    answer = admin.post(
        "/planned/1/cancel", {"reason": "x", "version": "99"}, page="/planned/1/cancel"
    )
    assert answer.status_code == 422
    assert "Somebody else has changed this cut meanwhile" in answer.text


def test_the_list_of_letters_has_no_address_under_a_safety_ban_and_no_formulas(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 4, phone=None, name="=HYPERLINK()", street="Salatie", safety_ban=True)
        add_point(session, 5, phone=None, name="Pekka", street="Koivutie", house="5")
    _draft(operator, points=f"{gsrn(1)}\n{gsrn(4)}\n{gsrn(5)}")
    answer = operator.get("/planned/1/letters.csv")
    assert answer.mimetype == "text/csv"
    lines = answer.text.lstrip("\ufeff").splitlines()
    assert len(lines) == 3
    assert "Salatie" not in answer.text
    assert "'=HYPERLINK()" in answer.text
    assert "SAFETY_BAN" in answer.text
    assert "Koivutie 5" in answer.text
    with writing() as session:
        assert "PLANNED_CUT_LETTERS_TAKEN" in session.scalars(select(AuditEntry.action)).all()
        # Once it is announced, letters are on their own page, each once.
        session.execute(text("UPDATE outage SET state = 'ANNOUNCED'"))
    assert operator.get("/planned/1/letters.csv").location == "/letters"


def test_the_address_of_a_safety_ban_is_not_in_the_list_of_points(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 4, street="Salatie", safety_ban=True)
    page = _draft(operator, points=gsrn(4))
    assert "Salatie" not in page
    assert "Address hidden (safety ban)" in page


def test_customer_service_has_no_business_here(agent: Visitor, writing: Writing) -> None:
    for path in ("/planned", "/planned/new", "/planned/kpi", "/planned/1"):
        assert agent.get(path).status_code == 403
    with writing() as session:
        assert session.scalars(select(PlannedCut)).all() == []


@pytest.mark.parametrize("path", ["/planned/77", "/planned/77/approve", "/planned/77/letters.csv"])
def test_what_is_not_there_is_not_found(operator: Visitor, path: str) -> None:
    assert operator.get(path).status_code == 404


def _draft(visitor: Visitor, **changes: str) -> str:
    answer = visitor.post("/planned/new", {**PLAN, **changes}, page="/planned/new")
    assert answer.status_code == 302, answer.text
    return visitor.get(answer.headers["Location"]).text


def _act(visitor: Visitor, act: str, **form: str) -> TestResponse:
    path = f"/planned/1/{act}"
    seen = re.search(r'name="version" value="(\d*)"', visitor.get(path).text)
    assert seen is not None
    return visitor.post(path, {**form, "version": seen[1]}, page=path)


def _facts(page: str) -> dict[str, str]:
    rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return {name: re.sub(r"<[^>]+>", "", value).strip() for name, value in rows}
