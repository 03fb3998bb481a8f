"""The storm is made up once and for all from its seed, and hangs together."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from integrations.dms.outages import parse_outages
from simulators.storm.course import Statement
from simulators.storm.grid import Grid, read_grid
from simulators.storm.replay import Disorder, sendings
from simulators.storm.script import Storm, make_storm
from simulators.storm.stamps import Stamps, wire_record

BEGAN = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
OFTEN = {"brief": 0.1, "false alarm": 0.1, "merged": 0.15, "split": 0.15, "wrong end": 0.15}


@pytest.fixture(scope="module")
def grid() -> Grid:
    return read_grid(1, 1, 1_000)


@pytest.fixture(scope="module")
def storm(grid: Grid) -> Storm:
    return make_storm(grid, 3, 120, 24.0, "S", OFTEN)


def test_the_same_seed_is_the_same_storm_and_another_one_is_not(grid: Grid) -> None:
    one, same, other = (make_storm(grid, seed, 30, 12.0, "S") for seed in (1, 1, 2))
    assert one.statements == same.statements
    assert one.statements != other.statements


def test_there_are_as_many_faults_as_asked_for_and_every_story(storm: Storm) -> None:
    assert storm.fault_count == 120
    assert set(storm.stories) == {"plain", *OFTEN}


def test_every_fault_ends_and_its_versions_follow_each_other(storm: Storm) -> None:
    for ref, versions in by_fault(storm).items():
        assert [one.version for one in versions] == list(range(1, len(versions) + 1)), ref
        moments = [one.at_s for one in versions]
        assert moments == sorted(set(moments)), ref
        assert not versions[-1].off, ref
        assert versions[-1].at_s <= storm.hours * 3600, ref


def test_nothing_is_stated_before_it_happened(storm: Storm) -> None:
    for one in storm.statements:
        assert one.started_s <= one.at_s
        assert all(off_s <= one.at_s and (on_s or 0) <= one.at_s for _, off_s, on_s in one.points)
        assert all(on_s is None or off_s <= on_s for _, off_s, on_s in one.points)


def test_every_version_is_one_that_the_feed_takes(storm: Storm, grid: Grid) -> None:
    records = [wire_record(one, grid, Stamps(BEGAN)) for one in storm.statements]
    message = parse_outages(json.dumps({"outages": records}).encode())
    assert [finding for record in message.records for finding in record.findings] == []


def test_estimates_keep_their_distance_when_the_storm_is_pressed_together(
    storm: Storm, grid: Grid
) -> None:
    one = next(one for one in storm.statements if one.etr_s is not None)
    assert one.etr_s is not None
    assert one.etr_set_s is not None
    record = wire_record(one, grid, Stamps(BEGAN, 1 / 60))
    ahead = datetime.fromisoformat(record["etrAt"]) - datetime.fromisoformat(record["etrSetAt"])
    assert abs(ahead.total_seconds() - (one.etr_s - one.etr_set_s)) <= 1
    started_at = datetime.fromisoformat(record["startedAt"])
    assert abs((started_at - BEGAN).total_seconds() - one.started_s / 60) <= 1


def test_disorder_loses_nothing_and_repeats_what_it_was_asked_to(storm: Storm) -> None:
    found = sendings(storm, Disorder(3600.0, 0.5))
    first = [one for one in found if one.copy == 0]
    assert len(first) == len(storm.statements)
    assert 0.4 < (len(found) - len(first)) / len(first) < 0.6
    assert all(0 <= one.at_s - one.statement.at_s <= 3600 for one in found)
    assert [one.statement for one in first] != storm.statements
    assert [one.statement for one in sendings(storm, Disorder())] == storm.statements


def by_fault(storm: Storm) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = defaultdict(list)
    for one in sorted(storm.statements, key=lambda one: (one.ref, one.version)):
        found[one.ref].append(one)
    return found
