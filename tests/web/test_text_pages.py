"""Operators write the texts of notices, see what they weigh, and let pass what others wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.notice_types import NoticeType
from app.models.message_version import MessageVersion
from app.models.notice import Notice
from app.models.outbox_item import OutboxItem
from tests.web.conftest import StandingClock, Writing
from tests.web.visitor import Visitor

EDIT = "/texts/HELP_REPLY/edit"
ONE = "/texts/HELP_REPLY/versions/1"


def test_the_list_names_every_kind_with_its_sender(operator: Visitor) -> None:
    page = operator.get("/texts").text
    for kind in NoticeType:
        assert f'href="/texts/{kind}"' in page
    assert "As shipped" in page
    assert "cannot be answered" in page


@pytest.mark.parametrize(
    "path",
    ["/texts", "/texts/HELP_REPLY", EDIT, "/texts/HELP_REPLY/versions/0", "/texts/addresses"],
)
def test_customer_service_does_not_edit_texts(agent: Visitor, path: str) -> None:
    assert agent.get(path).status_code == 403


@pytest.mark.parametrize(
    "path", ["/texts/NONE", "/texts/NONE/edit", ONE, "/texts/addresses/FAX/code"]
)
def test_what_is_not_there_is_not_found(operator: Visitor, path: str) -> None:
    answer = operator.post(path, page="/texts/addresses") if "FAX" in path else operator.get(path)
    assert answer.status_code == 404


@pytest.mark.parametrize("kind", NoticeType)
def test_req_25_every_kind_is_shown_in_three_languages_with_its_weight(
    operator: Visitor, kind: NoticeType
) -> None:
    page = operator.get(f"/texts/{kind}").text
    for language in ("fi", "sv", "en"):
        assert re.search(rf'class="td-message__bubble" lang="{language}">', page)
    assert "GSM-7" in page
    assert "2 parts" in page or "1 part" in page


def test_a_text_is_written_submitted_and_published_by_a_second_person(
    operator: Visitor, admin: Visitor
) -> None:
    answer = operator.post(EDIT, written(operator, sms_en="((brand)): Help: call ((phone))."), EDIT)
    assert answer.location == EDIT
    assert "Help: call 0800 123 45" in operator.get(ONE).text

    assert operator.post(f"{ONE}/submit", page=ONE).location == ONE
    assert "somebody else has to publish it" in operator.get(ONE).text
    operator.post(f"{ONE}/publish", page=ONE)
    assert "Somebody else has to publish" in operator.get(ONE).text
    assert "Waits for a second person" in admin.get("/texts").text
    admin.post(f"{ONE}/publish", page=ONE)

    page = operator.get("/texts/HELP_REPLY").text
    assert "Version 1 leaves now" in page
    assert "Help: call 0800 123 45" in page
    assert "Published, version 1" in page
    assert "staff:" not in page


def test_submitting_from_the_form_saves_first(operator: Visitor) -> None:
    answer = operator.post(EDIT, written(operator, action="submit"), EDIT)
    assert answer.location == ONE
    assert "Waits for a second person" in operator.get(ONE).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sms_sv": ""}, "Swedish: Text message not written yet"),
        ({"one_way_en": "((brand)): reply or ((phone))"}, "asks for an answer"),
        ({"one_way_en": "((brand)): verkko.fi ((phone))"}, "no links in our name (verkko.fi)"),
        ({"subject_en": "Discounts for you"}, "no adverts in messages about the service"),
        ({"one_way_en": "((brand)): ((phone)) ((week))"}, "((week)) is no placeholder"),
        ({"service_only": ""}, "Somebody has to confirm that it is about the service only"),
    ],
)
def test_req_24_28_29_30_what_is_wrong_is_said_and_nothing_is_lost(
    operator: Visitor, changes: dict[str, str], words: str
) -> None:
    data = written(operator, **changes)
    if data["service_only"] == "":
        del data["service_only"]
    answer = operator.post(EDIT, {**data, "action": "submit"}, EDIT)
    assert answer.status_code == 422
    assert words in answer.text
    assert "The draft is saved, but it cannot be submitted" in answer.text
    assert "Draft" in operator.get("/texts").text
    # What the form holds now can be mended and saved without starting again.
    again = {**data, "seen_at": hidden(answer.text, "seen_at")}
    assert operator.post(EDIT, again, EDIT).location == EDIT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sms_fi": "x" * 501}, "Use 500 characters at most"),
        ({"facts_fi": "no value"}, "Write each fact as “Name: value”; this is none: no value"),
        ({"lines_fi": "\n".join(["line"] * 13)}, "Use 12 lines at most"),
        ({"lines_fi": "x" * 601}, "Use 600 characters a line at most"),
        ({"note": "x" * 301}, "Use 300 characters at most"),
    ],
)
def test_a_form_that_cannot_be_kept_says_what_to_mend(
    operator: Visitor, writing: Writing, changes: dict[str, str], words: str
) -> None:
    answer = operator.post(EDIT, written(operator, **changes), EDIT)
    assert answer.status_code == 422
    assert words in answer.text
    with writing() as session:
        assert session.execute(select(MessageVersion.id)).all() == []


def test_req_25_the_preview_names_the_signs_that_make_a_text_dear(operator: Visitor) -> None:
    data = written(operator, sms_fi="((brand)): Šakki – ((phone)) ž " + "pitkä " * 30)
    page = operator.post("/texts/HELP_REPLY/preview", data, EDIT).text
    assert "Š ž is outside the alphabet of text messages" in page
    assert "UCS-2" in page
    assert "More than two parts in the longest case" in page
    assert "–" not in page
    assert "<html" not in page


def test_the_preview_button_works_without_scripts_and_stores_nothing(
    operator: Visitor, writing: Writing
) -> None:
    data = written(operator, action="preview", sms_en="((brand)): Preview me ((phone))")
    answer = operator.post(EDIT, data, EDIT)
    assert answer.status_code == 200
    assert "Verkkoyhtio: Preview me 0800 123 45" in answer.text
    with writing() as session:
        assert session.execute(select(MessageVersion.id)).all() == []


def test_words_of_a_text_are_never_markup(operator: Visitor) -> None:
    operator.post(EDIT, written(operator, sms_fi="((brand)): <b>((phone))</b>"), EDIT)
    for page in (ONE, EDIT, "/texts/HELP_REPLY"):
        assert "<b>" not in operator.get(page).text


def test_two_people_who_write_at_once_do_not_overwrite_each_other(
    operator: Visitor, admin: Visitor
) -> None:
    mine, theirs = written(operator), written(admin, sms_en="((brand)): Mine ((phone))")
    assert operator.post(EDIT, mine, EDIT).status_code == 302
    answer = admin.post(EDIT, theirs, EDIT)
    assert answer.status_code == 422
    assert "Somebody else has changed the draft meanwhile" in answer.text
    assert "Mine" in answer.text


def test_a_rejected_version_stays_in_the_history(operator: Visitor, admin: Visitor) -> None:
    operator.post(EDIT, written(operator, action="submit"), EDIT)
    admin.post(f"{ONE}/reject", {"note": "Too curt"}, ONE)
    page = operator.get("/texts/HELP_REPLY").text
    assert "Rejected" in page
    assert "Too curt" in page
    operator.post(EDIT, written(operator), EDIT)
    assert operator.get("/texts/HELP_REPLY/versions/2").status_code == 200


def test_going_back_to_the_shipped_text_needs_one_person(operator: Visitor, admin: Visitor) -> None:
    operator.post(EDIT, written(operator, action="submit"), EDIT)
    admin.post(f"{ONE}/publish", page=ONE)
    shipped = "/texts/HELP_REPLY/versions/0"
    assert "Go back to this version" in operator.get(shipped).text
    operator.post(f"{shipped}/roll-back", page=shipped)
    assert "leaves now as it was shipped" in operator.get("/texts/HELP_REPLY").text
    operator.post(f"{ONE}/roll-back", page=ONE)
    assert "Version 1 leaves now" in operator.get("/texts/HELP_REPLY").text


def test_the_difference_is_said_in_words_too(operator: Visitor) -> None:
    operator.post(EDIT, written(operator, subject_en="Help with our messages"), EDIT)
    page = operator.get(ONE).text
    assert "What reads otherwise than as shipped" in page
    assert re.search(r"<ins><span[^>]*>added: </span>our</ins>", page)
    assert re.search(r"<del><span[^>]*>removed: </span>status</del>", page)


def test_a_test_goes_to_ones_own_proven_address_only(
    operator: Visitor, writing: Writing, clock: StandingClock
) -> None:
    test = {"channel": "SMS", "language": "sv", "sample": "TYPICAL"}
    shipped = "/texts/HELP_REPLY/versions/0"
    assert operator.post(f"{shipped}/test", test, shipped).location == "/texts/addresses"

    page = "/texts/addresses"
    answer = operator.post("/texts/addresses/SMS/code", {"value": "nonsense"}, page)
    assert answer.status_code == 422
    operator.post("/texts/addresses/SMS/code", {"value": "040 123 4567"}, page)
    assert operator.post(f"{shipped}/test", test, shipped).location == "/texts/addresses"
    code = last_code(writing)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    operator.post("/texts/addresses/SMS/verify", {"code": wrong}, page)
    assert "Not proven yet" in operator.get(page).text
    operator.post("/texts/addresses/SMS/verify", {"code": f" {code} "}, page)
    assert "Proven" in operator.get(page).text

    clock.pass_by(seconds=1)
    assert operator.post(f"{shipped}/test", test, shipped).location == shipped
    with writing() as session:
        notice = session.execute(select(Notice).order_by(Notice.id.desc()).limit(1)).scalar_one()
        assert (notice.type, notice.language, notice.sent_to) == (
            "HELP_REPLY",
            "sv",
            "+358401234567",
        )
        assert (notice.to_staff, notice.customer_id, notice.gsrn) == (True, None, "")
        assert notice.state == "QUEUED"
        keys = session.execute(select(OutboxItem.business_key)).scalars().all()
        assert f"notice:{notice.id}" in keys


def test_a_code_for_tests_can_be_guessed_at_five_times_and_asked_for_five_times_an_hour(
    operator: Visitor, writing: Writing, clock: StandingClock
) -> None:
    page = "/texts/addresses"
    for _ in range(5):
        clock.pass_by(seconds=1)
        answer = operator.post("/texts/addresses/EMAIL/code", {"value": "otso@example.fi"}, page)
        assert answer.status_code == 302
    answer = operator.post("/texts/addresses/EMAIL/code", {"value": "otso@example.fi"}, page)
    assert answer.status_code == 429
    code = last_code(writing)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        operator.post("/texts/addresses/EMAIL/verify", {"code": wrong}, page)
    operator.post("/texts/addresses/EMAIL/verify", {"code": code}, page)
    assert "Not proven yet" in operator.get(page).text
    # A session ends after an hour without a look at a page.
    clock.pass_by(minutes=40)
    operator.get(page)
    clock.pass_by(minutes=21)
    operator.post("/texts/addresses/EMAIL/code", {"value": "otso@example.fi"}, page)
    clock.pass_by(minutes=11)
    operator.post("/texts/addresses/EMAIL/verify", {"code": last_code(writing)}, page)
    assert "The code is no longer good" in operator.get(page).text


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_the_pages_are_there_in_finnish_and_swedish(
    app: Flask, operator: Visitor, language: str
) -> None:
    operator.client.set_cookie("lang", language)
    for page in (
        "/texts",
        "/texts/FAULT_RESTORED",
        "/texts/FAULT_RESTORED/edit",
        "/texts/addresses",
    ):
        assert f'<html lang="{language}"' in operator.get(page).text


def written(visitor: Visitor, **changes: str) -> dict[str, Any]:
    """The form as it stands, with some parts written otherwise."""
    page = visitor.get(EDIT).text
    data = {
        "base": hidden(page, "base"),
        "seen_at": hidden(page, "seen_at"),
        "note": "Shorter",
        "service_only": "y",
        "action": "save",
    }
    for language in ("fi", "sv", "en"):
        for part in ("sms", "one_way", "lines", "facts"):
            found = re.search(rf'<textarea[^>]*id="{part}_{language}"[^>]*>([^<]*)<', page)
            assert found is not None, (part, language)
            data[f"{part}_{language}"] = found[1].replace("&#34;", '"').strip()
        found = re.search(rf'id="subject_{language}"[^>]*value="([^"]*)"', page)
        assert found is not None
        data[f"subject_{language}"] = found[1]
    return {**data, **changes}


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def last_code(writing: Writing) -> str:
    """The code in the last message to staff."""
    with writing() as session:
        body = session.execute(
            select(Notice.body).where(Notice.to_staff).order_by(Notice.id.desc()).limit(1)
        ).scalar_one()
    found = re.search(r"\b\d{6}\b", body or "")
    assert found is not None
    return found[0]
