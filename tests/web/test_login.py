"""Logging in, staying in, and being put out again."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import db, transaction
from app.domain.roles import Role
from app.models import AuditEntry, StaffAccount
from app.services import staff
from tests.web.conftest import StandingClock, Writing
from tests.web.sample_rows import PASSWORD, add_staff
from tests.web.visitor import Visitor

WRONG = "The user name or password is wrong"


def test_the_right_password_leads_to_the_search_page(visitor: Visitor, aino: str) -> None:
    answer = visitor.log_in(aino)

    assert (answer.status_code, answer.location) == (302, "/")
    assert "Aino Esimerkki" in visitor.get("/").text


def test_the_user_name_may_be_typed_in_capitals(visitor: Visitor, aino: str) -> None:
    assert visitor.log_in(f" {aino.upper()} ").status_code == 302


def test_a_wrong_password_and_an_unknown_name_get_the_same_page(
    visitor: Visitor, aino: str
) -> None:
    wrong = visitor.log_in(aino, "not the password")
    unknown = visitor.log_in("nobody", "not the password")

    assert wrong.status_code == unknown.status_code == 422
    assert WRONG in wrong.text
    assert _without_form_values(wrong.text) == _without_form_values(unknown.text)


def test_an_unknown_name_costs_as_much_work_as_a_known_one(visitor: Visitor, aino: str) -> None:
    visitor.log_in("nobody", "warm up")

    known = min(_log_in_s(visitor, aino) for _ in range(3))
    unknown = min(_log_in_s(visitor, "nobody") for _ in range(3))

    assert unknown > known / 2


def test_the_fifth_failure_locks_even_the_right_password_out_for_15_minutes(
    visitor: Visitor, aino: str, clock: StandingClock
) -> None:
    for _ in range(staff.LOCK_AFTER_FAILURES):
        visitor.log_in(aino, "not the password")

    assert WRONG in visitor.log_in(aino).text
    clock.pass_by(minutes=14.9)
    assert visitor.log_in(aino).status_code == 422
    clock.pass_by(minutes=0.2)
    assert visitor.log_in(aino).status_code == 302


def test_four_failures_and_a_success_start_the_count_anew(visitor: Visitor, aino: str) -> None:
    for _ in range(2):
        for _ in range(staff.LOCK_AFTER_FAILURES - 1):
            visitor.log_in(aino, "not the password")
        assert visitor.log_in(aino).status_code == 302
        visitor.post("/logout")


def test_the_lock_is_in_the_database_so_another_browser_meets_it_too(
    app: Flask, visitor: Visitor, aino: str
) -> None:
    for _ in range(staff.LOCK_AFTER_FAILURES):
        visitor.log_in(aino, "not the password")

    assert Visitor(app).log_in(aino).status_code == 422


def test_guesses_sent_at_the_same_moment_are_counted_one_after_the_other(
    app: Flask, aino: str
) -> None:
    now = datetime.now(UTC)

    def guess(_number: int) -> str:
        with app.app_context():
            with transaction() as session:
                outcome = staff.authenticate(session, aino, "not the password", now).outcome
            db.session.remove()
        return outcome

    with ThreadPoolExecutor(7) as pool:
        outcomes = Counter(pool.map(guess, range(7)))

    assert outcomes == {"WRONG": 5, "LOCKED": 2}


def test_an_account_that_is_switched_off_cannot_log_in(
    visitor: Visitor, aino: str, writing: Writing
) -> None:
    with writing() as session:
        account = session.scalars(select(StaffAccount)).one()
        staff.set_active(session, account, False, account.created_at, by="system:tests")

    assert visitor.log_in(aino).status_code == 422


def test_every_log_in_is_in_the_audit_trail(visitor: Visitor, aino: str, app: Flask) -> None:
    visitor.log_in(aino, "not the password")
    visitor.log_in("nobody", "not the password")
    visitor.log_in(aino)
    visitor.post("/logout")

    with app.app_context():
        rows = db.session.execute(
            select(AuditEntry.actor, AuditEntry.action)
            .where(AuditEntry.action.like("LOG%"))
            .order_by(AuditEntry.id)
        ).all()
        db.session.remove()
    assert [tuple(row) for row in rows] == [
        ("staff:aino", "LOGIN_WRONG"),
        ("staff:unknown", "LOGIN_WRONG"),
        ("staff:aino", "LOGIN_OK"),
        ("staff:aino", "LOGOUT"),
    ]


def test_a_form_without_its_token_changes_nothing(visitor: Visitor, aino: str) -> None:
    answer = visitor.client.post("/login", data={"username": aino, "password": PASSWORD})

    assert answer.status_code == 400
    assert "The form had expired" in answer.text
    assert visitor.get("/").status_code == 302


def test_empty_fields_are_named_and_linked(visitor: Visitor) -> None:
    answer = visitor.log_in("", "")

    assert answer.status_code == 422
    assert '<a href="#username">Enter your user name</a>' in answer.text
    assert '<a href="#password">Enter your password</a>' in answer.text


@pytest.mark.parametrize("target", ["/runs", "/points/649999000000000013", "/runs?state=RED"])
def test_after_the_log_in_one_comes_to_the_page_that_one_wanted(
    visitor: Visitor, aino: str, target: str
) -> None:
    asked = visitor.get(target)
    assert asked.location.startswith("/login?next=")

    assert visitor.log_in(aino, next_page=asked.location.partition("next=")[2]).location == target


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "runs",
        "%20/runs",
        "///evil.example",
        "/a%0d%0aSet-Cookie:x=y",
    ],
)
def test_no_address_leads_to_another_host_after_the_log_in(
    visitor: Visitor, aino: str, target: str
) -> None:
    assert visitor.log_in(aino, next_page=target).location == "/"


def test_logging_out_takes_a_form_and_ends_the_session(visitor: Visitor, aino: str) -> None:
    visitor.log_in(aino)

    assert visitor.get("/logout").status_code == 405
    assert visitor.get("/").status_code == 200
    assert visitor.post("/logout").location == "/login"
    assert visitor.get("/").status_code == 302


def test_nothing_from_before_the_log_in_lives_on_in_the_session(
    visitor: Visitor, aino: str
) -> None:
    with visitor.client.session_transaction() as before:
        before["planted"] = "by an attacker"
    visitor.log_in(aino)

    with visitor.client.session_transaction() as after:
        assert "planted" not in after


def test_an_idle_hour_ends_the_session_and_says_so(
    visitor: Visitor, aino: str, clock: StandingClock
) -> None:
    visitor.log_in(aino)
    clock.pass_by(minutes=59)
    assert visitor.get("/").status_code == 200
    clock.pass_by(minutes=61)

    assert visitor.get("/").status_code == 302
    assert "nothing happened for a while" in visitor.get("/login").text


def test_a_screen_that_renews_itself_does_not_keep_the_session_alive(
    visitor: Visitor, clock: StandingClock, otso: str
) -> None:
    visitor.log_in(otso)
    for _ in range(3):
        clock.pass_by(minutes=25)
        last = visitor.get("/runs?poll=1", headers={"HX-Request": "true"})

    assert last.status_code == 401


def test_a_session_ends_after_twelve_hours_of_work(
    visitor: Visitor, aino: str, clock: StandingClock
) -> None:
    visitor.log_in(aino)
    for _ in range(23):
        clock.pass_by(minutes=31)
        assert visitor.get("/").status_code == 200
    clock.pass_by(minutes=31)

    assert visitor.get("/").status_code == 302
    assert "working day was over" in visitor.get("/login").text


def test_a_new_password_ends_the_sessions_of_the_old_one(
    visitor: Visitor, aino: str, writing: Writing
) -> None:
    visitor.log_in(aino)
    with writing() as session:
        account = session.scalars(select(StaffAccount)).one()
        staff.set_password(
            session, account, "toinen-salasana", account.created_at, by="system:tests"
        )

    assert visitor.get("/").status_code == 302
    assert visitor.log_in(aino).status_code == 422
    assert visitor.log_in(aino, "toinen-salasana").status_code == 302


def test_a_session_that_was_tampered_with_is_nobodys(visitor: Visitor, aino: str) -> None:
    visitor.log_in(aino)
    visitor.client.set_cookie("tiedolla", "eyJfdXNlcl9pZCI6IjE6MSJ9.aaaa.bbbb")

    assert visitor.get("/").status_code == 302


def test_the_first_log_in_takes_the_language_of_the_account(app: Flask, writing: Writing) -> None:
    with writing() as session:
        add_staff(session, language="sv")
    browser = Visitor(app)

    answer = browser.log_in("aino")

    assert "lang=sv" in answer.headers["Set-Cookie"]
    assert '<html lang="sv"' in browser.get("/").text


@pytest.mark.parametrize("password", ["short", "x" * 201, "Aino-Esimerkki"])
def test_a_weak_password_is_refused(password: str, writing: Writing) -> None:
    with pytest.raises(staff.PasswordTooWeak), writing() as session:
        add_staff(session, username="aino-esimerkki", password=password)


@pytest.fixture
def aino(writing: Writing) -> str:
    """The user name of somebody of customer service."""
    with writing() as session:
        return add_staff(session).username


@pytest.fixture
def otso(writing: Writing) -> str:
    """The user name of an operator."""
    with writing() as session:
        return add_staff(session, Role.OPERATOR).username


def _log_in_s(visitor: Visitor, username: str) -> float:
    begun = time.perf_counter()
    visitor.log_in(username, "not the password")
    return time.perf_counter() - begun


def _without_form_values(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if "value=" not in line)
