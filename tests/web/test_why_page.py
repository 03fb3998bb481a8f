"""Why a message was sent or not, and what many were told: the pages that answer for it."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from app.domain import (
    announcement_policy,
    night_hold,
    notice_policy,
    telling_obstacles,
    telling_times,
)
from app.models import (
    Announcement,
    Attempt,
    AuditEntry,
    Contact,
    ContactChange,
    DeliveryReceipt,
    Letter,
    Notice,
    NoticePoint,
    OutagePoint,
    PreferenceChange,
)
from app.models.outage import Outage
from app.services import last_look, last_words
from app.web import decisions
from tests.web.conftest import Writing
from tests.web.sample_rows import add_item, add_notice, add_point, gsrn
from tests.web.visitor import Visitor

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_the_page_says_why_and_shows_every_call_and_report(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        notice = _notice(session, point, decision="In quiet hours, but it is happening right now.")
        attempt = _attempt(session, notice)
        session.add(
            DeliveryReceipt(
                provider="twilio",
                dedupe_key="r1",
                attempt_id=attempt,
                status="delivered",
                received_at=NOW + timedelta(seconds=9),
                verdict="APPLIED",
            )
        )
        number = notice.id
    page = agent.get(f"/notices/{number}").text
    assert "In quiet hours, but it is happening right now." in page
    assert "It waits for the end of quiet hours." not in page
    assert "Handed to the provider" in page
    assert "SM-the-one" in page
    assert 'Arrived <span class="td-small td-muted">delivered</span>' in page
    assert page.count(f'href="/points/{point}"') >= 1


def test_the_wishes_shown_are_those_of_the_moment_of_the_decision(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        notice = _notice(session, point)
        contact = session.query(Contact).first()
        assert contact is not None
        notice.contact_id = contact.id
        for enabled, at in ((True, NOW - timedelta(days=2)), (False, NOW + timedelta(days=1))):
            session.add(
                PreferenceChange(
                    contact_id=contact.id,
                    topic="METER_SWAP",
                    enabled=enabled,
                    source="PORTAL",
                    legal_basis="CONTRACT",
                    changed_by="customer:C1",
                    changed_at=at,
                )
            )
        number = notice.id
    page = agent.get(f"/notices/{number}").text
    assert "wants these messages" in page
    assert "does not want these messages" not in page


def test_a_choice_that_was_taken_back_was_no_wish_any_more(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        notice = _notice(session, add_point(session, 1))
        contact = session.query(Contact).first()
        assert contact is not None
        notice.contact_id = contact.id
        for ended, days in ((False, 3), (True, 2)):
            session.add(
                PreferenceChange(
                    contact_id=contact.id,
                    topic="METER_SWAP",
                    enabled=False,
                    ended=ended,
                    source="PORTAL",
                    legal_basis="CONTRACT",
                    changed_by="customer:C1",
                    changed_at=NOW - timedelta(days=days),
                )
            )
        number = notice.id
    page = agent.get(f"/notices/{number}").text
    assert "does not want these messages" not in page
    assert "Nothing was chosen" in page


def test_the_quiet_hours_shown_are_those_of_the_moment_of_the_decision(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        notice = _notice(session, add_point(session, 1))
        contact = session.query(Contact).first()
        assert contact is not None
        notice.contact_id = contact.id
        contact.quiet_from, contact.quiet_to = time(20), time(9)
        number = notice.id
        for old, new, at in (
            (None, "21.00-08.00", NOW - timedelta(days=1)),
            ("21.00-08.00", None, NOW + timedelta(days=1)),
            (None, "20.00-09.00", NOW + timedelta(days=2)),
        ):
            session.add(
                ContactChange(
                    contact_id=contact.id,
                    what="QUIET_HOURS",
                    old_value=old,
                    new_value=new,
                    source="PORTAL",
                    legal_basis="CONTRACT",
                    changed_by="customer:C1",
                    changed_at=at,
                )
            )
    page = agent.get(f"/notices/{number}").text
    assert "21.00–08.00" in page
    assert "20.00–09.00" not in page


def test_what_did_not_arrive_leads_to_what_was_sent_and_owed_instead(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        first = _notice(session, point, kind="PLANNED_NOTICE", state="FALLBACK", order_id=None)
        second = _notice(session, point, kind="PLANNED_NOTICE", state="UNDELIVERED", order_id=None)
        second.fallback_of = first.id
        session.add(
            Letter(
                dedupe_key="x",
                notice_id=second.id,
                gsrn=point,
                type="PLANNED_NOTICE",
                language="fi",
                reason="UNDELIVERED",
                subject="x",
                body="x",
                state="DUE",
                created_at=NOW,
            )
        )
        numbers = first.id, second.id
    assert f'href="/notices/{numbers[1]}"' in agent.get(f"/notices/{numbers[0]}").text
    page = agent.get(f"/notices/{numbers[1]}").text
    assert f'href="/notices/{numbers[0]}"' in page
    assert "By letter 1" in page


def test_a_replaced_message_leads_to_the_one_that_took_its_place(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        order = {"order_id": "A-1"}
        reason = {"state": "SUPERSEDED", "suppress_reason": "SUPERSEDED"}
        first = _notice(session, point, **order, **reason)
        end = NOW + timedelta(minutes=20)
        later = _notice(session, point, kind="METER_SWAP_DONE", at=end, **order)
        numbers = first.id, later.id
    page = agent.get(f"/notices/{numbers[0]}").text
    assert "A later message took its place:" in page
    assert f'href="/notices/{numbers[1]}"' in page


def test_a_point_named_beside_others_shows_the_message_too(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        first, second = add_point(session, 1), add_point(session, 2)
        notice = _notice(session, first)
        notice.point_count = 2
        session.add_all(NoticePoint(notice_id=notice.id, gsrn=one) for one in (first, second))
        number = notice.id
    assert f'id="message-{number}"' in agent.get(f"/points/{second}").text


@pytest.mark.parametrize("again", [False, True], ids=["called off", "planned anew"])
def test_a_plan_that_was_stopped_is_not_said_to_be_replaced_unless_it_was(
    agent: Visitor, writing: Writing, again: bool
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        plan = {"topic": "PLANNED", "outage_id": 7, "order_id": None}
        stopped = {"state": "SUPERSEDED", "suppress_reason": "SUPERSEDED"}
        number = _notice(session, point, "PLANNED_NOTICE", **plan, **stopped).id
        if again:
            _notice(session, point, "PLANNED_NOTICE", NOW + timedelta(hours=1), **plan)
    page = agent.get(f"/notices/{number}").text
    assert "Stopped, no longer true" in page
    assert ("A later message took its place:" in page) is again
    assert ("the plan was changed or called off before it left" in page) is not again


def test_whoever_reads_letters_is_told_by_letter(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        point = add_point(session, 1)
        reason = {"state": "SUPPRESSED", "suppress_reason": "NO_CONTACT", "channel": None}
        words = {"decision": "There is no contact to tell.", "sent_to": None, "body": None}
        notice = _notice(session, point, "PLANNED_NOTICE", topic="PLANNED", **reason, **words)
        letter = Letter(
            dedupe_key="1",
            notice_id=notice.id,
            gsrn=point,
            type="PLANNED_NOTICE",
            language="fi",
            reason="NO_CONTACT",
            subject="Katko",
            body="Katko",
            state="DUE",
            created_at=NOW,
        )
        session.add(letter)
        number = notice.id
    page = agent.get(f"/notices/{number}").text
    assert "To be told by letter." in page
    with writing() as session:
        session.query(Letter).update({"state": "POSTED"})
    page = agent.get(f"/notices/{number}").text
    assert "Told by letter." in page
    assert "so they read of it in a letter" in page
    with writing() as session:
        session.query(Letter).update({"state": "WITHDRAWN"})
    page = agent.get(f"/notices/{number}").text
    assert "so they read of it in a letter" not in page
    assert "there is no phone number or e-mail address to tell it to" in page


def test_a_message_that_does_not_exist_is_not_found(agent: Visitor) -> None:
    assert agent.get("/notices/4711").status_code == 404


def test_the_reverse_list_names_those_who_should_have_got_it_and_did_not(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        number = _announcement(session)
        for place, (state, reason) in enumerate(
            [("DELIVERED", None), ("SUPPRESSED", "OPTED_OUT"), ("UNDELIVERED", None)], start=1
        ):
            _notice(
                session,
                add_point(session, place),
                state=state,
                suppress_reason=reason,
                announcement_id=number,
                outage_id=1,
                order_id=None,
            )
        # A point of the outage that somebody added later.
        session.add(OutagePoint(outage_id=1, gsrn=gsrn(9), off_at=NOW))
    missed = operator.get(f"/announcements/{number}").text
    assert gsrn(1) not in missed
    assert gsrn(2) in missed
    assert "the customer does not want these messages" in missed
    assert gsrn(3) in missed
    assert gsrn(9) in missed
    reached = operator.get(f"/announcements/{number}?which=REACHED").text
    assert gsrn(1) in reached
    assert gsrn(2) not in reached


@pytest.mark.parametrize(
    ("subject", "words", "href"),
    [
        ("outage:1", "Outage 1", "/outages/1"),
        ("connection:LT-1", "Connection order LT-1", "/connections/LT-1"),
        ("correction:55", "Announcement 55", "/announcements/55"),
        ("storm:3/837", "Storm, Tampere", "/storms"),
        ("area:837", "Whoever follows Tampere", None),
    ],
)
def test_what_an_announcement_is_about_is_said_in_words_that_lead_there(
    operator: Visitor, writing: Writing, subject: str, words: str, href: str | None
) -> None:
    with writing() as session:
        number = _announcement(session)
        session.get_one(Announcement, number).subject = subject
    for path in (f"/announcements/{number}", "/announcements"):
        page = operator.get(path).text
        assert subject not in page
        assert (f'href="{href}">{words}</a>' if href else words) in page


def test_req_34_a_second_person_lets_a_held_announcement_go(
    operator: Visitor, admin: Visitor, writing: Writing
) -> None:
    with writing() as session:
        number = _announcement(session, state="HELD", created_by="staff:otso")
    own = operator.get(f"/announcements/{number}").text
    assert "somebody else has to decide" in own
    page = f"/announcements/{number}"
    operator.post(f"/announcements/{number}/decide", {"decision": "let_go"}, page=page)
    with writing() as session:
        assert session.get_one(Announcement, number).state == "HELD"
    admin.post(f"/announcements/{number}/decide", {"decision": "let_go"}, page=page)
    with writing() as session:
        found = session.get_one(Announcement, number)
        assert (found.state, found.decided_by) == ("PENDING", "staff:armi")
        assert session.query(AuditEntry).filter_by(subject=f"announcement:{number}").count() == 1


def test_req_34_a_correction_is_announced_once_and_stops_what_waits(
    operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        number = _announcement(session, state="HELD")
    page = f"/announcements/{number}"
    for _ in range(2):
        operator.post(f"/announcements/{number}/correct", {"kind": "normal"}, page=page)
    with writing() as session:
        wrong = session.get_one(Announcement, number)
        assert (wrong.state, wrong.state_reason) == ("WITHDRAWN", "CORRECTED")
        (correction,) = session.query(Announcement).filter_by(corrects_id=number)
        assert (correction.type, correction.state) == ("CORRECTION", "PENDING")


def test_agents_do_not_open_announcements(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        number = _announcement(session)
    assert agent.get(f"/announcements/{number}").status_code == 403


def test_every_sentence_of_the_policies_is_known_in_three_languages() -> None:
    known = {str(sentence._args[0]) for sentence in decisions._SENTENCES}
    missing = {
        sentence
        for module in (
            notice_policy,
            announcement_policy,
            telling_obstacles,
            telling_times,
            night_hold,
            last_words,
            last_look,
        )
        for sentence in _sentences(Path(str(module.__file__)))
        if sentence not in known and not decisions._AGO.fullmatch(sentence)
    }
    assert missing == set()


def _sentences(path: Path) -> set[str]:
    """String constants of a module that are sentences and no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in docstrings
        and node not in inside
        and re.fullmatch(r"[A-Z][^\n]* [^\n]*\.", node.value)
    }


