"""A pause holds also what was in a sender's hands: claimed, given back, or tried and not arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.domain.lanes import Mode
from app.models import MassOrder, OutboxItem
from app.services import intake, mass_follow, mass_orders, outbox, runs, sending_slices
from app.services.outbox import Claimed, Settlement
from app.services.sending_slices import Begun
from app.settings import Settings
from tests.services.routing_world import (
    KEY,
    NOW,
    a_swap,
    add_partner,
    deliver,
    put_in_force,
    take,
    values,
)

LANE = "partner.voima"
SOON = NOW + timedelta(seconds=10)
LEASE, NEXT_LEASE = 7, 8


@pytest.mark.parametrize("died", [True, False])
def test_what_a_sender_gave_back_during_a_pause_does_not_leave(world: Settings, died: bool) -> None:
    _mass(1, 2)
    _claim(LEASE)
    _pause()
    with transaction() as session:
        # What was claimed is on the wire for all that anybody knows.
        assert _states(session) == ["CLAIMED", "CLAIMED"]
        outbox.give_back(session, LEASE, NOW, 60, untouched=not died)
    claimed = _claim(NEXT_LEASE)
    assert len(claimed) == 2
    begun, refused = _begin(world, NEXT_LEASE, claimed)
    assert begun == []
    assert [(one.outcome, one.state, one.error) for one in refused] == [
        ("SKIPPED", "HELD", "MASS_PAUSED")
    ] * 2
    with transaction() as session:
        rows = session.scalars(select(OutboxItem)).all()
        assert {(row.state, row.hold_reason, row.lease) for row in rows} == {
            ("HELD", "MASS_PAUSED", None)
        }
        # The sender settles its slice, which moves nothing any more.
        run_id = runs.start_run(session, f"drain {LANE}", "test", SOON)
        assert not sending_slices.record(session, LANE, NEXT_LEASE, refused, run_id, SOON, 60)
        assert _states(session) == ["HELD", "HELD"]
    _resume()
    claimed = _claim(NEXT_LEASE)
    begun, _ = _begin(world, NEXT_LEASE, claimed)
    assert [one.item.dedupe_key for one in begun] == ["A-1-1", "A-2-1"]


def test_what_was_claimed_before_the_pause_and_not_begun_is_held_at_the_last_look(
    world: Settings,
) -> None:
    _mass(1)
    claimed = _claim(LEASE)
    _pause()
    begun, refused = _begin(world, LEASE, claimed)
    assert (begun, [one.state for one in refused]) == ([], ["HELD"])


def test_what_the_partner_has_goes_on_and_so_do_orders_of_others(world: Settings) -> None:
    _mass(1, 2)
    take([a_swap(3)])
    with transaction() as session:
        session.execute(text("UPDATE work_order SET state = 'ACCEPTED' WHERE order_id = 'A-2'"))
    claimed = _claim(LEASE)
    _pause()
    begun, _ = _begin(world, LEASE, claimed)
    assert [one.item.business_key for one in begun] == ["A-2", "A-3"]


def test_nobody_waits_for_whoever_is_deciding_and_nothing_leaves_meanwhile(
    world: Settings,
) -> None:
    _mass(1)
    claimed = _claim(LEASE)
    _pause()
    with db.engine.connect() as other, other.begin():
        other.execute(text("SELECT * FROM mass_order FOR UPDATE"))
        begun, refused = _begin(world, LEASE, claimed)
        assert begun == []
        (one,) = refused
        assert (one.state, one.next_at) == ("READY", SOON + timedelta(seconds=2))


def test_whatever_is_held_never_comes_after_its_cancellation(world: Settings) -> None:
    _mass(1)
    _claim(LEASE)
    _pause()
    with transaction() as session:
        # It was tried, so the partner may have it.
        outbox.give_back(session, LEASE, NOW, 60)
    _begin(world, NEXT_LEASE, _claim(NEXT_LEASE))
    take([a_swap(1, revision=2, action="CANCEL")], 2)
    _resume()
    sent = _claim(NEXT_LEASE)
    assert [(one.version, one.payload["action"]) for one in sent] == [(2, "CANCEL")]


def test_req_33_what_is_held_never_goes_to_a_partner_that_has_lost_the_order(
    world: Settings,
) -> None:
    _mass(1)
    _claim(LEASE)
    _pause()
    with transaction() as session:
        add_partner(session)
        # It was tried, so the partner may have it.
        outbox.give_back(session, LEASE, NOW, 60)
    _begin(world, NEXT_LEASE, _claim(NEXT_LEASE))
    put_in_force(values("piiri", municipality_codes=["091"]))
    take([a_swap(1, revision=2, action="UPDATE", municipality_code="091")], 2)
    _resume()
    with transaction() as session:
        leaving = session.scalars(
            select(OutboxItem).where(OutboxItem.state == "READY").order_by(OutboxItem.id)
        )
        assert [(one.lane, one.payload["action"]) for one in leaving] == [
            (LANE, "CANCEL"),
            ("partner.piiri", "NEW"),
        ]


def test_a_pause_keeps_no_partner_from_hearing_that_it_has_lost_an_order(world: Settings) -> None:
    _mass(1)
    with transaction() as session:
        add_partner(session)
    deliver(LANE)
    put_in_force(values("piiri", municipality_codes=["091"]))
    take([a_swap(1, revision=2, action="UPDATE", municipality_code="091")], 2)
    _pause()
    with transaction() as session:
        rows = session.scalars(select(OutboxItem).where(OutboxItem.version == 2))
        assert {row.lane: row.state for row in rows} == {LANE: "READY", "partner.piiri": "HELD"}


def _mass(*numbers: int) -> None:
    """A mass order with these orders, which wait for voima."""
    take([a_swap(number) for number in numbers])
    with transaction() as session:
        session.add(
            MassOrder(
                mass_id="M-1",
                state="DISPATCHING",
                state_at=NOW,
                allowed_models=[],
                counts={},
                counted_at=NOW,
                inbound_message_id=1,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        session.flush()
        session.execute(text("UPDATE work_order SET mass_id = 'M-1'"))


def _pause() -> None:
    with transaction() as session:
        mass_orders.pause(session, "M-1", NOW, by="staff:aino")
    _follow()


def _resume() -> None:
    with transaction() as session:
        mass_orders.resume(session, "M-1", SOON, by="staff:aino")
    _follow()


def _follow() -> None:
    while True:
        with transaction() as session:
            run_id = runs.start_run(session, "mass follow", "test", NOW)
            lists = intake.load_lists(session, KEY, NOW)
            if not mass_follow.follow_slice(session, "M-1", lists, run_id, NOW):
                return


def _claim(lease: int) -> list[Claimed]:
    with transaction() as session:
        return outbox.claim(session, LANE, lease, 10, SOON, 120)


def _begin(
    settings: Settings, lease: int, items: list[Claimed]
) -> tuple[list[Begun], list[Settlement]]:
    with transaction() as session:
        routes: dict[int, str | None] = dict.fromkeys((item.id for item in items), None)
        return sending_slices.begin(session, Mode.IDEMPOTENT, lease, items, routes, settings, SOON)


def _states(session: Any) -> list[str]:
    return list(session.scalars(select(OutboxItem.state).order_by(OutboxItem.id)))


@pytest.fixture
def world(app: Flask) -> Iterator[Settings]:
    with app.app_context():
        found: Settings = app.extensions["tiedolla_settings"]
        yield found
