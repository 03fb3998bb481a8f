"""The inbox: unclear messages and strangers, taken, answered, linked and closed, each recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import db, transaction
from app.models import AuditEntry, InboundSms, Notice, ReplyCase
from app.services import reply_cases
from app.services.reply_cases import CaseReason
from tests.web.conftest import StandingClock, Writing
from tests.web.sample_rows import add_point, gsrn
from tests.web.visitor import Visitor

NOW = datetime.now(UTC)
PHONE = "+358401234567"
STRANGER = "+358409999999"


@pytest.fixture
def case(writing: Writing) -> int:
    """A message of a stranger that waits for somebody."""
    with writing() as session:
        add_point(session, 1)
        case_id = reply_cases.open_case(
            session, STRANGER, CaseReason.UNKNOWN_NUMBER, NOW - timedelta(minutes=12)
        )
        session.add(
            InboundSms(
                sid="SM1",
                from_number=STRANGER,
                to_number="+358454900900",
                body="Onko <b>katko</b> jo ohi?",
                received_at=NOW - timedelta(minutes=12),
                state="DONE",
                verdict="UNKNOWN_NUMBER",
                next_at=NOW,
                case_id=case_id,
            )
        )
    return case_id


def test_the_list_masks_numbers_and_says_why_and_how_old(
    agent: Visitor, case: int, clock: StandingClock
) -> None:
    clock.at = NOW
    page = agent.get("/inbox").text
    assert "•••999" in page
    assert STRANGER not in page
    assert "No customer has this number" in page
    assert "12 min" in page
    assert "Onko &lt;b&gt;katko&lt;/b&gt; jo ohi?" in page


def test_the_menu_counts_what_is_nobodys_yet(agent: Visitor, case: int) -> None:
    assert '<span class="td-count">1</span>' in agent.get("/").text
    agent.post(f"/inbox/{case}/take", page=f"/inbox/{case}")
    assert "td-count" not in agent.get("/").text


def test_only_customer_service_and_administrators_read_it(
    operator: Visitor, visitor: Visitor, case: int
) -> None:
    assert operator.get("/inbox").status_code == 403
    assert operator.get(f"/inbox/{case}").status_code == 403
    assert visitor.get("/inbox").status_code == 302


def test_whoever_opens_a_case_is_recorded(app: Flask, agent: Visitor, case: int) -> None:
    page = agent.get(f"/inbox/{case}").text
    assert STRANGER in page
    assert ("staff:aino", "CASE_SEEN", f"case:{case}") in _audit(app)


def test_a_case_is_taken_and_given_back(app: Flask, agent: Visitor, case: int) -> None:
    agent.post(f"/inbox/{case}/take", page=f"/inbox/{case}")
    assert (_case(app, case).state, _case(app, case).assigned_to) == ("TAKEN", "aino")
    assert f"/inbox/{case}" in agent.get("/inbox?view=mine").text
    agent.post(f"/inbox/{case}/give-back", page=f"/inbox/{case}")
    assert (_case(app, case).state, _case(app, case).assigned_to) == ("OPEN", None)
    acts = [action for _, action, _ in _audit(app)]
    assert {"CASE_TAKEN", "CASE_GIVEN_BACK"} <= set(acts)


def test_an_answer_leaves_once_and_is_kept(app: Flask, agent: Visitor, case: int) -> None:
    form = {"words": "Katko päättyi klo 12.\nTerveisin “Aino”", "once": "form-1"}
    for _ in range(2):
        answer = agent.post(f"/inbox/{case}/answer", form, page=f"/inbox/{case}")
        assert answer.status_code == 302
    (notice,) = _notices(app)
    assert (notice.type, notice.sent_to, notice.state) == ("AGENT_REPLY", STRANGER, "QUEUED")
    assert notice.body == ('Verkkoyhtio, asiakaspalvelu: Katko päättyi klo 12. Terveisin "Aino"')
    assert (notice.encoding, notice.segments) == ("GSM-7", 1)
    page = agent.get(f"/inbox/{case}").text
    assert "Katko päättyi klo 12." in page
    assert "Customer service wrote" in page
    # Who answers has taken the case.
    assert _case(app, case).assigned_to == "aino"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("  ", "Write an answer"),
        ("Katso www.example.com", "Take the link out"),
        ("Kerro koodi", "Do not speak of codes"),
        ("Huipputarjous: tarjous vain sinulle", "Take the advertising out"),
        ("x" * 640, "Use fewer words"),
    ],
)
def test_req_30_what_must_not_leave_is_refused_and_the_words_stay(
    app: Flask, agent: Visitor, case: int, words: str, problem: str
) -> None:
    answer = agent.post(f"/inbox/{case}/answer", {"words": words}, page=f"/inbox/{case}")
    assert answer.status_code == 422
    assert problem in answer.text
    assert words.strip() in answer.text
    assert _notices(app) == []


def test_the_length_is_shown_while_somebody_types(agent: Visitor, case: int) -> None:
    page = agent.post(f"/inbox/{case}/size", {"words": "Hei"}, page=f"/inbox/{case}").text
    assert page == "32 characters with the beginning, 1 SMS part, GSM-7"
    page = agent.post(f"/inbox/{case}/size", {"words": "Žofia" * 20}, page=f"/inbox/{case}").text
    assert "UCS-2" in page


def test_a_case_is_linked_to_a_point_that_exists(app: Flask, agent: Visitor, case: int) -> None:
    wrong = agent.post(f"/inbox/{case}/link", {"gsrn": "123"}, page=f"/inbox/{case}")
    assert wrong.status_code == 422
    assert "There is no such metering point" in wrong.text
    agent.post(f"/inbox/{case}/link", {"gsrn": gsrn(1)}, page=f"/inbox/{case}")
    assert _case(app, case).gsrn == gsrn(1)
    assert f"/points/{gsrn(1)}" in agent.get("/inbox").text


def test_a_case_is_closed_with_its_outcome_and_never_twice(
    app: Flask, agent: Visitor, case: int
) -> None:
    nothing = agent.post(f"/inbox/{case}/close", {"outcome": ""}, page=f"/inbox/{case}")
    assert nothing.status_code == 422
    form = {"outcome": "CALLED", "note": "Soitettu, sähköt ovat päällä."}
    agent.post(f"/inbox/{case}/close", form, page=f"/inbox/{case}")
    closed = _case(app, case)
    assert (closed.state, closed.outcome, closed.closed_by) == ("CLOSED", "CALLED", "aino")
    assert f"/inbox/{case}" not in agent.get("/inbox").text
    assert f"/inbox/{case}" in agent.get("/inbox?view=closed").text
    again = agent.post(f"/inbox/{case}/close", form, page="/inbox?view=closed")
    assert again.status_code == 302
    assert [action for _, action, _ in _audit(app)].count("CASE_CLOSED") == 1


def test_what_comes_after_the_end_opens_another_case(
    app: Flask, agent: Visitor, case: int, writing: Writing
) -> None:
    agent.post(f"/inbox/{case}/close", {"outcome": "SPAM"}, page=f"/inbox/{case}")
    with writing() as session:
        other = reply_cases.open_case(session, STRANGER, CaseReason.UNKNOWN_NUMBER, NOW)
    assert other != case


def test_an_unknown_case_is_not_found(agent: Visitor) -> None:
    assert agent.get("/inbox/999").status_code == 404


def test_req_21_the_points_page_shows_what_the_customer_wrote(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        session.add(
            InboundSms(
                sid="SM2",
                from_number=PHONE,
                to_number="+358454900900",
                body="KATKO",
                received_at=NOW,
                state="DONE",
                verdict="OUTAGE",
                next_at=NOW,
                gsrn=point,
            )
        )
    page = agent.get(f"/points/{point}").text
    assert "The customer wrote: KATKO" in page
    assert "Reported a power cut" in page


def _case(app: Flask, case_id: int) -> ReplyCase:
    with app.app_context(), transaction() as session:
        return session.get_one(ReplyCase, case_id, populate_existing=True)


def _audit(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        with transaction() as session:
            rows = session.execute(
                select(AuditEntry.actor, AuditEntry.action, AuditEntry.subject)
            ).all()
        db.session.remove()
    return [tuple(row) for row in rows]  # type: ignore[misc]


def _notices(app: Flask) -> list[Notice]:
    with app.app_context():
        with transaction() as session:
            rows = list(session.scalars(select(Notice).order_by(Notice.id)))
        db.session.remove()
    return rows
