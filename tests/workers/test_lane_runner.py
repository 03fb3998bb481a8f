"""A lane runner in another network: claims, calls and tells; nothing is lost, nothing done twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.services import zone_credentials
from integrations.runner_api.client import Central
from integrations.runner_api.types import Heartbeat
from tests.integrations.stub_server import Reply, StubServer
from tests.services.queueing import queue, set_lane
from tests.simulators.running import RunningRehearsal
from tests.workers.runner_world import BY, Plant, plant_of, put, rows, states, until

OK = Reply(200, {"ref": "NIS-1"})


def test_a_runner_without_any_setting_of_ours_drains_a_lane_of_its_zone(plant: Plant) -> None:
    put("a", "b", "c")
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: set(states().values()) == {"SENT"}, "the items to be sent")
        assert sorted(r.headers["idempotency-key"] for r in nis.received) == ["a", "b", "c"]
        assert plant.stop(runner) == 0, plant.output()
    assert [tuple(row) for row in rows("SELECT DISTINCT outcome, ref FROM attempt")] == [
        ("SENT", "NIS-1")
    ]
    (run,) = rows("SELECT DISTINCT process, trigger FROM run")
    assert tuple(run) == ("drain nis", "runner plant")
    (row,) = rows("SELECT zone_code, version, open_count, ended_at FROM lane_runner")
    assert (row.zone_code, row.open_count) == ("plant", 0)
    assert row.ended_at is not None


def test_what_was_claimed_is_worked_off_while_the_centre_is_away(plant: Plant) -> None:
    set_lane("nis", in_flight_count=1)
    keys = [f"k{number:03d}" for number in range(150)]
    put(*keys)
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: nis.received, "the first call")
        plant.leave()
        at_leaving = len(nis.received)
        until(lambda: len(nis.received) == 150, "the calls without the centre")
        assert at_leaving < 150
        assert set(states().values()) != {"SENT"}
        plant.serve()
        until(lambda: set(states().values()) == {"SENT"}, "the centre to be told")
        assert plant.stop(runner) == 0, plant.output()
        assert len(nis.received) == 150
    assert rows("SELECT count(*), min(attempts), max(attempts) FROM outbox_item")[0][:] == (
        150,
        1,
        1,
    )


def test_a_pause_reaches_what_the_runner_has_claimed_and_not_begun(plant: Plant) -> None:
    set_lane("nis", in_flight_count=1)
    put(*(f"k{number:03d}" for number in range(400)))
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: nis.received, "the first call")
        set_lane("nis", paused=True)
        until(lambda: "CLAIMED" not in states().values(), "what was claimed to be given back")
        sent = len(nis.received)
        assert sent < 400
        assert Counter(states().values()) == {"SENT": sent, "READY": 400 - sent}
        set_lane("nis", paused=False, in_flight_count=20)
        until(lambda: set(states().values()) == {"SENT"}, "the rest to be sent")
        assert plant.stop(runner) == 0, plant.output()
        assert len(nis.received) == 400


def test_two_runners_of_a_zone_share_a_lane_and_call_for_each_item_once(plant: Plant) -> None:
    set_lane("nis", in_flight_count=5)
    keys = [f"k{number:03d}" for number in range(200)]
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runners = [plant.start("--claim-most", "10", journal=name) for name in ("one", "two")]
        until(lambda: len(rows("SELECT id FROM lane_runner")) == 2, "both runners to be known")
        put(*keys)
        until(lambda: set(states().values()) == {"SENT"}, "the items to be sent")
        assert sorted(r.headers["idempotency-key"] for r in nis.received) == keys
        assert [plant.stop(one) for one in runners] == [0, 0], plant.output()
    assert len(rows("SELECT DISTINCT runner_id FROM runner_claim")) == 2


def test_items_of_one_key_leave_one_after_the_other(plant: Plant) -> None:
    put("v1", "v2", "v3", order_key="the meter")
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: set(states().values()) == {"SENT"}, "the items to be sent")
        assert [r.headers["idempotency-key"] for r in nis.received] == ["v1", "v2", "v3"]
        plant.stop(runner)


def test_a_revoked_credential_ends_the_claiming_until_a_new_one_is_put_into_the_file(
    plant: Plant,
) -> None:
    now = datetime.now(UTC)
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: rows("SELECT id FROM lane_runner"), "the runner to be known")
        with transaction() as session:
            zone_credentials.rotate(session, "plant", now, by=BY)
            zone_credentials.revoke_old(session, "plant", now, by=BY)
        until(lambda: "KEY_REVOKED" in plant.output(), "the runner to be turned away")
        put("a")
        assert runner.poll() is None
        assert (states(), len(nis.received)) == ({"a": "READY"}, 0)
        plant.write_credential(generation=2)
        until(lambda: states() == {"a": "SENT"}, "the new key to be used")
        plant.stop(runner)


def test_a_runner_does_not_begin_with_the_key_of_another_zone_or_half_a_configuration(
    plant: Plant,
) -> None:
    plant.write_reach(nis={"client": "nis", "base_url": "ftp://x"}, dms={"client": "fax"})
    runner = plant.start()
    assert runner.wait(20) == 1
    assert "lanes.nis.base_url" in plant.output()
    assert "lanes.dms.client" in plant.output()
    plant.write_reach(nis={"client": "nis", "base_url": "http://127.0.0.1:1"})
    plant.write_credential(zone="south")
    assert plant.start().wait(20) == 1
    assert "holds a key of another zone" in plant.output()
    assert plant.start("--server", "http://tiedolla.example.fi").wait(20) == 1
    assert "has to be an https:// address" in plant.output()


def test_two_processes_never_share_a_journal(plant: Plant) -> None:
    plant.write_reach(nis={"client": "nis", "base_url": "http://127.0.0.1:1"})
    first = plant.start()
    until(lambda: rows("SELECT id FROM lane_runner"), "the first to be known")
    assert plant.start().wait(20) == 1
    assert "journal.lock" in plant.output()
    assert first.poll() is None


def test_a_lane_that_the_settings_do_not_reach_is_told_and_left_alone(plant: Plant) -> None:
    put("a")
    plant.write_reach(dms={"client": "dms", "base_url": "http://127.0.0.1:1"})
    runner = plant.start()
    until(
        lambda: [row[0] for row in rows("SELECT missing_lanes FROM lane_runner")] == [["nis"]],
        "the gap to be told",
    )
    assert states() == {"a": "READY"}
    plant.stop(runner)


def test_no_death_between_two_steps_sends_a_message_twice_or_loses_it(
    plant: Plant, tmp_path: Path
) -> None:
    """Mode once, against the rehearsal's provider, whose own ledger says what has arrived."""
    plant.move("sms")
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", f"http://127.0.0.1:{plant.port}")
    rehearsal.start()
    try:
        account = rehearsal.config["twilio"]
        plant.write_reach(
            twilio={
                "adapter": "twilio",
                "account_sid": account["account_sid"],
                "auth_token": account["auth_token"],
                "base_url": f"{rehearsal.url}/twilio",
            }
        )
        kill_at, was_killed = 0, True
        while was_killed:
            kill_at += 1
            journal = f"journal{kill_at}"
            own = _queued(2)
            runner = plant.start(kill_at=kill_at, journal=journal)
            was_killed = _dies_or_ends(runner, own)
            if was_killed:
                assert runner.returncode == -signal.SIGKILL, plant.output()
                runner = plant.start(journal=journal)
                _wait_until_over(own)
                _wait_until_begun(plant, 2 * kill_at)
            assert plant.stop(runner) == 0, plant.output()
        arrived = [entry["body"] for entry in rehearsal.ledger("twilio", "message")]
    finally:
        rehearsal.stop()
    # Fewer steps than these would mean that the runner has not done all its work.
    assert kill_at > 12
    assert len(arrived) == len(set(arrived))
    sent = {f"text {row[0]}" for row in rows(_SENT)}
    assert sent <= set(arrived)
    doubtful = {f"text {row[0]}" for row in rows(_DOUBTFUL)}
    assert set(arrived) - sent <= doubtful
    # Between the begin and the end of the calls, and nowhere else: two steps of two items, and of one
    # item those six at which the end of the other is written down, told and forgotten.
    assert 0 < len(doubtful) <= 10


