"""The receipts lane empties what waits, in steps that can be found again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.db import transaction
from app.models import Run, Step
from app.services import receipt_store, schedules
from app.services.receipt_store import NewReceipt
from tests.services.world import GSRN, ledger, send_one, settle_in, tell
from workers.receipts import apply_receipts

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_everything_that_waits_is_applied_in_one_run(app: Flask) -> None:
    settle_in()
    tell("METER_SWAP_STARTED")
    attempt = send_one(ref="SM1")
    receipts = [
        NewReceipt("twilio", f"{attempt}:{status}", attempt, "SM1", status, None, None)
        for status in ("sent", "delivered")
    ]
    strangers = [
        NewReceipt("twilio", f"stranger {number}", uuid4(), None, "sent", None, None)
        for number in range(1500)
    ]
    with transaction() as session:
        assert receipt_store.store(session, [*receipts, *strangers], NOW) == 1502
    with transaction() as session:
        assert "receipts" in schedules.lanes_waiting(session, NOW)
    key = f"notice:{ledger()[0].id}"
    counts = apply_receipts(app.extensions["tiedolla_settings"], 1, "test")
    assert counts == {"APPLIED": 2, "UNKNOWN_ATTEMPT": 1500}
    with transaction() as session:
        assert "receipts" not in schedules.lanes_waiting(session, NOW)
        run = session.scalars(select(Run)).one()
        assert (run.process, run.state) == ("apply receipts", "OK")
        steps = session.scalars(select(Step).where(Step.keys.contains([key, GSRN]))).all()
        assert [(step.name, step.state) for step in steps] == [
            ("twilio reported sent", "APPLIED"),
            ("twilio reported delivered", "APPLIED"),
        ]


def test_a_run_that_breaks_off_does_not_look_as_if_it_went_on(
    app: Flask, a_thousand_at_most: None
) -> None:
    reports = [
        NewReceipt("twilio", f"stranger {number}", uuid4(), None, "sent", None, None)
        for number in range(1500)
    ]
    with transaction() as session:
        receipt_store.store(session, reports, NOW)
    with pytest.raises(IntegrityError):
        apply_receipts(app.extensions["tiedolla_settings"], 1, "test")
    with transaction() as session:
        run = session.scalars(select(Run)).one()
        assert (run.state, run.error) == ("FAILED", "IntegrityError")
        assert run.counts == {"UNKNOWN_ATTEMPT": 1000}


def test_nothing_to_do_leaves_no_run(app: Flask) -> None:
    assert apply_receipts(app.extensions["tiedolla_settings"], 1, "test") == {}
    with transaction() as session:
        assert session.scalars(select(Run)).all() == []


@pytest.fixture
def a_thousand_at_most(app: Flask) -> Iterator[None]:
    """A database that takes the first batch and stumbles over the second."""
    with transaction() as session:
        session.execute(
            text(
                "ALTER TABLE delivery_receipt ADD CONSTRAINT few"
                " CHECK (id <= 1000 OR verdict = 'WAITING')"
            )
        )
    yield
    with transaction() as session:
        session.execute(text("ALTER TABLE delivery_receipt DROP CONSTRAINT few"))
