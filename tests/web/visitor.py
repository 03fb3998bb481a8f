"""A person at the pages: logs in as somebody with a role, and posts forms as a browser does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.domain.roles import Role
from app.models import StaffAccount
from tests.web.sample_rows import PASSWORD

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """A browser of a test; each one has its own cookies."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, buffered=True, **options)

    def token(self, path: str = "/login") -> str:
        """The token of a form on a page."""
        found = _TOKEN.search(self.get(path).text)
        assert found is not None, f"no form on {path}"
        return found[1]

    def post(self, path: str, data: dict[str, Any] | None = None, page: str = "/") -> TestResponse:
        """Send a form that stands on `page`."""
        return self.client.post(path, data={**(data or {}), "csrf_token": self.token(page)})

    def log_in(self, username: str, password: str = PASSWORD, next_page: str = "") -> TestResponse:
        """Fill in the log-in form."""
        path = f"/login?next={next_page}" if next_page else "/login"
        return self.post(path, {"username": username, "password": password}, page="/login")


def visitor_as(app: Flask, role: Role, language: str = "en") -> Visitor:
    """Somebody with a role whose session has just begun.

    Checking a password takes long on purpose, so the session is made by hand; that a log-in makes
    it is for the tests of the log-in to prove.
    """
    name = {Role.AGENT: "aino", Role.OPERATOR: "otso", Role.ADMIN: "armi"}[role]
    now = datetime.now(UTC)
    account = StaffAccount(
        username=name,
        display_name=f"{name.title()} Esimerkki",
        password_hash="none",
        role=role.value,
        language="fi",
        created_at=now,
    )
    with app.app_context():
        with transaction() as session:
            session.add(account)
        db.session.remove()
    visitor = Visitor(app)
    visitor.client.set_cookie("lang", language)
    with visitor.client.session_transaction() as cookie:
        cookie["_user_id"] = f"{account.id}:{account.session_version}"
        cookie["started_at"] = cookie["seen_at"] = int(now.timestamp())
    return visitor
