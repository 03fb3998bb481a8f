"""A long run goes on where its log ends, and counts only what was proved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.chaos.rigs import Wanted, run_rigs, sum_up
from tests.chaos.run_log import LoggedRun, RunLog, kills_of, next_seed

GOOD = LoggedRun(
    base=7, seed=7, kills=50, at="2026-11-28T20:00:00+00:00", commit="1a2b", took_s=9.0
)
BROKEN = replace(GOOD, seed=8, breaches=("I2 X: twice", "I1 Y: lost"))
FAILED = replace(GOOD, seed=9, kills=0, error="the rig ended with -9 and no outcome")
OTHER = replace(GOOD, base=100, seed=100)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    log = log_of(tmp_path, GOOD, BROKEN, OTHER)
    assert log.runs(7) == [GOOD, BROKEN]
    assert RunLog(log.path).runs() == [GOOD, BROKEN, OTHER]


def test_a_line_that_a_dying_machine_left_half_written_hurts_no_other(tmp_path: Path) -> None:
    log = log_of(tmp_path, GOOD)
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"base": 7, "se')
    log.add(BROKEN)
    assert log.runs(7) == [GOOD, BROKEN]


def test_kills_add_up_but_for_runs_without_an_outcome(tmp_path: Path) -> None:
    assert kills_of(log_of(tmp_path, GOOD, BROKEN, FAILED).runs(7)) == 100


def test_no_seed_is_used_twice() -> None:
    assert next_seed(7, []) == 7
    assert next_seed(7, [GOOD, BROKEN], taken=[9]) == 10


def test_a_run_whose_kills_are_in_the_log_starts_nothing_and_says_how_it_ended(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    log_of(tmp_path, GOOD, replace(GOOD, seed=8))
    assert run_rigs(Wanted(100, 7, 50, 2, tmp_path), said.append)
    assert said == ["100 kills in 2 runs from seed 7 on, 0 of them bad"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.jsonl"]


def test_one_bad_run_makes_the_whole_bad(tmp_path: Path) -> None:
    said: list[str] = []
    log = log_of(tmp_path, GOOD, BROKEN, FAILED)
    assert not sum_up(log, 7, said.append)
    assert "2 of them bad" in said[0]
    assert "seed 8 (1a2b): 2 breaches, first: I2 X: twice" in said[1]
    assert sum_up(log_of(tmp_path / "other", OTHER), 100, said.append)


def log_of(folder: Path, *runs: LoggedRun) -> RunLog:
    log = RunLog(folder / "runs.jsonl")
    for run in runs:
        log.add(run)
    return log