def _announcement(
    session: Session, state: str = "DONE", created_by: str = "system:dms", outage: int = 1
) -> int:
    if session.get(Outage, outage) is None:
        session.add(
            Outage(
                id=outage,
                source="DMS",
                source_ref=f"F-{outage}",
                kind="FAULT",
                state="CONFIRMED",
                version=1,
                started_at=NOW,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        session.flush()
    found = Announcement(
        type="FAULT_STARTED",
        topic="FAULT",
        priority=30,
        subject=f"outage:{outage}",
        occurrence="",
        outage_id=outage,
        event_at=NOW,
        facts={},
        expected_count=25_000,
        state=state,
        created_by=created_by,
        created_at=NOW,
    )
    session.add(found)
    session.flush()
    return found.id


def _notice(
    session: Session,
    point: str,
    kind: str = "METER_SWAP_STARTED",
    at: datetime = NOW,
    **changes: object,
) -> Notice:
    return add_notice(session, point, kind, at, **changes)


def _attempt(session: Session, notice: Notice) -> object:
    item = add_item(session, "sms", "SENT", business_key=f"notice:{notice.id}", kind="NOTICE")
    attempt = Attempt(
        id=uuid4(),
        outbox_item_id=item.id,
        lease=1,
        started_at=NOW,
        finished_at=NOW,
        outcome="SENT",
        ref="SM-the-one",
    )
    session.add(attempt)
    session.flush()
    return attempt.id
