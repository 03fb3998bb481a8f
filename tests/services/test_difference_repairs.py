"""Repairs of many differences: under way from the moment somebody asks, and never begun twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.models import Difference, DifferenceChange, Replay
from app.queries import difference_list
from app.services import difference_acts, replays
from app.services.difference_acts import DifferenceRefused
from app.services.replays import ReplayRefused
from tests.field_work import gsrn
from tests.services.reconciling import (
    TAKEN_AT,
    a_list,
    device,
    differences,
    holds,
    send,
    sent,
    take,
)
from workers import replays as worker

LATER = TAKEN_AT + timedelta(hours=1)
AINO, OTSO = "staff:aino", "staff:otso"
MANY = 101


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_repair_of_a_few_is_under_way_at_once_under_its_name_and_ends_by_evidence() -> None:
    _missing(3)
    _ask(_preview())
    assert _states() == {"REPAIRING": 3}
    with transaction() as session:
        ids = list(session.scalars(select(Difference.id)))
        under_way = difference_list.repairs_of(session, ids)
        assert {(one.by, one.at, one.replay_id) for one in under_way.values()} == {(AINO, LATER, 1)}
        assert set(session.scalars(select(Difference.repair_count))) == {1}
        assert difference_acts.repairable_ids(session, "nis", 10) == []
    assert len(send("nis", LATER)) == 3
    # Only their next list tells that it helped, and with one it did not.
    after = LATER + timedelta(hours=2)
    take(a_list(holds(1, 2), taken_at=after), now=after)
    assert [(key, state) for key, _, _, state in differences()] == [
        (gsrn(1), "RESOLVED"),
        (gsrn(2), "RESOLVED"),
        (gsrn(3), "OPEN"),
    ]


def test_nobody_else_repairs_what_waits_for_a_second_person() -> None:
    _missing(MANY)
    mine, theirs = _preview(), _preview(by=OTSO)
    _ask(mine)
    assert _states() == {"REPAIRING": MANY}
    with pytest.raises(ReplayRefused, match="UNDER_WAY"):
        _ask(theirs, by=OTSO)
    with pytest.raises(DifferenceRefused, match="ON_ITS_WAY"), transaction() as session:
        difference_acts.repair(session, 1, LATER, by=OTSO)
    with pytest.raises(DifferenceRefused, match="NOT_REPAIRABLE"):
        _preview(by=OTSO)
    assert send("nis", LATER) == []
    with transaction() as session:
        replays.confirm(session, mine, by=OTSO, now=LATER)
    worker.send_again(1, "test")
    assert len(send("nis", datetime.now(UTC))) == MANY
    assert _states() == {"REPAIRING": MANY}
    with transaction() as session:
        assert set(session.scalars(select(Difference.repair_count))) == {1}


def test_what_is_repaired_already_is_left_out_of_another_repair() -> None:
    _missing(3)
    mine, theirs = _preview(), _preview(by=OTSO)
    with transaction() as session:
        difference_acts.repair(session, 2, LATER, by=AINO)
    send("nis", LATER)
    _ask(theirs, by=OTSO)
    with transaction() as session:
        replay = session.get_one(Replay, theirs)
        assert (replay.item_count, replay.left_out, replay.state) == (2, {"WAITING": 1}, "DONE")
    with pytest.raises(ReplayRefused, match="UNDER_WAY"):
        _ask(mine)
    assert len(send("nis", LATER)) == 2


def test_a_repair_that_is_dropped_leaves_its_differences_open_again() -> None:
    _missing(MANY)
    made = _preview()
    _ask(made)
    with transaction() as session:
        # Somebody else answers for one of them meanwhile, which ends no repair.
        difference_acts.hand_over(session, 1, "otso", LATER, by=AINO)
        replays.drop(session, made, by=OTSO, now=LATER)
    assert _states() == {"OPEN": MANY}
    with transaction() as session:
        newest = session.scalars(
            select(DifferenceChange)
            .where(DifferenceChange.difference_id == 1)
            .order_by(DifferenceChange.id)
        ).all()[-1]
        assert (newest.by, newest.to_state, newest.note) == (OTSO, "OPEN", "replay 1")


def test_what_a_repair_passes_over_waits_for_somebody_again() -> None:
    _missing(MANY)
    made = _preview()
    _ask(made)
    with transaction() as session:
        # What was sent of one is not kept any more.
        session.execute(
            text("UPDATE outbox_item SET payload = payload || '{\"removed\": true}' WHERE id = 1")
        )
        replays.confirm(session, made, by=OTSO, now=LATER)
    worker.send_again(1, "test")
    assert _states() == {"REPAIRING": MANY - 1, "OPEN": 1}


def _missing(count: int) -> None:
    """So many devices of which the NIS has none."""
    sent([device(number) for number in range(1, count + 1)])
    take(a_list([]))


def _preview(by: str = AINO) -> int:
    with transaction() as session:
        ids = difference_acts.repairable_ids(session, "nis", 1000)
        return difference_acts.preview_repair(session, "nis", ids, LATER, by=by).id


def _ask(replay_id: int, by: str = AINO) -> None:
    with transaction() as session:
        replays.ask(session, replay_id, "their disk was lost", by=by, now=LATER)


def _states() -> dict[str, int]:
    with transaction() as session:
        return dict(Counter(session.scalars(select(Difference.state))))
