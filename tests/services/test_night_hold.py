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
from app.domain.languages import Language
from app.domain.night_hold import night_hold
from app.domain.notice_policy import ContactFacts, ContactState
from app.domain.notice_types import Channel, NoticeType
from app.services import direct_notices, runs, sending_slices
from app.services.outbox import Settlement
from tests.services.announcing import POINTS, add_outage, restore, settle_people, tell_all
from tests.services.world import (
    GRACE_S,
    LEASE,
    NOW,
    claim,
    items,
    leave_unknown,
    ledger,
    scalar,
    settle_in,
    tell,
)

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


def test_what_the_night_holds_keeps_the_record_of_why_it_was_made() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    made = "It did not arrive and there is another channel. In place of notice 7."
    with transaction() as session:
        session.execute(text("UPDATE notice SET decision = :made"), {"made": made})
    for night in (EVENING, EVENING + timedelta(minutes=1)):
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET next_at = :now"), {"now": night})
        assert _send(night) == 0
        assert ledger()[0].decision == f"{made} Held until the end of quiet hours."


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
        (NoticeType.PLANNED_CANCELLED, 90, True),
    ],
)
def test_only_what_may_disturb_leaves_at_night(kind: NoticeType, age_min: int, held: bool) -> None:
    event_at = EVENING - timedelta(minutes=age_min)
    until, _ = night_hold(kind, EVENING, event_at=event_at, quiet_from=None, quiet_to=None)
    assert until == (MORNING if held else None)
    no_night = time(3)
    free, _ = night_hold(kind, EVENING, event_at=NOW, quiet_from=no_night, quiet_to=no_night)
    assert free is None


@pytest.mark.parametrize(("begins_h", "sent"), [(18, 1), (24 * 7, 0)])
def test_req_09_a_change_leaves_at_night_only_if_it_is_needed_before_the_morning(
    begins_h: int, sent: int
) -> None:
    """Decided by day, when nobody had to ask whether it may disturb."""
    settle_people()
    old_at = NOW + timedelta(hours=begins_h)
    outage_id = add_outage(off_at=old_at, kind="PLANNED", state="ANNOUNCED")
    times = {"from_at": old_at, "to_at": old_at + timedelta(hours=2)}
    tell_all(NoticeType.PLANNED_NOTICE, outage_id, NOW - timedelta(days=3), **times)
    assert _send(NOW) == 1
    tell_all(NoticeType.PLANNED_CANCELLED, outage_id, NOW, **times)
    assert [one.state for one in ledger()] == ["SENT", "QUEUED"]
    assert _send(EVENING) == sent
    assert _send(MORNING) == 1 - sent


def test_req_09_one_point_for_which_the_night_is_lifted_is_enough_as_when_it_was_decided() -> None:
    settle_people(2, phones=["+358401234567"] * 2)
    outage_id = add_outage(POINTS[:2])
    with transaction() as session:
        session.execute(
            text(
                "UPDATE preference SET night_ok = true WHERE contact_id = (SELECT max(id) FROM contact)"
            )
        )
        session.execute(
            text(
                "INSERT INTO preference (contact_id, gsrn, topic, enabled, night_ok, source,"
                " legal_basis, changed_at) SELECT id, :gsrn, 'FAULT', true, true, 'PORTAL',"
                " 'CONTRACT', now() FROM contact WHERE id = (SELECT min(id) FROM contact)"
            ),
            {"gsrn": POINTS[1]},
        )
    tell_all(NoticeType.FAULT_STARTED, outage_id, EVENING, off_at=EVENING)
    (notice,) = ledger()
    assert (notice.state, notice.point_count) == ("QUEUED", 2)
    assert _send(EVENING) == 1


def test_req_09_what_is_sent_again_in_doubt_waits_for_the_morning_too() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    leave_unknown()
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'READY', next_at = :at"), {"at": NOW})
    assert _send(EVENING) == 0
    (notice,) = ledger()
    assert (notice.state, notice.resent_count) == ("UNKNOWN", 0)
    assert items()[0].next_at == MORNING
    assert _send(MORNING) == 1
    assert ledger()[0].resent_count == 1


@pytest.mark.parametrize(("key", "sent"), [("enrolled/1", 0), ("sms/1", 1)])
def test_req_09_that_the_cis_enrolled_somebody_waits_and_an_answer_does_not(
    key: str, sent: int
) -> None:
    settle_in()
    with transaction() as session:
        direct_notices.tell_contact(
            session,
            ContactFacts(1, Channel.SMS, "+358401234567", ContactState.VERIFIED),
            NoticeType.OPT_IN_OK,
            {},
            language=Language.FI,
            key=key,
            why="Because.",
            now=EVENING - timedelta(minutes=90),
            settings=current_app.extensions["tiedolla_settings"],
        )
    assert _send(EVENING) == sent
    assert _send(MORNING) == 1 - sent


def test_req_09_an_end_of_the_evening_that_did_not_leave_by_night_is_told_in_the_morning() -> None:
    """Whoever heard of the cut by day would otherwise never hear that it is over."""
    settle_people()
    outage_id = add_outage()
    tell_all(NoticeType.FAULT_STARTED, outage_id, NOW, off_at=NOW)
    assert _send(NOW) == 1
    back_at = NOW + timedelta(hours=5)
    restore(outage_id, back_at)
    times = {"off_at": NOW, "on_at": back_at, "duration_s": 18_000}
    tell_all(NoticeType.FAULT_RESTORED, outage_id, back_at, **times)
    assert ledger()[-1].state == "QUEUED"
    assert _send(EVENING) == 0
    assert _send(MORNING) == 1


def test_what_will_not_be_true_in_the_morning_does_not_wait_for_it() -> None:
    settle_people()
    outage_id = add_outage()
    etr_at = NOW + timedelta(hours=15)
    tell_all(NoticeType.FAULT_ETR, outage_id, NOW, off_at=NOW, etr_at=etr_at, cause_code="TREE")
    assert _send(EVENING) == 0
    (notice,) = ledger()
    assert (notice.state, notice.suppress_reason) == ("EXPIRED", "STALE")
    assert notice.decision == "Quiet hours end only after the text has gone stale."
    assert items()[0].state == "CANCELLED"


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