_SENT = "SELECT payload->>'notice_id' FROM outbox_item WHERE state = 'SENT'"
_DOUBTFUL = "SELECT payload->>'notice_id' FROM outbox_item WHERE state = 'UNKNOWN'"


def test_no_death_between_two_steps_leaves_an_order_out_or_applies_it_twice(
    plant: Plant, tmp_path: Path
) -> None:
    """Mode idempotent, against the rehearsal's network information system."""
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", f"http://127.0.0.1:{plant.port}")
    rehearsal.start()
    try:
        token = rehearsal.config["nis"]["token"]
        plant.write_reach(nis={"client": "nis", "base_url": f"{rehearsal.url}/nis", "token": token})
        for kill_at in (3, 5, 8, 9, 11):
            journal = f"journal{kill_at}"
            put(f"nis-{kill_at}", first=kill_at)
            runner = plant.start(kill_at=kill_at, journal=journal)
            assert runner.wait(20) == -signal.SIGKILL, plant.output()
            # What died during its call is due again after a pause, which need not be waited for.
            runner = plant.start(journal=journal)
            until(lambda: _made_due() and set(states().values()) == {"SENT"}, f"step {kill_at}")
            assert plant.stop(runner) == 0, plant.output()
        applied = [entry["key"] for entry in rehearsal.ledger("nis", "applied")]
    finally:
        rehearsal.stop()
    assert sorted(applied) == sorted(f"nis-{kill_at}" for kill_at in (3, 5, 8, 9, 11))


