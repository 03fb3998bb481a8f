"""The unsubscribe link of e-mails: asks people, obeys mail programs, and says what goes on."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from app.services.unsubscribe_link import unsubscribe_url
from tests.web.conftest import Writing
from tests.web.resident import Resident
from tests.web.sample_rows import add_point
from tests.web.test_customer_pages import count

MAIL = "maija@example.fi"


def _path(app: Flask, topic: str = "FAULT", value: str = MAIL) -> str:
    settings = app.extensions["tiedolla_settings"]
    return unsubscribe_url(settings, value, topic).removeprefix(settings.base_url)


def test_opening_the_link_ends_nothing(app: Flask, home: str) -> None:
    page = Resident(app).get(_path(app))
    assert "End e-mails to m…@example.fi?" in page.text
    assert MAIL not in page.text
    assert count(app, "SELECT count(*) FROM preference") == 0


def test_a_mail_program_ends_the_topic_without_a_log_in(app: Flask, home: str) -> None:
    client = app.test_client()
    for _ in range(2):
        answer = client.post(_path(app), data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert count(app, "SELECT count(*) FROM preference WHERE source = 'EMAIL'") == 1
    assert count(app, "SELECT count(*) FROM preference_change") == 1


def test_a_person_may_end_everything(app: Flask, home: str) -> None:
    answer = app.test_client().post(
        _path(app), data={"what": "everything"}, headers={"Accept-Language": "en"}
    )
    assert "gets no more status messages" in answer.text
    assert count(app, "SELECT count(*) FROM preference WHERE NOT enabled") == 6


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("PLANNED", "The law asks us to tell you"),
        ("SAFETY", "Warnings about danger"),
    ],
)
def test_what_cannot_be_ended_is_said(app: Flask, home: str, topic: str, words: str) -> None:
    answer = app.test_client().post(_path(app, topic), headers={"Accept-Language": "en"})
    assert answer.status_code == 409
    assert words in answer.text
    assert count(app, "SELECT count(*) FROM preference") == 0


@pytest.mark.parametrize("token", ["x", "AAAA", "%01", "é"])
def test_a_link_that_we_did_not_make_fits_nobody(app: Flask, home: str, token: str) -> None:
    for answer in (
        app.test_client().get(f"/unsubscribe/{token}"),
        app.test_client().post(f"/unsubscribe/{token}"),
    ):
        assert answer.status_code == 410


def test_req_13_an_address_that_moved_on_fits_nobody(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = DATE '2020-01-01'"))
    answer = app.test_client().post(_path(app), headers={"Accept-Language": "en"})
    assert answer.status_code == 410
    assert "fits no address any more" in answer.text


@pytest.fixture
def home(writing: Writing) -> str:
    """A home that hears by e-mail."""
    with writing() as session:
        return add_point(session, 1, phone=None, email=MAIL)
