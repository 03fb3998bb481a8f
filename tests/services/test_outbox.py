"""The outbox loses nothing, doubles nothing and keeps the order of each key."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import Attempt, OutboxItem
from app.services import outbox, replays
from app.services.outbox import Claimed, NewItem, Settlement
from app.services.replay_choice import Choice

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
GRACE_S = 60.0


def test_the_same_key_is_written_once(app: Flask) -> None:
    with app.app_context():
        assert _put(_item("a"), _item("a"), _item("b")) == 2
        assert _put(_item("a")) == 0


def test_a_later_item_of_a_key_waits_until_the_earlier_one_is_settled(app: Flask) -> None:
    with app.app_context():
        _put(_item("first", order_key="point"), _item("second", order_key="point"), _item("other"))
        claimed = _claim(lease=1)
        assert [item.dedupe_key for item in claimed] == ["first", "other"]
        assert _claim(lease=2) == []
        _settle(1, [_sent(item) for item in claimed])
        assert [item.dedupe_key for item in _claim(lease=2)] == ["second"]


def test_an_item_that_waits_for_its_next_try_still_holds_back_those_behind_it(app: Flask) -> None:
    with app.app_context():
        _put(_item("first", order_key="point"), _item("second", order_key="point"))
        (first,) = _claim(lease=1)
        _settle(1, [_ended(first, "NOT_SENT", "READY", next_at=NOW + timedelta(minutes=5))])
        assert _claim(lease=1) == []
        (again,) = _claim(lease=1, now=NOW + timedelta(minutes=6))
        assert again.dedupe_key == "first"
        assert again.attempts == 1


def test_lower_priority_numbers_leave_first(app: Flask) -> None:
    with app.app_context():
        _put(_item("late", priority=50), _item("urgent", priority=1), _item("usual", priority=10))
        assert [i.dedupe_key for i in _claim(lease=1)] == ["urgent", "usual", "late"]


def test_many_claimers_at_once_never_share_an_item(app: Flask) -> None:
    with app.app_context():
        _put(*(_item(f"item-{number}") for number in range(400)))
    taken: list[list[str]] = []

    def _claimer(lease: int) -> None:
        with app.app_context():
            mine = []
            while items := _claim(lease=lease, limit=7):
                mine += [item.dedupe_key for item in items]
                _settle(lease, [_sent(item) for item in items])
            taken.append(mine)

    threads = [threading.Thread(target=_claimer, args=(lease,)) for lease in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [key for mine in taken for key in mine]
    assert len(everything) == 400
    assert len(set(everything)) == 400


def test_a_claim_among_many_is_as_cheap_when_the_queue_was_analysed_while_empty(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            # What the tests before left dead in its pages would be read, too.
            session.execute(text("TRUNCATE outbox_item CASCADE"))
        _put(_item("first"))
        with transaction() as session:
            session.execute(text("ANALYZE outbox_item"))
        _put(*(_item(f"item-{number}") for number in range(3000)))
        explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {outbox._CLAIM.text}")
        claim = {
            "lane": "nis",
            "now": NOW,
            "limit": 100,
            "lease": 1,
            "until": NOW,
            "most_urgent": 0,
            "least_urgent": 100,
            "routes": ["twilio"],
            "zone": "central",
            "central": "central",
        }
        with transaction() as session:
            plan = session.execute(explain, claim).scalar_one()[0]["Plan"]
            session.rollback()
        # Some thirty pages for each claimed row; compared with one another they were thousands.
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100 * 60


def test_whoever_lost_the_lease_settles_nothing(app: Flask) -> None:
    with app.app_context():
        _put(_item("a"))
        (item,) = _claim(lease=1)
        with transaction() as session:
            assert outbox.give_back(session, 1, NOW, GRACE_S) == (1, 0)
        assert _settle(1, [_sent(item)]) == set()
        assert _states() == {"a": "READY"}


def test_rows_of_a_dead_drainer_without_an_attempt_go_back_at_once(app: Flask) -> None:
    with app.app_context():
        _put(_item("a", lane="sms"), _item("b", lane="nis"))
        _claim(lease=1, lane="sms")
        _claim(lease=1, lane="nis")
        with transaction() as session:
            assert outbox.give_back(session, 1, NOW, GRACE_S) == (2, 0)
        assert _states() == {"a": "READY", "b": "READY"}


def test_a_once_row_whose_drainer_died_during_the_call_becomes_unknown_and_is_not_resent(
    app: Flask,
) -> None:
    with app.app_context():
        _put(_item("a", lane="sms"))
        (item,) = _claim(lease=1, lane="sms")
        attempt = _begin(1, item)
        with transaction() as session:
            assert outbox.give_back(session, 1, NOW, GRACE_S) == (0, 1)
        assert _states() == {"a": "UNKNOWN"}
        assert _claim(lease=2, lane="sms") == []
        with transaction() as session:
            row = session.get(Attempt, attempt)
            assert row is not None
            assert row.outcome == "UNKNOWN"
            assert row.next_lookup_at == NOW + timedelta(seconds=GRACE_S)


def test_a_late_word_from_the_sender_settles_what_was_declared_unknown(app: Flask) -> None:
    with app.app_context():
        _put(_item("a", lane="sms"))
        (item,) = _claim(lease=1, lane="sms")
        attempt = _begin(1, item)
        with transaction() as session:
            outbox.give_back(session, 1, NOW, GRACE_S)
        assert _settle(1, [_ended(item, "SENT", "SENT", attempt_id=attempt)]) == {item.id}
        assert _states() == {"a": "SENT"}


def test_an_attempt_committed_before_the_giving_back_is_always_seen(app: Flask) -> None:
    """The drainer's connection died but the drainer did not: both work on the row at once."""
    with app.app_context():
        _put(_item("a", lane="sms"))
        (item,) = _claim(lease=1, lane="sms")
        result: list[tuple[int, int]] = []

        def _dispatcher() -> None:
            with app.app_context(), transaction() as session:
                result.append(outbox.give_back(session, 1, NOW, GRACE_S))

        thread = threading.Thread(target=_dispatcher)
        with transaction() as session:
            live, _ = outbox.lock_leased(session, [item.id], 1, NOW)
            assert live == {item.id}
            thread.start()
            _wait_until_somebody_waits_for_a_lock()
            outbox.begin_attempts(session, 1, {item.id: uuid4()}, NOW)
        thread.join()
        assert result == [(0, 1)]
        assert _states() == {"a": "UNKNOWN"}


