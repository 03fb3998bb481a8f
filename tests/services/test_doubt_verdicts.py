"""What a person finds out about a call in doubt ends the doubt, once and on the record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.services import doubt_verdicts, unknowns
from tests.services.world import claim, items, leave_unknown, ledger, scalar, settle_in, tell

BY = "staff:otso"


@pytest.mark.usefixtures("working")
def test_what_arrived_counts_as_sent_and_is_never_sent_again() -> None:
    attempt = _left_to_a_person()
    assert _end(attempt, arrived=True) == "ARRIVED"
    assert (ledger()[0].state, items()[0].state) == ("SENT", "SENT")
    assert scalar("SELECT outcome || ' ' || resolved_by FROM attempt") == "SENT PERSON"
    assert scalar("SELECT next_lookup_at FROM attempt") is None
    # The provider was not asked for it.
    assert scalar("SELECT lookups FROM attempt") == 0
    assert ledger()[0].provider == "twilio"
    assert claim(now=_now() + timedelta(seconds=1)) == []
    assert scalar("SELECT action || ' ' || actor FROM audit_entry") == f"DOUBT_ENDED {BY}"


@pytest.mark.usefixtures("working")
def test_what_arrived_keeps_no_mark_that_it_must_not_leave() -> None:
    attempt = _left_to_a_person()
    with transaction() as session:
        session.execute(text("UPDATE notice SET suppress_reason = 'SUPERSEDED'"))
    assert _end(attempt, arrived=True) == "ARRIVED"
    assert (ledger()[0].state, ledger()[0].suppress_reason) == ("SENT", None)


@pytest.mark.usefixtures("working")
def test_what_did_not_arrive_is_sent_again_while_it_is_worth_it() -> None:
    attempt = _left_to_a_person()
    assert _end(attempt, arrived=False) == "RESEND"
    assert (ledger()[0].state, items()[0].state) == ("UNKNOWN", "READY")
    assert len(claim(now=_now() + timedelta(seconds=1))) == 1


@pytest.mark.usefixtures("working")
def test_what_did_not_arrive_and_has_gone_stale_is_given_up() -> None:
    attempt = _left_to_a_person()
    with transaction() as session:
        session.execute(text("UPDATE notice SET expires_at = now()"))
    assert _end(attempt, arrived=False) == "GIVE_UP"
    assert (ledger()[0].state, ledger()[0].suppress_reason) == ("EXPIRED", "STALE")
    assert items()[0].state == "CANCELLED"


@pytest.mark.usefixtures("working")
def test_a_doubt_ends_once_and_only_when_it_waits_for_a_person() -> None:
    attempt = _left_to_a_person()
    with transaction() as session:
        session.execute(text("UPDATE attempt SET next_lookup_at = now()"))
    # The provider is still being asked.
    assert _end(attempt, arrived=True) is None
    _leave(attempt)
    assert _end(attempt, arrived=True) == "ARRIVED"
    assert _end(attempt, arrived=False) is None
    assert (ledger()[0].state, items()[0].state) == ("SENT", "SENT")


def _left_to_a_person() -> UUID:
    began = _now() - timedelta(minutes=5)
    settle_in()
    tell("METER_SWAP_STARTED", event_at=began)
    attempt = leave_unknown(now=began)
    _leave(attempt)
    return attempt


def _leave(attempt: UUID) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE attempt SET next_lookup_at = :never WHERE id = :id"),
            {"never": unknowns.NEVER, "id": attempt},
        )


def _end(attempt: UUID, *, arrived: bool) -> str | None:
    with transaction() as session:
        return doubt_verdicts.end_doubt(session, attempt, arrived=arrived, by=BY, now=_now())


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Inside the application."""
    with app.app_context():
        yield
