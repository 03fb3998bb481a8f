"""The pages of lanes' bounds and of sending again."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.roles import Role
from app.models import Lane, Replay
from app.services import outbox
from app.services.outbox import NewItem
from tests.web.visitor import Visitor, visitor_as

BOUNDS = {"rate_per_s": "20", "in_flight_count": "50", "day_cap": "1000", "reason": "agreed"}


def test_bounds_are_set_with_hours_as_people_write_them(app: Flask, operator: Visitor) -> None:
    path = "/lanes/nis/bounds"
    form = {**BOUNDS, "hours": "1-5 7:00 - 16:00"}
    assert operator.post(path, form, page=path).status_code == 302
    with app.app_context(), transaction() as session:
        lane = session.get_one(Lane, "nis")
        assert (lane.rate_per_s, lane.in_flight_count, lane.day_cap, lane.hours) == (
            20,
            50,
            1000,
            "1-5 07:00-16:00",
        )
    page = operator.get("/lanes/nis?lang=en").text
    assert "1-5 07:00-16:00" in page
    assert "of 1,000 at most" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hours": "8 07:00-16:00"}, "This cannot be understood: 8 07:00-16:00"),
        ({"in_flight_count": "0"}, "Use a number from 1 to 2000"),
        ({"reason": ""}, "Enter a reason"),
    ],
)
def test_bounds_that_cannot_be_are_refused_beside_their_field(
    operator: Visitor, changes: dict[str, str], words: str
) -> None:
    path = "/lanes/nis/bounds?lang=en"
    answer = operator.post(path, {**BOUNDS, "hours": "", **changes}, page=path)
    assert answer.status_code == 422
    assert words in answer.text


def test_many_are_previewed_proposed_and_confirmed_by_two_people(
    app: Flask, operator: Visitor, other: Visitor
) -> None:
    put(app, 101)
    page = operator.get("/lanes/nis?lang=en").text
    assert "Given up, by reason" in page
    made = operator.post("/lanes/nis/replay", {"wanted": "DEAD"}, page="/lanes/nis/replay")
    assert made.location.endswith("/replays/1")
    page = operator.get("/replays/1?lang=en").text
    assert "Send 101 items again" in page
    assert "Ask a second person" in page
    operator.post("/replays/1/ask", {"note": "partner is back"}, page="/replays/1")
    operator.post("/replays/1/confirm", page="/replays/1")
    assert _replay(app) == ("PROPOSED", None)
    # It waits in the menu of whoever may confirm it.
    assert "td-count" in other.get("/lanes?lang=en").text
    other.post("/replays/1/confirm", page="/replays/1")
    assert _replay(app) == ("APPROVED", "staff:armi")


def test_a_file_with_order_numbers_says_what_was_not_found(app: Flask, operator: Visitor) -> None:
    put(app, 3)
    file = (io.BytesIO(b"order\nn-1\nn-2\nn-77\n"), "orders.csv")
    operator.post("/lanes/nis/replay", {"wanted": "DEAD", "file": file}, page="/lanes/nis/replay")
    page = operator.get("/replays/1?lang=en").text
    assert "Send 2 items again" in page
    assert "Not found in this lane" in page
    assert "orders.csv" in page


def test_the_days_are_those_that_the_person_chose(app: Flask, operator: Visitor) -> None:
    """A day begins in Finland hours before it does in UTC, in summer and in winter."""
    put(app, 3)
    path = "/lanes/nis/replay"
    for first, last in (("2026-11-24", "2026-11-25"), ("2026-03-29", "2026-10-25")):
        form = {"wanted": "DEAD", "error": "", "from_on": first, "to_on": last}
        page = operator.get(f"{operator.post(path, form, page=path).location}?lang=fi").text
        for day in (first, last):
            year, month, number = map(int, day.split("-"))
            assert f">{number}.{month}.{year}<" in page


def test_the_errors_of_the_lane_are_offered_in_words(app: Flask, operator: Visitor) -> None:
    put(app, 3)
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "UPDATE outbox_item SET last_error_class = 'Retryable' WHERE business_key <> 'n-1'"
            )
        )
    assert "Vastaanottaja hylkäsi sen" in operator.get("/lanes/nis?lang=fi&state=DEAD").text
    path = "/lanes/nis/replay"
    assert "The receiver refused it" in operator.get(f"{path}?error=Rejected&lang=en").text
    form = {"wanted": "DEAD", "error": "Rejected"}
    page = operator.get(f"{operator.post(path, form, page=path).location}?lang=en").text
    assert "Send 1 item again" in page
    assert operator.post(path, {**form, "error": "Nonsense"}, page=path).status_code == 422


def test_what_has_arrived_is_not_chosen_without_saying_which(app: Flask, operator: Visitor) -> None:
    path = "/lanes/nis/replay?lang=en"
    answer = operator.post(path, {"wanted": "SENT"}, page=path)
    assert answer.status_code == 422
    assert "only by order, mass order, file or day" in answer.text


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_every_page_is_there_in_every_language(
    app: Flask, operator: Visitor, language: str
) -> None:
    put(app, 2)
    operator.post("/lanes/nis/replay", {"wanted": "DEAD"}, page="/lanes/nis/replay")
    for path in (
        "/lanes/nis",
        "/lanes/nis/bounds",
        "/lanes/sms/bounds",
        "/lanes/nis/replay",
        "/replays/1",
    ):
        answer = operator.get(f"{path}?lang={language}")
        assert answer.status_code == 200, path
        assert f'<html lang="{language}"' in answer.text


def put(app: Flask, count: int) -> None:
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        outbox.put(
            session,
            [
                NewItem("nis", "NIS_DEVICE", f"n-{n}", f"n-{n}", 1, f"n-{n}-1", {})
                for n in range(1, count + 1)
            ],
            now,
        )
        session.execute(
            text(
                "UPDATE outbox_item SET state = 'DEAD', last_error_class = 'Rejected',"
                " last_error = 'meter unknown'"
            )
        )


def _replay(app: Flask) -> tuple[str, str | None]:
    with app.app_context(), transaction() as session:
        found = session.scalars(select(Replay)).one()
        return found.state, found.decided_by


@pytest.fixture
def operator(app: Flask) -> Visitor:
    return visitor_as(app, Role.OPERATOR)


@pytest.fixture
def other(app: Flask) -> Visitor:
    return visitor_as(app, Role.ADMIN)
