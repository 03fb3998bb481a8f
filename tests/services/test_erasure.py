"""Who is erased is named nowhere any more, in whatever table; the skeleton of the record stays (REQ-36)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import AuditEntry
from app.services import audit, customer_data
from tests.services.world import MAIL, NOW, PHONE, ledger, send_one, settle_in, tell

STARTED = "METER_SWAP_STARTED"
LEFT = date(2025, 12, 31)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_req_36_who_has_left_is_erased_and_the_skeleton_of_the_record_stays() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"}, moved_out_on=None)
    tell(STARTED)
    send_one()
    with transaction() as session:
        audit.record(session, "customer:C1", "LOGGED_IN", "customer:C1", {}, NOW)
    with transaction() as session, pytest.raises(customer_data.StillACustomer):
        customer_data.erase(session, "C1", "staff:aino", NOW)
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = :day"), {"day": LEFT})
        customer_data.erase(session, "C1", "staff:aino", NOW)
    assert everything_that_names(PHONE, MAIL, "Aino Virtanen", PHONE.removeprefix("+358")) == []
    (notice,) = ledger()
    assert (notice.type, notice.state, notice.customer_id) == (STARTED, "SENT", "C1")
    with transaction() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["LOGGED_IN", "CUSTOMER_ERASED"]


def everything_that_names(*words: str) -> list[tuple[str, str]]:
    """Tables in whose rows one of the words stands, whatever the column."""
    found = []
    with transaction() as session:
        for table in db.metadata.sorted_tables:
            rows = session.execute(text(f'SELECT CAST(t AS text) FROM "{table.name}" t'))
            text_of_all = " ".join(rows.scalars())
            found += [(table.name, word) for word in words if word in text_of_all]
    return found
