"""The log says where things went wrong and never what stood in the rows."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.logs import set_up_logs
from app.models import Customer
from tests.services.world import PHONE
from workers import jobs

NAME = "Aino Esimerkki"


def test_an_error_of_the_database_is_logged_without_the_row_that_it_was_about(
    app: Flask, lines: io.StringIO
) -> None:
    with app.app_context():
        for _ in range(2):
            _add_customer()
    said = lines.getvalue()
    assert NAME not in said
    (line,) = [json.loads(line) for line in said.splitlines()]
    assert line["event"] == "row_not_written"
    assert "23505 customer pk_customer" in line["exception"]
    assert "_add_customer" in line["exception"]
    assert "UniqueViolation" in line["exception"]


def test_a_library_that_logs_an_error_cannot_say_more(app: Flask, lines: io.StringIO) -> None:
    with app.app_context():
        try:
            with transaction() as session:
                session.execute(text("SELECT CAST(:phone AS integer)"), {"phone": PHONE})
        except Exception:
            logging.getLogger("flask").exception("Exception on /points")
    said = lines.getvalue()
    assert PHONE not in said
    assert "22003" in said


def test_rq_hears_only_what_kind_of_error_ended_a_job(
    app: Flask, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _fails(_lane: str, _trigger: str) -> None:
        raise ValueError(PHONE)

    monkeypatch.setattr(jobs, "work_on", _fails)
    with app.app_context(), pytest.raises(jobs.JobFailed) as caught:
        jobs.work("nis")
    assert (str(caught.value), caught.value.__suppress_context__) == ("ValueError", True)
    assert "job_failed" in lines.getvalue()
    assert PHONE not in lines.getvalue()


def _add_customer() -> None:
    try:
        with transaction() as session:
            session.execute(
                Customer.__table__.insert(),
                {
                    "cis_id": "C-1",
                    "version": 1,
                    "kind": "consumer",
                    "name": NAME,
                    "language": "fi",
                    "language_assumed": False,
                    "personal_safety_ban": False,
                    "priority_flag": False,
                    "preferred_channel": "SMS",
                    "active": True,
                    "updated_at": "2026-01-01T00:00:00Z",
                },
            )
    except Exception:
        structlog.get_logger().exception("row_not_written")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error with the product's logs on it, as a process has them."""
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logs("WARNING", "test")
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)
