"""A doubt is settled by asking the provider, then by policy; nothing is ever resent blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clients
from app.db import transaction
from app.domain.notice_types import Topic
from app.models import Run, Step
from app.services import opt_outs, outbox, receipt_store, unknowns
from app.services.receipt_store import NewReceipt
from app.settings import Settings
from tests.integrations.stub_server import Reply, StubServer
from tests.services.world import (
    MAIL,
    PHONE,
    claim,
    gate,
    items,
    leave_unknown,
    ledger,
    scalar,
    send_one,
    settle_in,
    tell,
)
from workers.drain import Drain, drain
from workers.receipts import apply_receipts
from workers.resolver import resolve

STARTED, DONE = "METER_SWAP_STARTED", "METER_SWAP_DONE"
SID = "SM" + "b" * 32


def test_a_message_that_twilio_has_is_sent(app: Flask, work: _Work) -> None:
    attempt = _doubt()
    with StubServer(_listed(_message())) as twilio:
        assert work.resolve(twilio) == {"FOUND": 1}
        assert "To=%2B358401234567" in twilio.received[0].path
    (notice,) = ledger()
    assert (notice.state, notice.provider_ref, notice.resent_count) == ("SENT", SID, 0)
    assert items()[0].state == "SENT"
    assert _attempt(attempt) == ("SENT", "LOOKUP", None)


@pytest.mark.parametrize(
    ("status", "state"), [("delivered", "DELIVERED"), ("undelivered", "UNDELIVERED")]
)
def test_what_became_of_it_meanwhile_is_told_as_well(work: _Work, status: str, state: str) -> None:
    _doubt()
    with StubServer(_listed(_message(status=status))) as twilio:
        work.resolve(twilio)
    assert (ledger()[0].state, items()[0].state) == (state, "SENT")


def test_a_message_that_is_not_there_is_looked_for_twice_before_it_is_sent_again(
    work: _Work,
) -> None:
    attempt = _doubt()
    with StubServer(_listed()) as twilio:
        assert work.resolve(twilio) == {"NOT_FOUND_YET": 1}
        # The second look has its time.
        assert work.resolve(twilio) == {}
        assert (ledger()[0].state, items()[0].state) == ("UNKNOWN", "UNKNOWN")
        _make_due()
        assert work.resolve(twilio) == {"RESEND": 1}
        assert len(twilio.received) == 2
    assert (ledger()[0].state, items()[0].state) == ("UNKNOWN", "READY")
    assert _attempt(attempt) == ("UNKNOWN", "POLICY", None)


def test_what_is_sent_again_goes_through_the_drain_and_is_counted(work: _Work) -> None:
    _give_up_asking(work)
    with StubServer(_created()) as twilio:
        assert work.drain(twilio) == {"SENT": 1}
        assert len(twilio.received) == 1
    (notice,) = ledger()
    assert (notice.state, notice.resent_count) == ("RESENT", 1)
    assert items()[0].state == "SENT"


def test_a_second_call_that_surely_failed_is_not_counted(work: _Work) -> None:
    _give_up_asking(work)
    with StubServer(Reply(429), _created()) as twilio:
        assert work.drain(twilio) == {"NOT_SENT": 1}
        assert (ledger()[0].state, ledger()[0].resent_count) == ("UNKNOWN", 0)
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET next_at = now()"))
        assert work.drain(twilio) == {"SENT": 1}
    assert (ledger()[0].state, ledger()[0].resent_count) == ("RESENT", 1)


def test_a_message_in_doubt_twice_is_given_up(work: _Work) -> None:
    _give_up_asking(work)
    leave_unknown(now=datetime.now(UTC))
    assert (ledger()[0].state, ledger()[0].resent_count) == ("UNKNOWN", 1)
    _make_due()
    with StubServer(_listed()) as twilio:
        work.resolve(twilio)
        _make_due()
        assert work.resolve(twilio) == {"GIVE_UP": 1}
    (notice,) = ledger()
    assert (notice.state, notice.suppress_reason) == ("EXPIRED", "RESENT_ALREADY")
    assert items()[0].state == "CANCELLED"
    assert claim(now=_soon()) == []


def test_a_doubt_is_not_resent_when_it_has_expired(work: _Work) -> None:
    _doubt()
    with transaction() as session:
        session.execute(text("UPDATE notice SET expires_at = now()"))
    assert _ask_in_vain(work) == {"GIVE_UP": 1}
    assert (ledger()[0].state, ledger()[0].suppress_reason) == ("EXPIRED", "STALE")
    assert items()[0].state == "CANCELLED"


def test_a_doubt_is_not_resent_when_something_newer_was_told(work: _Work) -> None:
    _doubt()
    tell(DONE, event_at=_past() + timedelta(minutes=1), now=_past() + timedelta(minutes=1))
    assert _ask_in_vain(work) == {"GIVE_UP": 1}
    start, done = ledger()
    assert (start.state, start.suppress_reason, done.state) == ("EXPIRED", "SUPERSEDED", "QUEUED")


def test_a_doubt_is_not_resent_to_somebody_who_has_left(work: _Work) -> None:
    _doubt()
    _opt_out()
    assert _ask_in_vain(work) == {"GIVE_UP": 1}
    assert ledger()[0].suppress_reason == "OPTED_OUT"


def test_an_opt_out_after_the_decision_still_stops_what_was_to_be_sent_again(work: _Work) -> None:
    _give_up_asking(work)
    _opt_out()
    with StubServer(_created()) as twilio:
        assert work.drain(twilio) == {"SKIPPED": 1}
        assert twilio.received == []
    (notice,) = ledger()
    assert (notice.state, notice.suppress_reason, notice.resent_count) == (
        "EXPIRED",
        "OPTED_OUT",
        0,
    )


def test_something_newer_after_the_decision_stops_what_was_to_be_sent_again(work: _Work) -> None:
    _give_up_asking(work)
    later = _past() + timedelta(minutes=1)
    tell(DONE, event_at=later, now=later)
    with StubServer(_created()) as twilio:
        assert work.drain(twilio) == {"SKIPPED": 1, "SENT": 1}
        assert [b"valmis" in request.body for request in twilio.received] == [True]
    assert [notice.state for notice in ledger()] == ["EXPIRED", "SENT"]


def test_several_candidates_are_left_to_a_person(work: _Work) -> None:
    attempt = _doubt()
    with StubServer(_listed(_message(), _message(sid="SM" + "c" * 32))) as twilio:
        assert work.resolve(twilio) == {"LEFT_TO_A_PERSON": 1}
        assert work.resolve(twilio) == {}
    assert (ledger()[0].state, items()[0].state) == ("UNKNOWN", "UNKNOWN")
    assert _attempt(attempt) == ("UNKNOWN", None, unknowns.NEVER)


@pytest.mark.parametrize("listed", [1, 2])
def test_the_message_of_another_call_in_the_same_words_does_not_stand_for_this_one(
    work: _Work, listed: int
) -> None:
    """Two visits to one customer end in the same minute; of one message nobody knows."""
    settle_in()
    tell(STARTED, event_at=_past())
    send_one(now=_past(), ref=SID)
    tell(DONE, event_at=_past())
    body = items()[0].payload["body"]
    with transaction() as session:
        session.execute(text("UPDATE notice SET body = :body"), {"body": body})
        session.execute(
            text(
                "UPDATE outbox_item SET payload = jsonb_set(payload, '{body}', to_jsonb(CAST(:body"
                " AS text)))"
            ),
            {"body": body},
        )
    attempt = leave_unknown(now=_past())
    mine = "SM" + "c" * 32
    with StubServer(_listed(*[_message(SID), _message(mine)][:listed])) as twilio:
        assert work.resolve(twilio) == {"FOUND" if listed == 2 else "NOT_FOUND_YET": 1}
    ref = scalar("SELECT ref FROM attempt WHERE id = :id", id=attempt)
    assert ref == (mine if listed == 2 else None)


def test_a_look_up_that_fails_is_no_look_up(work: _Work) -> None:
    _doubt()
    with StubServer(Reply(503)) as twilio:
        assert work.resolve(twilio) == {"NOT_ASKED": 1}
    assert scalar("SELECT lookups FROM attempt") == 0
    assert scalar("SELECT next_lookup_at > now() FROM attempt") is True
    assert ledger()[0].state == "UNKNOWN"


def test_nothing_is_asked_before_its_time(work: _Work) -> None:
    settle_in()
    now = datetime.now(UTC)
    tell(STARTED, event_at=now)
    leave_unknown(now=now)
    with StubServer(_listed(_message())) as twilio:
        assert work.resolve(twilio) == {}
        assert twilio.received == []


def test_a_report_comes_before_any_look_up(work: _Work) -> None:
    attempt = _doubt()
    _report(attempt, "delivered")
    work.receipts()
    with StubServer(_listed()) as twilio:
        assert work.resolve(twilio) == {}
        assert twilio.received == []
    assert (ledger()[0].state, items()[0].state) == ("DELIVERED", "SENT")


def test_a_report_that_came_while_the_call_was_open_settles_it_later(work: _Work) -> None:
    settle_in()
    tell(STARTED, event_at=_past())
    (item,) = claim(now=_past())
    attempts, _ = gate([item], now=_past())
    _report(attempts[item.id], "sent")
    work.receipts()
    with transaction() as session:
        # The sender died; the dispatcher noticed.
        assert outbox.give_back(session, 1, _past(), 60.0) == (0, 1)
    assert items()[0].state == "UNKNOWN"
    with StubServer(_listed()) as twilio:
        assert work.resolve(twilio) == {"REPORTED": 1}
        assert twilio.received == []
    assert (ledger()[0].state, items()[0].state) == ("SENT", "SENT")


def test_the_notice_of_a_sender_that_died_is_shown_as_unknown(work: _Work) -> None:
    settle_in()
    tell(STARTED, event_at=_past())
    gate(claim(now=_past()), now=_past())
    with transaction() as session:
        outbox.give_back(session, 1, datetime.now(UTC), 60.0)
    assert ledger()[0].state == "SENDING"
    with StubServer(_listed()) as twilio:
        assert work.resolve(twilio) == {}
    assert ledger()[0].state == "UNKNOWN"


def test_an_email_waits_for_its_event_and_is_then_sent_again_once(work: _Work) -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    tell(STARTED, event_at=_past())
    leave_unknown("email", now=_past())
    with StubServer(_listed()) as twilio:
        assert work.resolve(twilio) == {"NOT_FOUND_YET": 1}
        _make_due()
        assert work.resolve(twilio) == {"RESEND": 1}
        assert twilio.received == []
    send_one(lane="email", now=_soon(), ref="MAIL2")
    assert (ledger()[0].state, ledger()[0].resent_count) == ("RESENT", 1)


def test_every_look_and_every_decision_is_a_step_that_can_be_found(work: _Work) -> None:
    _doubt()
    _ask_in_vain(work)
    key = f"notice:{ledger()[0].id}"
    with transaction() as session:
        steps = session.scalars(
            select(Step).where(Step.keys.contains([key])).order_by(Step.id)
        ).all()
        assert [(step.name, step.state) for step in steps] == [
            ("resolve unknown", "NOT_FOUND_YET"),
            ("resolve unknown", "RESEND"),
        ]
        runs = session.scalars(select(Run).order_by(Run.id)).all()
        assert [(run.process, run.state) for run in runs] == [("resolve unknown", "OK")] * 2


class _Work:
    """The workers of a process, with Twilio played by a stub."""

    def __init__(self, app: Flask, loop: asyncio.AbstractEventLoop) -> None:
        self._settings: Settings = app.extensions["tiedolla_settings"]
        self._loop = loop

    def resolve(self, twilio: StubServer) -> dict[str, int]:
        try:
            return dict(resolve(self._with(twilio), 1, "test", self._loop))
        finally:
            clients.close_clients(self._loop)

    def drain(self, twilio: StubServer) -> dict[str, int]:
        work = Drain(lane="sms", lease=2, settings=self._with(twilio), loop=self._loop)
        try:
            return dict(drain(work))
        finally:
            clients.close_clients(self._loop)

    def receipts(self) -> dict[str, int]:
        return dict(apply_receipts(self._settings, 1, "test"))

    def _with(self, twilio: StubServer) -> Settings:
        return self._settings.model_copy(update={"twilio_url": twilio.url})


def _past() -> datetime:
    """Long enough ago for the grace to be over, not so long that a start is stale."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def _doubt() -> UUID:
    settle_in()
    tell(STARTED, event_at=_past())
    return leave_unknown(now=_past())


