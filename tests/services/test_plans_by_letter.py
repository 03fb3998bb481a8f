"""Planned cuts that are announced by letter: nobody reads of a plan that is none any more (REQ-16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import transaction
from app.domain.message_json import texts_to_json
from app.domain.notice_types import NoticeType
from app.models import Letter
from app.models.customer import Contact
from app.models.message_version import MessageVersion
from app.services import aftercare, letters, opt_outs, planned_telling, published_texts
from app.services.message_templates import SHIPPED
from app.settings import Settings
from tests.services.announcing import plan_all
from tests.services.cuts import (
    FROM,
    MONDAY,
    OTHER,
    TO,
    add_street,
    announced,
    gsrn,
    hours,
    leave_planned,
    phone,
    send_all,
    told,
    wish,
)
from tests.services.world import MAIL, ledger

NOTICE, CHANGED, CANCELLED = "PLANNED_NOTICE", "PLANNED_CHANGED", "PLANNED_CANCELLED"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        published_texts.forget()
        yield
    published_texts.forget()


def test_req_16_who_read_of_it_in_a_letter_reads_in_a_letter_that_it_is_called_off() -> None:
    plan_id = _announced_by_letter()
    _post()
    _cancel(plan_id)
    (first, second) = _letters()
    assert (first.type, first.state) == (NOTICE, "POSTED")
    assert (second.type, second.state, second.gsrn) == (CANCELLED, "DUE", first.gsrn)
    assert "Koivutie 1" in second.body
    # The other one has heard of it in the usual way.
    assert set(told(CANCELLED)) == {phone(2)}


def test_req_16_a_letter_of_a_plan_that_was_called_off_is_not_printed_any_more() -> None:
    plan_id = _announced_by_letter()
    _cancel(plan_id)
    (letter,) = _letters()
    with transaction() as session:
        assert letters.print_out(session, [letter.id], by="staff:otso", now=MONDAY) == []
    assert [(one.type, one.state) for one in _letters()] == [(NOTICE, "WITHDRAWN")]


def test_req_16_what_is_printed_is_not_posted_after_the_plan_has_moved() -> None:
    plan_id = _announced_by_letter()
    (letter,) = _letters()
    with transaction() as session:
        letters.print_out(session, [letter.id], by="staff:otso", now=MONDAY)
    _move(plan_id)
    with transaction() as session:
        assert letters.mark_posted(session, [letter.id], by="staff:otso", now=MONDAY) == 0
    # It may be in the post all the same, so the change is told, and told once.
    assert [(one.type, one.state) for one in _letters()] == [
        (NOTICE, "WITHDRAWN"),
        (CHANGED, "DUE"),
    ]
    assert "27.11." in _letters()[1].body


def test_req_16_a_letter_that_was_not_printed_gives_way_to_one_of_the_plan_as_it_is() -> None:
    plan_id = _announced_by_letter()
    _move(plan_id)
    with transaction() as session:
        letters.withdraw_outdated(session)
    assert [(one.type, one.state) for one in _letters()] == [(NOTICE, "WITHDRAWN"), (NOTICE, "DUE")]
    assert "27.11." in _letters()[1].body


def test_a_plan_that_grows_is_not_written_about_twice() -> None:
    plan_id = _announced_by_letter(count=3, of=2)
    _post()
    with transaction() as session:
        planned_telling.reschedule(
            session,
            plan_id,
            FROM,
            TO,
            by=OTHER,
            now=MONDAY,
            version=None,
            wanted=wish([gsrn(1), gsrn(2), gsrn(3)]).wanted,
        )
    _settle()
    assert [(one.type, one.state) for one in _letters()] == [(NOTICE, "POSTED")]


def test_req_16_what_did_not_arrive_is_not_told_otherwise_after_the_plan_was_called_off() -> None:
    street = _with_mail()
    plan_id = announced(street[:1]).id
    _cancel(plan_id)
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'UNDELIVERED' WHERE channel = 'SMS'"))
    _care(MONDAY + hours(1))
    assert [(n.type, n.channel, n.state) for n in ledger() if n.fallback_of] == [
        (CANCELLED, "EMAIL", "QUEUED")
    ]


def test_req_11_an_opt_out_stops_what_waits_to_go_by_the_other_channel() -> None:
    street = _with_mail()
    announced(street[:1])
    _undelivered()
    # At night it waits for the morning, and meanwhile its reader leaves.
    _care(MONDAY + hours(12))
    with transaction() as session:
        opt_outs.opt_out(session, MAIL, None, source="EMAIL", by="test", now=MONDAY + hours(13))
    assert [n.state for n in ledger() if n.fallback_of] == ["SUPPRESSED"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE contact SET only_gsrns = ARRAY['1'], third_party_name = 'Veli',"
        " state = 'VERIFIED' WHERE kind = 'EMAIL'",
        "UPDATE contact SET doubt = 'SHARED' WHERE kind = 'EMAIL'",
    ],
)
def test_what_did_not_arrive_goes_to_nobody_who_may_not_hear_of_it(change: str) -> None:
    street = _with_mail()
    announced(street[:1])
    with transaction() as session:
        session.execute(text(change))
    _undelivered()
    _care(MONDAY)
    assert [n for n in ledger() if n.fallback_of] == []
    assert [one.type for one in _letters()] == [NOTICE]


def test_what_did_not_arrive_is_told_otherwise_in_the_words_in_use() -> None:
    _publish_other_words()
    street = _with_mail()
    announced(street[:2])
    _undelivered()
    _care(MONDAY)
    (mail,) = [n for n in ledger() if n.fallback_of]
    assert (mail.text_version, "Uusin sanoin" in (mail.body or "")) == (1, True)
    (letter,) = _letters()
    assert "Uusin sanoin" in letter.body


def _announced_by_letter(count: int = 2, of: int = 2) -> int:
    """A cut that the first customer hears of by letter only, the others by text message."""
    street = add_street(count)
    leave_planned(phone(1))
    plan = announced(street[:of])
    _care(MONDAY)
    assert [(one.type, one.state) for one in _letters()] == [(NOTICE, "DUE")]
    return plan.id


def _with_mail() -> list[str]:
    """A street of two whose first customer has an e-mail address as well."""
    street = add_street(2)
    with transaction() as session:
        session.add(
            Contact(
                customer_id="C1",
                kind="EMAIL",
                value=MAIL,
                state="UNVERIFIED",
                source="CIS",
                enrolled=True,
                bounce_count=0,
                created_at=MONDAY,
            )
        )
    return street


def _undelivered() -> None:
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'UNDELIVERED' WHERE channel = 'SMS'"))


def _publish_other_words() -> None:
    shipped = SHIPPED.by_type[NoticeType.PLANNED_NOTICE]
    words = {
        language: replace(message, email_lines=("Uusin sanoin.",))
        for language, message in shipped.items()
    }
    with transaction() as session:
        session.add(
            MessageVersion(
                kind=NOTICE,
                number=1,
                based_on=0,
                texts=texts_to_json(words),
                state="PUBLISHED",
                note="",
                authors=["a"],
                created_at=MONDAY,
                changed_at=MONDAY,
            )
        )
    published_texts.forget()


def _post() -> None:
    with transaction() as session:
        ids = [letter.id for letter in session.query(Letter)]
        assert letters.print_out(session, ids, by="staff:otso", now=MONDAY)
        assert letters.mark_posted(session, ids, by="staff:otso", now=MONDAY) == len(ids)


def _cancel(plan_id: int) -> None:
    at = MONDAY + hours(1)
    with transaction() as session:
        planned_telling.cancel(session, plan_id, reason="X", by=OTHER, now=at, version=None)
    _settle(at)


def _move(plan_id: int) -> None:
    at = MONDAY + hours(1)
    with transaction() as session:
        planned_telling.reschedule(
            session, plan_id, FROM + hours(24), TO + hours(24), by=OTHER, now=at, version=None
        )
    _settle(at)


def _settle(at: datetime = MONDAY) -> None:
    plan_all(at)
    send_all(at)
    _care(at)


def _care(at: datetime) -> None:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    with transaction() as session:
        aftercare.care(session, settings, 100, at)


def _letters() -> list[Letter]:
    with transaction() as session:
        return list(session.query(Letter).order_by(Letter.id).populate_existing())
