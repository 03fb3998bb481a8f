"""What waited by day for a provider, a stop or money and comes to its turn at night waits on (REQ-09)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from uuid import uuid4

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.domain.lanes import Mode
from app.domain.night_hold import night_end
from app.domain.notice_types import NoticeType
from app.services import runs, sending_slices
from app.services.outbox import Settlement
from tests.services.world import GRACE_S, LEASE, NOW, claim, items, ledger, scalar, settle_in, tell

# Noon, eleven in the evening and seven the next morning in Finland.
EVENING = NOW + timedelta(hours=11)
MORNING = NOW + timedelta(hours=19)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def test_req_09_what_comes_to_its_turn_at_night_leaves_in_the_morning() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    assert _send(EVENING) == 0
    (notice,) = ledger()
    assert (notice.state, notice.not_before_at) == ("HELD", MORNING)
    assert notice.decision == "Held until the end of quiet hours."
    (item,) = items()
    assert (item.state, item.next_at, item.attempts) == ("READY", MORNING, 0)
    assert claim(now=MORNING - timedelta(minutes=1)) == []
    assert _send(MORNING) == 1
    assert scalar("SELECT state FROM notice") == "SENT"


def test_req_09_what_somebody_lets_in_at_night_leaves_at_night() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    with transaction() as session:
        session.execute(text("UPDATE preference SET night_ok = true"))
        found = session.execute(text("SELECT count(*) FROM preference WHERE night_ok")).scalar_one()
        if not found:
            contact = session.execute(text("SELECT id FROM contact")).scalar_one()
            session.execute(
                text(
                    "INSERT INTO preference (contact_id, topic, enabled, night_ok, source,"
                    " legal_basis, changed_at) VALUES (:id, 'METER_SWAP', true, true, 'PORTAL',"
                    " 'CONTRACT', now())"
                ),
                {"id": contact},
            )
    assert _send(EVENING) == 1


def test_a_death_before_the_hold_is_recorded_loses_nothing() -> None:
    """The item comes back from whoever died, finds its notice held, and waits as well."""
    settle_in()
    tell("METER_SWAP_DONE")
    _begin(EVENING)
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'READY', lease = NULL"))
    assert _send(EVENING + timedelta(minutes=1)) == 0
    assert items()[0].next_at == MORNING
    assert _send(MORNING) == 1


@pytest.mark.parametrize(
    ("kind", "age_min", "held"),
    [
        (NoticeType.FAULT_STARTED, 5, True),
        (NoticeType.METER_SWAP_DONE, 20, False),
        (NoticeType.METER_SWAP_DONE, 40, True),
        (NoticeType.VERIFY_CODE, 9, False),
        (NoticeType.SAFETY_WARNING, 90, False),
        # Let go at night since it changes what begins before the morning.
        (NoticeType.PLANNED_CANCELLED, 90, False),
    ],
)
def test_only_what_may_disturb_leaves_at_night(kind: NoticeType, age_min: int, held: bool) -> None:
    until = night_end(kind, EVENING - timedelta(minutes=age_min), EVENING, None, None)
    assert until == (MORNING if held else None)
    no_night = time(3)
    assert night_end(kind, NOW, EVENING, no_night, no_night) is None


def _begin(now: datetime) -> tuple[list[sending_slices.Begun], list[Settlement]]:
    claimed = claim(now=now)
    settings = current_app.extensions["tiedolla_settings"]
    with transaction() as session:
        routes = dict.fromkeys((item.id for item in claimed), "twilio")
        return sending_slices.begin(session, Mode.ONCE, LEASE, claimed, routes, settings, now)


def _send(now: datetime) -> int:
    """Send what may leave as a drain does; how many calls that takes."""
    begun, ended = _begin(now)
    done = [
        Settlement(one.item, one.attempt_id, "SENT", "SENT", now, now, ref=f"SM{uuid4().hex}")
        for one in begun
    ]
    with transaction() as session:
        run_id = runs.start_run(session, "send", "test", now, lease=LEASE, subject="sms")
        sending_slices.settle(session, "sms", LEASE, [*done, *ended], run_id, now, GRACE_S)
    return len(done)
