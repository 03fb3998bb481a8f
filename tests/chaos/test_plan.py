"""The plan of a run follows from its seed alone and leaves nobody out."""

from __future__ import annotations

from itertools import pairwise

from simulators.faults import parse_faults
from tests.chaos.news_plan import POINTS_PER_OUTAGE, Statement
from tests.chaos.plan import BYSTANDERS, CALLS, FREEZE_S, KILL_EVERY_S, PROVIDERS, make_plan
from tests.chaos.site import HURRY

LANES = ["acks", "billing", "cis", "dms", "email", "intake", "nis", "partner.voima"]
LANES += ["network", "notices", "poll_cis", "receipts", "replies", "sms", "upkeep"]


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    assert make_plan(3, 50, LANES) == make_plan(3, 50, LANES)
    assert make_plan(3, 50, LANES) != make_plan(4, 50, LANES)


def test_it_kills_as_often_as_asked_and_every_process() -> None:
    struck = [d for d in make_plan(1, 120, LANES).disturbances if d.what in ("kill", "ambush")]
    assert len(struck) == 120
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


def test_outages_keep_to_points_of_their_own_and_tell_every_kind_of_story() -> None:
    plan = make_plan(3, 100, LANES)
    first, news = plan.point_count + BYSTANDERS, plan.news
    assert news == make_plan(3, 100, LANES).news
    assert all(one.first > first for one in news.statements)
    used = [one.first for one in news.statements if one.version == 1]
    assert len(set(used)) == len(used)
    assert max(used) + POINTS_PER_OUTAGE <= news.first_point + news.point_count
    faults = [one for one in news.statements if one.kind == "FAULT"]
    assert {one.state for one in faults} == {"CONFIRMED", "FALSE_ALARM", "CLOSED"}
    assert any(0 < len(one.back) < len(one.off) for one in faults)
    assert any(len(one.off) < POINTS_PER_OUTAGE for one in faults)
    assert any(one.etr_h is not None for one in faults)
    assert any(len(one.posts) == 2 for one in faults)
    assert any(one.posts[0] > one.at_s for one in faults)
    cuts = {one.ref for one in news.statements if one.kind == "PLANNED"}
    off = {one.ref for one in news.statements if one.state == "CANCELLED"}
    assert {one.ref for one in news.approvals} == cuts
    assert off
    assert cuts - off
    assert {text.stops for text in news.texts} == {True, False}


def test_no_version_is_stated_before_the_one_before_it_was_made() -> None:
    versions: dict[str, list[Statement]] = {}
    for one in make_plan(5, 100, LANES).news.statements:
        versions.setdefault(one.ref, []).append(one)
    for of_outage in versions.values():
        assert [one.version for one in of_outage] == list(range(1, len(of_outage) + 1))
        # What is back stays back: the DMS of these runs never errs.
        assert all(set(before.back) <= set(after.back) for before, after in pairwise(of_outage))
