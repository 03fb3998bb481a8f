"""Sending again: exactly what was seen, under the original keys, never twice to a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import AuditEntry, OutboxItem, Replay
from app.services import outbox, replays, settlement
from app.services.outbox import NewItem
from app.services.replay_choice import Choice, Wanted, read_keys
from app.services.replays import ReplayRefused
from tests.services.routing_world import a_swap, take
from workers import replays as worker

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
AINO, OTSO = "staff:aino", "staff:otso"


def test_a_few_are_sent_again_at_once_under_their_original_keys(world: None) -> None:
    put(5, state="DEAD", attempts=60)
    keys = _keys()
    made = _preview(Choice())
    assert made.item_count == 5
    # Nothing happens before somebody has said why.
    assert _states() == {"DEAD": 5}
    with pytest.raises(ReplayRefused, match="NO_REASON"):
        _ask(made.id, "")
    assert _ask(made.id).state == "DONE"
    assert _states() == {"READY": 5}
    assert _keys() == keys
    with transaction() as session:
        # They have their tries anew, but what was tried may have arrived.
        assert set(session.scalars(select(OutboxItem.attempts))) == {1}
        entry = session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.actor, entry.detail["count"]) == ("REPLAY_APPROVED", AINO, 5)
        assert len(entry.detail["items"]) == 5


def test_more_than_a_hundred_wait_for_a_second_person(world: None) -> None:
    put(101, state="DEAD")
    made = _preview(Choice())
    assert _ask(made.id).state == "PROPOSED"
    assert _states() == {"DEAD": 101}
    with pytest.raises(ReplayRefused, match="SAME_PERSON"), transaction() as session:
        replays.confirm(session, made.id, by=AINO, now=NOW)
    with transaction() as session:
        replays.confirm(session, made.id, by=OTSO, now=NOW)
    worker.send_again(1, "test")
    assert _states() == {"READY": 101}
    with transaction() as session:
        found = session.get_one(Replay, made.id)
        assert (found.state, found.queued_count, found.decided_by) == ("DONE", 101, OTSO)


def test_a_hundred_twice_within_an_hour_is_more_than_a_hundred(world: None) -> None:
    put(120, state="DEAD")
    first = _preview(Choice(item_ids=tuple(range(1, 101))))
    assert _ask(first.id).state == "DONE"
    second = _preview(Choice())
    assert second.item_count == 20
    assert _ask(second.id).state == "PROPOSED"
    third = _preview(Choice(item_ids=(101,)), now=NOW + timedelta(hours=2))
    assert _ask(third.id, now=NOW + timedelta(hours=2)).state == "DONE"


def test_the_second_person_confirms_what_the_first_one_saw(world: None) -> None:
    put(150, state="DEAD")
    made = _preview(Choice())
    _ask(made.id)
    put(50, state="DEAD", prefix="later")
    with transaction() as session:
        # Two of them arrive or are called off before the second person comes.
        session.execute(text("UPDATE outbox_item SET state = 'SENT' WHERE id = 1"))
        session.execute(text("UPDATE outbox_item SET state = 'CANCELLED' WHERE id = 2"))
        replays.confirm(session, made.id, by=OTSO, now=NOW)
    worker.send_again(1, "test")
    assert _states() == {"READY": 148, "DEAD": 50, "SENT": 1, "CANCELLED": 1}


def test_a_death_in_the_middle_goes_on_where_it_stopped(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_SLICE_ROWS", 40)
    put(101, state="DEAD")
    made = _preview(Choice())
    _ask(made.id)
    with transaction() as session:
        replays.confirm(session, made.id, by=OTSO, now=NOW)
    with transaction() as session:
        assert replays.carry_out(session, made.id, NOW) == (40, True)
    # Those that were made due have left meanwhile: they are not touched again.
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'SENT' WHERE state = 'READY'"))
    with pytest.raises(_Died):
        _carry_out_and_die(made.id)
    worker.send_again(1, "test")
    assert _states() == {"SENT": 40, "READY": 61}


def test_of_mode_once_nothing_that_arrived_or_may_have_is_ever_chosen(world: None) -> None:
    """I2: neither by a filter nor by naming it, nor between the preview and the deed."""
    put(6, lane="sms", state="DEAD")
    with transaction() as session:
        for item, outcome in ((1, "SENT"), (2, "UNKNOWN"), (3, None), (4, "REJECTED")):
            _attempt(session, item, outcome)
        session.execute(text("UPDATE outbox_item SET state = 'SENT' WHERE id = 5"))
        session.execute(text("UPDATE outbox_item SET state = 'UNKNOWN' WHERE id = 6"))
    with pytest.raises(ReplayRefused, match="TOO_WIDE"):
        _preview(Choice(wanted=Wanted.SENT, key="sms-5"), lane="sms")
    made = _preview(Choice(item_ids=(1, 2, 3, 4, 5, 6)), lane="sms")
    assert (made.item_ids, made.left_out) == ([4], {"MAY_HAVE_ARRIVED": 5})
    assert _preview(Choice(), lane="sms").item_ids == [4]
    # The provider tells after all, after the preview.
    with transaction() as session:
        _attempt(session, 4, "UNKNOWN")
    assert _ask(made.id).queued_count == 0
    assert _states() == {"DEAD": 4, "SENT": 1, "UNKNOWN": 1}


def test_what_a_partner_has_lost_is_sent_again_under_the_same_key(world: None) -> None:
    put(3, state="SENT")
    with pytest.raises(ReplayRefused, match="TOO_WIDE"):
        _preview(Choice(wanted=Wanted.SENT))
    assert _preview(Choice(key="o-1")).item_count == 0
    made = _preview(Choice(wanted=Wanted.SENT, key="o-1"))
    keys = _keys()
    assert _ask(made.id).queued_count == 1
    assert _states() == {"SENT": 2, "READY": 1}
    assert _keys() == keys


def test_what_has_been_overtaken_is_left_out(world: None) -> None:
    """A partner that lost both would take the older one as news."""
    put(1, state="SENT")
    put(1, state="SENT", version=2, suffix="-2")
    made = _preview(Choice(wanted=Wanted.SENT, key="o-1"))
    assert (made.item_ids, made.left_out) == ([2], {"NEWER": 1})
    # A calling off of the same revision has overtaken it too.
    put(1, state="READY", version=2, suffix="-2-cancel")
    made = _preview(Choice(wanted=Wanted.SENT, key="o-1"))
    assert (made.item_ids, made.left_out) == ([], {"NEWER": 2})
    with pytest.raises(ReplayRefused, match="NOTHING"):
        _ask(made.id)


def test_revisions_that_were_all_given_up_go_again_one_after_the_other(world: None) -> None:
    put(1, state="DEAD")
    put(1, state="DEAD", version=2, suffix="-2")
    made = _preview(Choice(key="o-1"))
    assert made.item_ids == [1, 2]
    _ask(made.id)
    with transaction() as session:
        claimed = outbox.claim(session, "nis", 1, 10, NOW + timedelta(days=1), 120)
    assert [item.version for item in claimed] == [1]


def test_req_33_nothing_goes_again_alone_whose_calling_off_was_given_up_as_well(
    world: None,
) -> None:
    put(1, state="DEAD")
    put(1, state="DEAD", version=2, suffix="-2-cancel")
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET last_error_class = 'Rejected' WHERE id = 1"))
    made = _preview(Choice(error_class="Rejected"))
    assert (made.item_ids, made.left_out) == ([], {"NEWER": 1})
    assert _preview(Choice()).item_ids == [1, 2]


def test_req_33_nor_what_was_called_off_in_vain_while_it_waited_for_a_second_person(
    world: None,
) -> None:
    put(101, state="DEAD")
    made = _preview(Choice())
    assert _ask(made.id).state == "PROPOSED"
    put(1, state="DEAD", version=2, suffix="-2-cancel")
    with transaction() as session:
        replays.confirm(session, made.id, by=OTSO, now=NOW)
    worker.send_again(1, "test")
    with transaction() as session:
        found = session.get_one(Replay, made.id)
        assert (found.state, found.queued_count) == ("DONE", 100)
        assert session.get_one(OutboxItem, 1).state == "DEAD"


def test_a_file_says_what_was_found_and_what_not(world: None) -> None:
    put(4, state="DEAD")
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'SENT' WHERE id = 2"))
        session.execute(text("UPDATE outbox_item SET state = 'READY' WHERE id = 3"))
    keys = read_keys('\ufefforder;note\n"o-1";x\no-2,y\n\no-3\no-9\no-1\n')
    assert keys == ["o-1", "o-2", "o-3", "o-9", "o-1"]
    made = _preview(Choice(file_name="lista.csv", key_count=len(keys)), keys=keys)
    assert made.item_ids == [1]
    assert made.left_out == {"SENT": 1, "WAITING": 1, "NOT_FOUND": 1}


def test_filters_hold_together(world: None) -> None:
    take([a_swap(n) for n in range(1, 5)])
    with transaction() as session:
        session.execute(
            text(
                "UPDATE outbox_item SET state = 'DEAD', last_error_class = CASE"
                " WHEN id < 4 THEN 'Rejected' ELSE 'Retryable' END"
            )
        )
        session.execute(text("UPDATE work_order SET mass_id = 'M-1' WHERE order_id <= 'A-2'"))
    lane = "partner.voima"
    assert _preview(Choice(error_class="Rejected"), lane=lane).item_ids == [1, 2, 3]
    assert _preview(Choice(error_class="Rejected", mass_id="M-1"), lane=lane).item_ids == [1, 2]
    assert _preview(Choice(message_id=1), lane=lane).item_ids == [1, 2, 3, 4]
    assert _preview(Choice(message_id=7), lane=lane).item_ids == []
    late = datetime.now(UTC) + timedelta(days=3650)
    assert _preview(Choice(since=late), lane=lane).item_ids == []
    assert _preview(Choice(until=late), lane=lane).item_ids == [1, 2, 3, 4]


def test_one_person_drops_it_and_nobody_brings_it_back(world: None) -> None:
    put(101, state="DEAD")
    made = _preview(Choice())
    _ask(made.id)
    with transaction() as session:
        replays.drop(session, made.id, by=AINO, now=NOW)
    with pytest.raises(ReplayRefused, match="WRONG_STATE"), transaction() as session:
        replays.confirm(session, made.id, by=OTSO, now=NOW)
    assert _states() == {"DEAD": 101}


def test_what_nobody_decided_about_is_forgotten(world: None) -> None:
    put(101, state="DEAD")
    looked, asked = _preview(Choice()), _preview(Choice())
    _ask(asked.id)
    with transaction() as session:
        replays.forget_previews(session, NOW + timedelta(days=2))
    with transaction() as session:
        assert set(session.scalars(select(Replay.id))) == {asked.id}
        assert looked.id != asked.id


def test_an_order_that_its_partner_refused_is_with_it_once_it_takes_it(world: None) -> None:
    take([a_swap(1)])
    _settle("REJECTED", "DEAD")
    assert _order_states() == ("PARTNER_REJECTED", "PARTNER_REJECTED")
    made = _preview(Choice(), lane="partner.voima")
    _ask(made.id)
    _settle("SENT", "SENT")
    assert _order_states() == ("SENT", "SENT")


class _Died(Exception):
    """The process went away before the commit."""


def _carry_out_and_die(replay_id: int) -> None:
    with transaction() as session:
        replays.carry_out(session, replay_id, NOW)
        raise _Died


def put(
    count: int,
    *,
    lane: str = "nis",
    state: str = "DEAD",
    attempts: int = 3,
    version: int = 1,
    prefix: str = "",
    suffix: str = "-1",
) -> None:
    name = prefix or ("sms" if lane == "sms" else "o")
    with transaction() as session:
        outbox.put(
            session,
            [
                NewItem(
                    lane,
                    "NIS_DEVICE",
                    f"{name}-{n}",
                    f"{name}-{n}",
                    version,
                    f"{name}-{n}{suffix}",
                    {},
                )
                for n in range(1, count + 1)
            ],
            NOW,
        )
        session.execute(
            text(
                "UPDATE outbox_item SET state = :state, attempts = :attempts, settled_at = :now"
                " WHERE dedupe_key LIKE :name AND state = 'READY' AND attempts = 0"
            ),
            {"state": state, "attempts": attempts, "now": NOW, "name": f"{name}-%{suffix}"},
        )


def _attempt(session: Session, item: int, outcome: str | None) -> None:
    session.execute(
        text(
            "INSERT INTO attempt (id, outbox_item_id, lease, started_at, outcome, lookups)"
            " VALUES (:id, :item, 1, :now, :outcome, 0)"
        ),
        {"id": uuid4(), "item": item, "now": NOW, "outcome": outcome},
    )


def _preview(choice: Choice, *, lane: str = "nis", now: datetime = NOW, **more: Any) -> Replay:
    with transaction() as session:
        return replays.preview(session, lane, choice, by=AINO, now=now, **more)


def _ask(replay_id: int, reason: str = "the partner is back", now: datetime = NOW) -> Replay:
    with transaction() as session:
        return replays.ask(session, replay_id, reason, by=AINO, now=now)


def _settle(outcome: str, state: str) -> None:
    with transaction() as session:
        items = outbox.claim(session, "partner.voima", 1, 10, NOW + timedelta(days=1), 120)
        done = [
            outbox.Settlement(item, uuid4(), outcome, state, NOW, NOW, error_class=None)
            for item in items
        ]
        outbox.settle(session, 1, done, NOW, 60)
        settlement.apply(session, "partner.voima", done, NOW)


def _order_states() -> tuple[str, str]:
    with transaction() as session:
        row = session.execute(text("SELECT state, base_state FROM work_order")).one()
        return row.state, row.base_state


def _states() -> dict[str, int]:
    with transaction() as session:
        rows = session.execute(text("SELECT state, count(*) FROM outbox_item GROUP BY state"))
        return {row[0]: row[1] for row in rows}


def _keys() -> dict[int, str]:
    with transaction() as session:
        rows = session.execute(select(OutboxItem.id, OutboxItem.dedupe_key))
        return {row.id: row.dedupe_key for row in rows}


@pytest.fixture
def world(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
