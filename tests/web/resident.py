"""A customer at the portal: asks for a code, reads it where it was sent, and logs in."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db import db
from tests.web.visitor import Visitor


class Resident(Visitor):
    """A browser of somebody who is no staff."""

    def __init__(self, app: Flask, language: str = "en") -> None:
        super().__init__(app)
        self.client.set_cookie("lang", language)

    def ask(self, address: str, number: str = "") -> TestResponse:
        """Ask for a code."""
        values = {"address": address, "customer_number": number}
        return self.post("/my/login", values, page="/my/login")

    def enter(self, code: str) -> TestResponse:
        """Enter a code."""
        return self.post("/my/login/code", {"code": code}, page="/my/login/code")

    def come_in(self, address: str, number: str = "") -> Resident:
        """Log in with the code that was sent to the address."""
        assert self.ask(address, number).status_code == 303
        assert self.enter(last_code(self.app)).status_code == 303
        return self

    def send(self, path: str, data: dict[str, Any] | None = None) -> TestResponse:
        """Send the form of a page that posts to itself."""
        return self.post(path, data, page=path)


def last_code(app: Flask) -> str:
    """The code in the last message on its way, as its receiver reads it."""
    with app.app_context():
        words = db.session.execute(
            text(
                "SELECT coalesce(i.payload->>'body', i.payload->>'text') FROM outbox_item i"
                " JOIN notice n ON i.business_key = 'notice:' || n.id"
                " WHERE n.type = 'VERIFY_CODE' ORDER BY i.id DESC LIMIT 1"
            )
        ).scalar_one()
        db.session.remove()
    found = re.search(r"\d{6}", words)
    assert found is not None, words
    return found[0]
