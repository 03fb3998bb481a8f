"""Several rigs side by side, one run after the other, until so many kills are in the log."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.supervisor import ROOT
from deploy.tether import bound
from tests.chaos.run_log import LoggedRun, RunLog, kills_of, next_seed

OUTCOME = "outcome.json"
# So many rigs in a row without an outcome, and something is wrong with the machine.
ERRORS_MOST = 3
LOOK_S = 0.5
# Two rigs that begin at once would look for free ports at once.
APART_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: kills in all, from which seed on, how many in one run, how many rigs."""

    kills: int
    base: int
    per_run: int
    rigs: int
    folder: Path


@dataclass(slots=True)
class _Rig:
    seed: int
    kills: int
    home: Path
    process: subprocess.Popen[bytes]
    began: float


def run_rigs(wanted: Wanted, say: Callable[[str], None]) -> bool:
    """Go on from the log until the kills are reached; True when no run of this base was bad."""
    log = RunLog(wanted.folder / "runs.jsonl")
    under_way: list[_Rig] = []
    errors = 0
    try:
        while errors < ERRORS_MOST:
            runs = log.runs(wanted.base)
            missing = wanted.kills - kills_of(runs) - sum(rig.kills for rig in under_way)
            if missing > 0 and len(under_way) < wanted.rigs:
                taken = [rig.seed for rig in under_way]
                seed = next_seed(wanted.base, runs, taken)
                under_way.append(_start(wanted, seed, min(wanted.per_run, missing)))
                time.sleep(APART_S if len(under_way) < wanted.rigs else 0)
                continue
            if not under_way:
                break
            time.sleep(LOOK_S)
            for rig in [one for one in under_way if one.process.poll() is not None]:
                under_way.remove(rig)
                run = _read_outcome(wanted, rig)
                log.add(run)
                errors = errors + 1 if run.error else 0
                say(_in_words(run, kills_of(log.runs(wanted.base)), wanted.kills))
                if not run.is_bad:
                    shutil.rmtree(rig.home, ignore_errors=True)
    finally:
        for rig in under_way:
            rig.process.terminate()
        for rig in under_way:
            rig.process.wait()
    return sum_up(log, wanted.base, say)


def sum_up(log: RunLog, base: int, say: Callable[[str], None]) -> bool:
    """Say what the log comes to for this base; True when no run of it was bad."""
    runs = log.runs(base)
    bad = [run for run in runs if run.is_bad]
    say(f"{kills_of(runs)} kills in {len(runs)} runs from seed {base} on, {len(bad)} of them bad")
    for run in bad:
        why = run.error or run.stuck or run.breaches[0]
        say(f"  seed {run.seed} ({run.commit}): {len(run.breaches)} breaches, first: {why}")
    return not bad


def _start(wanted: Wanted, seed: int, kills: int) -> _Rig:
    home = wanted.folder / f"seed-{seed}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    words = ("-m", "tests.chaos", "--one", str(home), "--kills", str(kills), "--seed", str(seed))
    process = subprocess.Popen(bound([sys.executable, *words]), cwd=ROOT)
    return _Rig(seed, kills, home, process, time.monotonic())


def _read_outcome(wanted: Wanted, rig: _Rig) -> LoggedRun:
    took_s = round(time.monotonic() - rig.began, 1)
    common: dict[str, Any] = {
        "base": wanted.base,
        "seed": rig.seed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "took_s": took_s,
    }
    try:
        outcome = json.loads((rig.home / OUTCOME).read_text("utf-8"))
    except (OSError, ValueError):
        error = f"the rig ended with {rig.process.returncode} and no outcome"
        return LoggedRun(**common, kills=0, error=error)
    return LoggedRun(**common, **{**outcome, "breaches": tuple(outcome["breaches"])})


def _commit() -> str:
    """The product that was tried, as its history names it."""
    words = ("git", "describe", "--always", "--dirty", "--abbrev=10")
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _in_words(run: LoggedRun, so_far: int, of: int) -> str:
    how = "every promise was kept"
    if run.is_bad:
        how = f"BAD: {run.error or run.stuck or run.breaches[0]}"
    return f"seed {run.seed}: {run.kills} kills in {run.took_s:.0f} s, {how}; {so_far} of {of}"
