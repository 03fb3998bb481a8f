"""The plan of a run follows from its seed alone and leaves nobody out."""

from __future__ import annotations

from simulators.faults import parse_faults
from tests.chaos.plan import CALLS, FREEZE_S, KILL_EVERY_S, PROVIDERS, make_plan
from tests.chaos.site import HURRY

LANES = ["acks", "billing", "cis", "dms", "email", "intake", "nis", "partner.voima"]
LANES += ["network", "notices", "poll_cis", "receipts", "replies", "sms", "upkeep"]


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    assert make_plan(3, 50, LANES) == make_plan(3, 50, LANES)
    assert make_plan(3, 50, LANES) != make_plan(4, 50, LANES)


def test_it_kills_as_often_as_asked_and_every_process() -> None:
    struck = [d for d in make_plan(1, 60, LANES).disturbances if d.what in ("kill", "ambush")]
    assert len(struck) == 60
    others = {"dispatcher", "web", "web worker", "postgres", "valkey"}
    assert {d.whom for d in struck} == {*LANES, *others}
    assert {d.whom for d in struck if d.what == "ambush"} == {"sms", "email"}


def test_frozen_senders_are_thawed_after_their_lease_is_over() -> None:
    plan = make_plan(1, 100, LANES)
    frozen = [d for d in plan.disturbances if d.what == "freeze"]
    thawed = [d for d in plan.disturbances if d.what == "thaw"]
    assert {d.whom for d in frozen} == {"sms", "email", "partner.voima"}
    assert [(d.whom, d.at_s + FREEZE_S) for d in frozen] == [(d.whom, d.at_s) for d in thawed]
    lease_s = float(HURRY["TIEDOLLA_LEASE_S"])
    assert lease_s < FREEZE_S


def test_redis_is_wiped_and_every_system_gets_faults_that_it_understands() -> None:
    plan = make_plan(1, 100, LANES)
    assert sum(d.what == "flush" for d in plan.disturbances) >= 5
    faults = [d for d in plan.disturbances if d.what == "faults"]
    systems = {"cis", *CALLS}
    assert {d.whom for d in faults} == systems
    for one in faults:
        assert one.faults is not None
        parse_faults(one.faults)
    # A provider's outage makes texts wait, and somebody opts out in the midst of it.
    outages = [d for d in faults if d.faults and d.faults.get("fail_ratio") == 1]
    assert set(PROVIDERS) <= {d.whom for d in outages}
    waiting = [d for d in outages if d.whom in PROVIDERS]
    assert sum(d.what == "opt-out" for d in plan.disturbances) == 3 + 2 * len(waiting)
    assert {d.faults["status"] for d in faults if d.faults and "status" in d.faults} == {
        429,
        500,
        503,
    }


def test_orders_come_all_the_time_and_are_changed_only_after_they_came() -> None:
    plan = make_plan(2, 50, LANES)
    new = {drop.first: drop.at_s for drop in plan.drops if drop.action == "NEW"}
    assert max(new.values()) > plan.duration_s - 3 * KILL_EVERY_S
    later = [drop for drop in plan.drops if drop.action != "NEW"]
    assert {drop.action for drop in later} == {"UPDATE", "CANCEL"}
    assert all(drop.at_s > new[drop.first] for drop in later)
    assert any(drop.twice for drop in plan.drops)