def _queued(count: int) -> set[int]:
    """So many messages that are due; the ids of their items."""
    before = {row[0] for row in rows("SELECT id FROM outbox_item")}
    queue(count)
    return {row[0] for row in rows("SELECT id FROM outbox_item")} - before


def _dies_or_ends(runner: subprocess.Popen[bytes], items: set[int]) -> bool:
    """Whether it killed itself; what is settled may still have to be forgotten."""
    until(lambda: runner.poll() is not None or _over(items), "the runner to die or to end")
    try:
        runner.wait(1.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _wait_until_begun(plant: Plant, count: int) -> None:
    """So many processes got so far that they can be told to stop."""
    until(lambda: plant.output().count("lane_runner_begins") >= count, "the runner to begin")


def _wait_until_over(items: set[int]) -> None:
    until(lambda: _over(items), "the rest")


def _over(items: set[int]) -> bool:
    found = rows("SELECT state FROM outbox_item WHERE id = ANY(:ids)", ids=sorted(items))
    return {row[0] for row in found} <= {"SENT", "UNKNOWN"}


def _made_due() -> bool:
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET next_at = now() WHERE state = 'READY'"))
    return True


def test_a_wrong_clock_is_put_right_and_told(plant: Plant) -> None:
    async def _beat() -> int:
        central = Central(
            f"http://127.0.0.1:{plant.port}",
            "plant",
            plant.folder / "key.json",
            wall=lambda: time.time() + 4_000,
        )
        told = Heartbeat(
            runner=uuid4(),
            boot=uuid4(),
            first=True,
            host="slow",
            version="1",
            started_at=datetime.now(UTC),
            clock_offset_ms=0,
            open=0,
            unreported=0,
        )
        try:
            await central.beat(told)
        finally:
            await central.aclose()
        return round(central.clock_offset_s)

    assert abs(asyncio.run(_beat()) - 4_000) <= 2


@pytest.fixture
def plant(app: Flask, tmp_path: Path) -> Iterator[Plant]:
    """The zone with the lane nis, the centre served, no runner yet."""
    with plant_of(app, tmp_path) as plant:
        plant.move("nis")
        plant.serve()
        yield plant
