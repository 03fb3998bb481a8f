"""Runners of zones: who may claim what, when a lease ends, and what late words still mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.notice_types import Channel
from app.models import Alarm, Attempt, AuditEntry, Lane, LaneRunner, OutboxItem, Run
from app.queries import zone_list
from app.services import (
    lane_runners,
    outbox,
    processes,
    purge,
    runner_reports,
    sending_stops,
    unknowns,
    zone_watch,
    zones,
)
from app.services.lane_runners import Handed, RunnerRefused
from app.services.processes import Edited, ProcessRefused
from app.services.zones import ZoneRefused
from app.settings import Settings
from integrations.runner_api.types import ClaimAsked, Fault, Heartbeat, Report
from tests.services.queueing import queue, set_lane, states
from tests.services.world import scalar
from tests.workers.runner_world import put
from workers.drain import Drain, drain

BY = "staff:armi"
AWAY = timedelta(seconds=901)


def test_our_own_workers_never_claim_a_lane_of_another_zone(app: Flask) -> None:
    put("a")
    loop = asyncio.new_event_loop()
    assert drain(Drain("nis", 1, _settings(app), loop)) == {}
    loop.close()
    with transaction() as session:
        # Not even past the look at the lane: the claim itself looks at the zone.
        assert outbox.claim(session, "nis", 1, 10, _now(), 120) == []
        assert outbox.lanes_with_work(session, _now()) == []
        assert outbox.lanes_with_work(session, _now(), "plant") == ["nis"]
        assert len(outbox.claim(session, "nis", 1, 10, _now(), 120, zone="plant")) == 1


def test_a_runner_never_claims_a_lane_of_another_zone_than_its_own(world: _World) -> None:
    put("a", lane="dms")
    with transaction() as session:
        zones.add(session, "south", "South", _now(), by=BY)
    assert world.claim("dms") == []
    south = _World(world.app, "south")
    put("b")
    assert south.claim("nis") == []
    assert [one.item.dedupe_key for one in world.claim("nis")] == ["b"]


def test_only_lanes_that_send_move_and_their_process_goes_with_them(app: Flask) -> None:
    with transaction() as session:
        assert scalar_in(session, "SELECT zone FROM process WHERE lane = 'nis'") == "plant"
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "LANE_MOVED").order_by(AuditEntry.id)
        ).first()
        assert entry is not None
        assert (entry.actor, entry.subject, entry.detail) == (
            BY,
            "lane:nis",
            {"from": "central", "to": "plant"},
        )
    for lane, zone, code in (
        ("intake", "plant", "LANE_STAYS"),
        ("nis", "nowhere", "ZONE_UNKNOWN"),
        ("nothing", "plant", "LANE_UNKNOWN"),
    ):
        with pytest.raises(ZoneRefused) as refused, transaction() as session:
            zones.move_lane(session, lane, zone, _now(), by=BY)
        assert refused.value.code == code
    with transaction() as session:
        edited = Edited("", "", "central", "test", "operations", "EVERYTHING", "QUEUE_ONE")
        processes.edit(session, "nis", edited, _now(), by=BY)
        assert session.get_one(Lane, "nis").zone == "central"
    edited = Edited("", "", "nowhere", "test", "operations", "EVERYTHING", "QUEUE_ONE")
    with pytest.raises(ProcessRefused) as not_moved, transaction() as session:
        processes.edit(session, "nis", edited, _now(), by=BY)
    assert not_moved.value.code == "ZONE_UNKNOWN"


def test_a_lost_answer_is_given_again_under_the_name_of_its_claim(world: _World) -> None:
    put("a", "b")
    claim = uuid4()
    first = world.claim("nis", claim)
    assert len(first) == 2
    put("c")
    again = world.claim("nis", claim)
    assert [one.attempt_id for one in again] == [one.attempt_id for one in first]
    assert [one.item.dedupe_key for one in world.claim("nis")] == ["c"]


def test_an_answer_that_was_lost_before_a_pause_hands_nothing_over_in_it(world: _World) -> None:
    put("a", "b")
    claim = uuid4()
    assert len(world.claim("nis", claim)) == 2
    set_lane("nis", paused=True)
    asked = ClaimAsked(runner=world.runner, boot=world.boot, claim=claim, lane="nis", most=10)
    with transaction() as session:
        row = lane_runners.speaks(
            session, world.zone, world.runner, world.boot, _settings(world.app), _now()
        )
        runner_reports.recall(session, row, asked, _settings(world.app), _now())
        assert lane_runners.claim(session, row, asked, _settings(world.app), _now()) == []
    with transaction() as session:
        assert set(session.scalars(select(OutboxItem.state))) == {"READY"}
        told = session.execute(text("SELECT DISTINCT told FROM runner_claim")).scalars().all()
        tried = session.execute(text("SELECT DISTINCT attempts FROM outbox_item")).scalars().all()
    assert (told, tried) == (["NOT_BEGUN"], [0])
    set_lane("nis", paused=False)
    assert len(world.claim("nis")) == 2


def test_a_runner_is_told_which_lanes_are_paused_or_stopped(world: _World) -> None:
    for lane in ("sms", "dms"):
        world.move(lane)
    set_lane("nis", paused=True)
    with transaction() as session:
        sending_stops.stop(
            session, [Channel.SMS], keep_service=False, reason="wrong text", by=BY, now=_now()
        )
    with transaction() as session:
        paused = {one.name: one.paused for one in lane_runners.lanes_of(session, "plant", _now())}
    assert paused == {"nis": True, "sms": True, "dms": False}


def test_a_report_counts_once_and_only_for_the_zone_that_the_item_was_handed_to(
    world: _World,
) -> None:
    put("a")
    (held,) = world.claim("nis")
    report = Report(attempt=held.attempt_id, end="SENT", ref="N-1")
    with transaction() as session:
        zones.add(session, "south", "South", _now(), by=BY)
    assert _World(world.app, "south").tell(report) == ["UNKNOWN"]
    assert world.tell(report, report) == ["APPLIED", "ALREADY"]
    assert world.tell(Report(attempt=held.attempt_id, end="DIED")) == ["ALREADY"]
    assert world.tell(Report(attempt=uuid4(), end="SENT")) == ["UNKNOWN"]
    with transaction() as session:
        item = session.scalars(select(OutboxItem)).one()
        assert (item.state, item.ref, item.attempts, item.lease) == ("SENT", "N-1", 1, None)
        run = session.scalars(select(Run)).one()
        assert (run.process, run.trigger, run.counts) == ("drain nis", "runner plant", {"SENT": 1})


def test_each_end_means_what_it_means_for_our_own_workers(world: _World) -> None:
    put("refused", "later", "down", "odd")
    held = {one.item.dedupe_key: one.attempt_id for one in world.claim("nis")}
    now = _now()
    told = world.tell(
        Report(
            attempt=held["refused"],
            end="FAILED",
            error="Rejected",
            why="422",
            findings=[Fault(path="$.gsrn", code="GSRN_UNKNOWN", text="who?")],
        ),
        Report(attempt=held["later"], end="FAILED", error="Retryable", after_s=600.0),
        Report(attempt=held["down"], end="FAILED", error="LaneDown", why="401"),
        Report(attempt=held["odd"], end="FAILED", error="ContractBroken", why="html"),
    )
    assert told == ["APPLIED"] * 4
    with transaction() as session:
        rows = {row.dedupe_key: row for row in session.scalars(select(OutboxItem))}
        assert {key: (row.state, row.last_error_class) for key, row in rows.items()} == {
            "refused": ("DEAD", "Rejected"),
            "later": ("READY", "Retryable"),
            "down": ("READY", "LaneDown"),
            "odd": ("READY", "ContractBroken"),
        }
        assert rows["later"].next_at > now + timedelta(seconds=500)
        alarm = session.scalars(select(Alarm).where(Alarm.kind == "LANE_DOWN")).one()
        assert alarm.subject == "nis"
    assert world.claim("nis") == []


def test_what_was_not_begun_goes_back_untried_and_says_nothing_of_the_receiver(
    world: _World,
) -> None:
    put("a")
    (held,) = world.claim("nis")
    assert world.tell(Report(attempt=held.attempt_id, end="NOT_BEGUN")) == ["APPLIED"]
    with transaction() as session:
        item = session.scalars(select(OutboxItem)).one()
        assert (item.state, item.attempts) == ("READY", 0)
        assert session.scalars(select(Attempt)).all() == []
        assert session.get_one(Lane, "nis").last_sent_at is None
    assert len(world.claim("nis")) == 1


def test_a_lease_ends_for_good_and_what_was_under_it_goes_back(world: _World) -> None:
    put("a")
    claim = uuid4()
    (held,) = world.claim("nis", claim)
    lease = world.row().lease
    later = _now() + AWAY
    assert world.expire(_now()) == []
    ((_, back, unknown),) = world.expire(later)
    assert (back, unknown) == (1, 0)
    assert world.expire(later) == []
    world.beat(later)
    assert world.row().lease > lease
    # It may be asked for again, but it is not the runner's any more.
    assert world.claim("nis", claim, later) == []
    assert [one.item.attempts for one in world.claim("nis", now=later)] == [1]
    assert held.attempt_id


def test_whoever_speaks_in_time_keeps_the_lease(world: _World) -> None:
    put("a")
    world.claim("nis")
    lease = world.row().lease
    later = _now()
    for _ in range(4):
        later += timedelta(seconds=600)
        world.beat(later)
        assert world.expire(later) == []
    assert world.row().lease == lease
    assert states() == {"CLAIMED": 1}


def test_what_arrived_although_the_lease_had_ended_is_not_sent_again(world: _World) -> None:
    put("a")
    (held,) = world.claim("nis")
    later = _now() + AWAY
    world.expire(later)
    assert states() == {"READY": 1}
    assert world.tell(Report(attempt=held.attempt_id, end="SENT", ref="N-1"), now=later) == [
        "APPLIED"
    ]
    assert states() == {"SENT": 1}
    assert world.claim("nis", now=later) == []


def test_what_arrived_and_was_held_by_a_pause_meanwhile_is_not_sent_again_either(
    world: _World,
) -> None:
    put("a")
    (held,) = world.claim("nis")
    later = _now() + AWAY
    world.expire(later)
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'HELD', hold_reason = 'MASS_PAUSED'"))
    assert world.tell(Report(attempt=held.attempt_id, end="SENT"), now=later) == ["APPLIED"]
    with transaction() as session:
        item = session.scalars(select(OutboxItem)).one()
        assert (item.state, item.hold_reason) == ("SENT", None)


def test_a_late_word_about_an_item_that_moved_on_is_on_record_and_moves_nothing(
    world: _World,
) -> None:
    put("a")
    (first,) = world.claim("nis")
    later = _now() + AWAY
    world.expire(later)
    (second,) = world.claim("nis", now=later)
    assert world.tell(Report(attempt=first.attempt_id, end="SENT", ref="N-1"), now=later) == [
        "RECORDED"
    ]
    with transaction() as session:
        attempt = session.get_one(Attempt, first.attempt_id)
        assert (attempt.outcome, attempt.ref) == ("SENT", "N-1")
        assert session.scalars(select(OutboxItem.state)).one() == "CLAIMED"
    assert world.tell(Report(attempt=second.attempt_id, end="SENT"), now=later) == ["APPLIED"]


def test_a_message_to_a_person_whose_runner_is_away_is_in_doubt_and_never_sent_by_another(
    world: _World,
) -> None:
    world.move("sms")
    queue(1)
    (held,) = world.claim("sms")
    assert held.begin_until is not None
    later = _now() + AWAY
    ((_, back, unknown),) = world.expire(later)
    assert (back, unknown) == (0, 1)
    assert world.claim("sms", now=later) == []
    much_later = later + timedelta(days=30)
    with transaction() as session:
        # Nobody asks a provider, no policy decides: only the runner knows, or a person finds out.
        unknowns.settle_reported(session, much_later)
        assert unknowns.due(session, 10, much_later) == []
        assert session.get_one(Attempt, held.attempt_id).outcome == "UNKNOWN"
    assert states("notice") == {"UNKNOWN": 1}
    assert world.tell(Report(attempt=held.attempt_id, end="SENT", ref="SM1"), now=much_later) == [
        "APPLIED"
    ]
    assert (states(), states("notice")) == ({"SENT": 1}, {"SENT": 1})


def test_a_message_that_the_runner_never_began_leaves_again_after_its_lease_had_ended(
    world: _World,
) -> None:
    world.move("sms")
    queue(1)
    (held,) = world.claim("sms")
    later = _now() + AWAY
    world.expire(later)
    assert world.tell(Report(attempt=held.attempt_id, end="NOT_BEGUN"), now=later) == ["APPLIED"]
    assert (states(), states("notice")) == ({"READY": 1}, {"QUEUED": 1})
    assert len(world.claim("sms", now=later)) == 1


def test_a_call_that_a_runner_died_in_is_in_doubt_in_mode_once_and_due_again_otherwise(
    world: _World,
) -> None:
    world.move("sms")
    queue(1)
    put("a")
    (once,) = world.claim("sms")
    (keyed,) = world.claim("nis")
    assert world.tell(
        Report(attempt=once.attempt_id, end="DIED"), Report(attempt=keyed.attempt_id, end="DIED")
    ) == ["APPLIED", "APPLIED"]
    with transaction() as session:
        rows = {row.lane: row for row in session.scalars(select(OutboxItem))}
        assert (rows["sms"].state, rows["nis"].state) == ("UNKNOWN", "READY")
        assert {row.last_error_class for row in rows.values()} == {"RunnerDied"}
        assert rows["nis"].attempts == 1
        assert unknowns.due(session, 10, _now() + timedelta(days=30)) == []


def test_the_last_look_is_made_when_a_message_is_handed_over(world: _World) -> None:
    world.move("sms")
    queue(2)
    with transaction() as session:
        session.execute(
            text(
                "UPDATE outbox_item SET expires_at = now() - interval '1 s'"
                " WHERE id = (SELECT min(id) FROM outbox_item)"
            )
        )
    assert len(world.claim("sms")) == 1
    assert states() == {"CANCELLED": 1, "CLAIMED": 1}


def test_a_process_whose_journal_another_one_has_claims_nothing_but_may_tell(
    world: _World,
) -> None:
    put("a", "b")
    held = world.claim("nis", most=1)
    replaced, world.boot = world.boot, uuid4()
    world.beat(first=True)
    old = Heartbeat(**(_told(world.runner, replaced, first=False)))
    for act in (
        lambda s: lane_runners.beat(s, "plant", old, _settings(world.app), _now()),
        lambda s: lane_runners.speaks(
            s, "plant", world.runner, replaced, _settings(world.app), _now()
        ),
    ):
        with pytest.raises(RunnerRefused) as refused, transaction() as session:
            act(session)
        assert refused.value.code == "RUNNER_REPLACED"
    assert world.tell(Report(attempt=held[0].attempt_id, end="SENT")) == ["APPLIED"]


def test_a_silent_zone_and_a_runner_that_is_gone_with_its_items_raise_alarms(
    world: _World,
) -> None:
    put("a")
    (held,) = world.claim("nis")
    now = _now()
    assert world.alarms(now) == set()
    gone = now + timedelta(seconds=130)
    assert {kind for kind, _ in world.alarms(gone)} == {"ZONE_SILENT", "RUNNER_SILENT"}
    world.beat(gone)
    assert world.alarms(gone) == set()
    assert world.tell(Report(attempt=held.attempt_id, end="SENT"), now=gone) == ["APPLIED"]
    ended = gone + timedelta(seconds=130)
    assert {kind for kind, _ in world.alarms(ended)} == {"ZONE_SILENT"}


def test_a_runner_that_never_comes_back_is_an_alarm_only_while_something_waits_for_it(
    world: _World,
) -> None:
    put("a")
    (held,) = world.claim("nis")
    away = _now() + AWAY + timedelta(seconds=1)
    assert ("RUNNER_SILENT") in {kind for kind, _ in world.alarms(away - timedelta(minutes=1))}
    world.expire(away)
    # It went back, and another runner of the zone sends it.
    assert {kind for kind, _ in world.alarms(away)} == {"ZONE_SILENT"}
    other = _World(world.app)
    (again,) = other.claim("nis")
    assert again.item.id == held.item.id
    assert other.tell(Report(attempt=again.attempt_id, end="SENT")) == ["APPLIED"]
    for days, left in ((20, 1), (40, 0)):
        with transaction() as session:
            purge.purge(session, _settings(world.app), _now() + timedelta(days=days))
        assert scalar("SELECT count(*) FROM runner_claim WHERE settled_at IS NULL") == left
    # Should it come after all, its word is no longer asked for.
    world.beat(first=True)
    assert world.tell(Report(attempt=held.attempt_id, end="SENT")) == ["UNKNOWN"]


def test_the_page_knows_how_each_runner_stands(world: _World) -> None:
    put("a")
    world.claim("nis")
    world.beat(clock_offset_ms=-7_000)
    now = _now()
    with transaction() as session:
        central, plant = zone_list.zones(session, now)
        assert (central.code, "nis" in central.lanes) == ("central", False)
        assert (plant.code, plant.lanes, plant.newest_key) == ("plant", ["nis"], "plant.1")
        (runner,) = plant.runners
        assert (runner.standing(now), runner.held, runner.clock_off) == ("WELL", 1, True)
        assert runner.standing(now + timedelta(minutes=1)) == "LATE"
        assert runner.standing(now + timedelta(minutes=5)) == "SILENT"
        assert plant.runs(now)
        assert not plant.runs(now + timedelta(minutes=5))


def test_what_is_settled_is_forgotten_after_its_time_and_what_is_not_never(world: _World) -> None:
    put("a", "b")
    held = world.claim("nis")
    world.tell(Report(attempt=held[0].attempt_id, end="SENT"))
    with transaction() as session:
        purge.purge(session, _settings(world.app), _now() + timedelta(days=60))
    assert scalar("SELECT count(*) FROM runner_claim") == 1
    assert scalar("SELECT count(*) FROM lane_runner") == 1


class _World:
    """A runner of a zone, as the centre sees it."""

    def __init__(self, app: Flask, zone: str = "plant") -> None:
        self.app, self.zone = app, zone
        self.runner, self.boot = uuid4(), uuid4()
        self.beat(first=True)

    def beat(self, now: datetime | None = None, *, first: bool = False, **more: Any) -> None:
        told = Heartbeat(**{**_told(self.runner, self.boot, first=first), **more})
        with transaction() as session:
            lane_runners.beat(session, self.zone, told, _settings(self.app), now or _now())

    def claim(
        self,
        lane: str,
        claim: UUID | None = None,
        now: datetime | None = None,
        most: int = 100,
    ) -> list[Handed]:
        asked = ClaimAsked(
            runner=self.runner, boot=self.boot, claim=claim or uuid4(), lane=lane, most=most
        )
        at = now or _now()
        with transaction() as session:
            row = lane_runners.speaks(
                session, self.zone, self.runner, self.boot, _settings(self.app), at
            )
            return lane_runners.claim(session, row, asked, _settings(self.app), at)

    def tell(self, *reports: Report, now: datetime | None = None) -> Sequence[str]:
        at = now or _now()
        with transaction() as session:
            row = lane_runners.speaks(
                session, self.zone, self.runner, None, _settings(self.app), at
            )
            return runner_reports.settle(session, row, reports, _settings(self.app), at)

    def expire(self, now: datetime) -> list[tuple[UUID, int, int]]:
        with transaction() as session:
            return lane_runners.expire(session, _settings(self.app), now)

    def alarms(self, now: datetime) -> set[tuple[str, str]]:
        with transaction() as session:
            zone_watch.raise_alarms(session, now)
            rows = session.execute(
                select(Alarm.kind, Alarm.subject).where(Alarm.closed_at.is_(None))
            )
            return {(row.kind, row.subject) for row in rows}

    def row(self) -> LaneRunner:
        with transaction() as session:
            return session.get_one(LaneRunner, self.runner, populate_existing=True)

    def move(self, lane: str) -> None:
        with transaction() as session:
            zones.move_lane(session, lane, self.zone, _now(), by=BY)


def _told(runner: UUID, boot: UUID, *, first: bool) -> dict[str, Any]:
    return {
        "runner": runner,
        "boot": boot,
        "first": first,
        "host": "plant-1",
        "version": "1",
        "started_at": _now(),
        "clock_offset_ms": 0,
        "open": 0,
        "unreported": 0,
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _settings(app: Flask) -> Settings:
    settings: Settings = app.extensions["tiedolla_settings"]
    return settings


def scalar_in(session: Any, statement: str) -> Any:
    return session.execute(text(statement)).scalar()


@pytest.fixture(autouse=True)
def _zone(app: Flask) -> Iterator[None]:
    """The zone plant has the lane nis."""
    with app.app_context():
        with transaction() as session:
            zones.add(session, "plant", "The plant", _now(), by=BY)
            zones.move_lane(session, "nis", "plant", _now(), by=BY)
        yield


@pytest.fixture
def world(app: Flask, _zone: None) -> _World:
    """A runner that has just beaten."""
    return _World(app)