def test_an_expired_item_is_told_apart_before_its_call(app: Flask) -> None:
    with app.app_context():
        _put(_item("a", expires_at=NOW + timedelta(seconds=1)))
        (item,) = _claim(lease=1)
        with transaction() as session:
            later = NOW + timedelta(seconds=2)
            assert outbox.lock_leased(session, [item.id], 1, later) == (set(), {item.id})


def test_held_items_wait_for_a_person_and_dead_ones_return_under_their_key(app: Flask) -> None:
    with app.app_context():
        _put(_item("held", hold_reason="READING_LOW"), _item("dead"))
        (dead,) = _claim(lease=1)
        _settle(1, [_ended(dead, "REJECTED", "DEAD")])
        with transaction() as session:
            ids = {row.dedupe_key: row.id for row in session.scalars(select(OutboxItem))}
            assert outbox.release_held(session, "nis", [ids["held"]], NOW) == 1
            again = replays.preview(session, "nis", Choice(), by="staff:aino", now=NOW)
            assert replays.ask(session, again.id, "why", by="staff:aino", now=NOW).queued_count == 1
        assert {item.dedupe_key for item in _claim(lease=1)} == {"held", "dead"}


def test_a_lane_with_an_open_circuit_is_not_rung(app: Flask) -> None:
    with app.app_context():
        _put(_item("a", lane="nis"), _item("b", lane="dms"))
        with transaction() as session:
            session.execute(
                text("UPDATE lane SET open_until = :until WHERE name = 'nis'"),
                {"until": NOW + timedelta(minutes=1)},
            )
            assert outbox.lanes_with_work(session, NOW) == ["dms"]


def _item(key: str, lane: str = "nis", order_key: str | None = None, **more: Any) -> NewItem:
    return NewItem(
        lane=lane,
        kind="TEST",
        business_key=key,
        order_key=order_key or key,
        version=1,
        dedupe_key=key,
        payload={"key": key},
        **more,
    )


def _put(*items: NewItem) -> int:
    with transaction() as session:
        return outbox.put(session, items, NOW)


def _claim(
    *, lease: int, lane: str = "nis", limit: int = 500, now: datetime = NOW
) -> list[Claimed]:
    with transaction() as session:
        return outbox.claim(session, lane, lease, limit, now, 120)


def _begin(lease: int, item: Claimed) -> Any:
    attempt = uuid4()
    with transaction() as session:
        outbox.lock_leased(session, [item.id], lease, NOW)
        outbox.begin_attempts(session, lease, {item.id: attempt}, NOW)
    return attempt


def _ended(item: Claimed, outcome: str, state: str, **more: Any) -> Settlement:
    more.setdefault("attempt_id", uuid4())
    return Settlement(item, outcome=outcome, state=state, started_at=NOW, finished_at=NOW, **more)


def _sent(item: Claimed) -> Settlement:
    return _ended(item, "SENT", "SENT")


def _settle(lease: int, settlements: list[Settlement]) -> set[int]:
    with transaction() as session:
        return outbox.settle(session, lease, settlements, NOW, GRACE_S)


def _states() -> dict[str, str]:
    with transaction() as session:
        rows = session.execute(select(OutboxItem.dedupe_key, OutboxItem.state)).all()
        return dict(rows)


def _wait_until_somebody_waits_for_a_lock() -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < deadline:
        with db.engine.connect() as connection:
            waiting = connection.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            )
        if waiting:
            return
    raise AssertionError("nobody came to wait for the lock")
