"""Administrators make accounts, switch them off and on, and give new passwords."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.domain.roles import Role
from tests.web.sample_rows import PASSWORD
from tests.web.visitor import Visitor, visitor_as

NEW = {
    "username": "Eila.Uusi",
    "display_name": "Eila Uusi",
    "role": "operator",
    "language": "sv",
    "password": PASSWORD,
}


def test_a_new_account_can_log_in_with_its_role_and_language(app: Flask, admin: Visitor) -> None:
    assert admin.post("/staff/new", NEW, page="/staff/new").location == "/staff"
    assert "Eila Uusi" in admin.get("/staff").text

    person = Visitor(app)
    assert person.log_in("eila.uusi").status_code == 302
    assert '<html lang="sv"' in person.get("/runs").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": ""}, "Enter a user name"),
        ({"username": "a b"}, "Use letters, digits, dots and hyphens only"),
        ({"username": "ARMI"}, "Another account has this user name"),
        ({"display_name": ""}, "Enter the person's name"),
        ({"role": ""}, "Choose a role"),
        ({"password": "short"}, "Use at least 12 characters"),
        ({"password": ""}, "Enter a password"),
    ],
)
def test_a_faulty_form_says_what_to_mend_and_makes_nothing(
    admin: Visitor, change: dict[str, Any], words: str
) -> None:
    answer = admin.post("/staff/new", {**NEW, **change}, page="/staff/new")

    assert answer.status_code == 422
    assert words in answer.text
    assert "Eila Uusi" not in admin.get("/staff").text


def test_a_made_up_role_is_refused(admin: Visitor) -> None:
    answer = admin.post("/staff/new", {**NEW, "role": "owner"}, page="/staff/new")

    assert answer.status_code == 422


def test_an_account_that_is_switched_off_loses_its_session_at_once(
    app: Flask, admin: Visitor
) -> None:
    otso = visitor_as(app, Role.OPERATOR)
    assert otso.get("/runs").status_code == 200

    admin.post("/staff/2/deactivate", page="/staff")
    assert otso.get("/runs").status_code == 302
    assert "Switched off" in admin.get("/staff").text
    admin.post("/staff/2/activate", page="/staff")
    assert "Switched off" not in admin.get("/staff").text


def test_nobody_switches_off_the_account_that_they_use(admin: Visitor) -> None:
    admin.post("/staff/1/deactivate", page="/staff")

    assert "You cannot switch off your own account" in admin.get("/staff").text


def test_a_new_password_replaces_the_old_one(app: Flask, admin: Visitor) -> None:
    visitor_as(app, Role.AGENT)
    page = "/staff/2/password"
    assert admin.post(page, {"password": "short"}, page=page).status_code == 422

    assert admin.post(page, {"password": "aivan-uusi-salasana"}, page=page).status_code == 302

    assert Visitor(app).log_in("aino", "aivan-uusi-salasana").status_code == 302


@pytest.mark.parametrize("path", ["/staff/99/password", "/staff/99/deactivate"])
def test_an_account_that_is_not_there_is_not_found(admin: Visitor, path: str) -> None:
    assert admin.post(path, page="/staff").status_code == 404