def _make_due() -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE attempt SET next_lookup_at = now() WHERE next_lookup_at IS NOT NULL")
        )


def _ask_in_vain(work: _Work) -> dict[str, int]:
    with StubServer(_listed()) as twilio:
        work.resolve(twilio)
        _make_due()
        return work.resolve(twilio)


def _give_up_asking(work: _Work) -> None:
    _doubt()
    assert _ask_in_vain(work) == {"RESEND": 1}


def _opt_out() -> None:
    with transaction() as session:
        opt_outs.opt_out(
            session, PHONE, Topic.METER_SWAP, source="SMS", by="test", now=datetime.now(UTC)
        )


def _report(attempt: UUID, status: str) -> None:
    receipt = NewReceipt("twilio", f"{attempt}:{status}", attempt, SID, status, None, None)
    with transaction() as session:
        receipt_store.store(session, [receipt], datetime.now(UTC))


def _message(sid: str = SID, status: str = "queued") -> dict[str, Any]:
    item = items()[0]
    return {
        "sid": sid,
        "status": status,
        "to": PHONE,
        "from": "Verkko",
        "body": item.payload["body"],
        "error_code": 30003 if status == "undelivered" else None,
        "date_created": format_datetime(_past()),
    }


def _listed(*messages: dict[str, Any]) -> Reply:
    return Reply(
        200,
        {"messages": list(messages), "page": 0, "page_size": 20, "next_page_uri": None},
        {"Content-Type": "application/json"},
    )


def _created() -> Reply:
    message = {"sid": SID, "status": "queued", "to": PHONE}
    return Reply(201, message, {"Content-Type": "application/json"})


def _attempt(attempt: UUID) -> Sequence[Any]:
    with transaction() as session:
        row = session.execute(
            text("SELECT outcome, resolved_by, next_lookup_at FROM attempt WHERE id = :id"),
            {"id": attempt},
        ).one()
    return tuple(row)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    clients.close_clients(loop)
    loop.close()


@pytest.fixture
def work(app: Flask, loop: asyncio.AbstractEventLoop) -> Iterator[_Work]:
    with app.app_context():
        yield _Work(app, loop)
