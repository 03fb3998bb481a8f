"""`python -m tests.chaos --kills N --seed S`: kills processes while work flows, then checks the promises.

Runs of --per-run kills follow one another, --rigs of them side by side, until N kills from this seed
on are in the log; called again, it goes on from there.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from tests.chaos.rigs import OUTCOME, Wanted, run_rigs
from tests.chaos.run import Outcome, run_chaos

FOLDER = Path("instance") / "chaos"


def main() -> int:
    """1 when a promise was broken or something never came to rest."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="in all, those in the log included")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each takes the next")
    parser.add_argument("--per-run", type=int, default=100, help="kills in one run")
    parser.add_argument("--rigs", type=int, default=1, help="runs side by side")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the log and of bad runs")
    parser.add_argument("--one", type=Path, help="a single run in this folder, without the log")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.one is not None:
        return int(not _run_one(asked.one, asked.kills, asked.seed))
    wanted = Wanted(asked.kills, asked.seed, asked.per_run, max(1, asked.rigs), asked.folder)
    return int(not run_rigs(wanted, lambda text: print(text, flush=True)))


def _run_one(home: Path, kills: int, seed: int) -> bool:
    began = time.monotonic()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "run.log").open("w", encoding="utf-8") as log:

        def say(text: str) -> None:
            line = f"{time.monotonic() - began:7.2f} s  {text}"
            print(line, file=log, flush=True)
            if not text.startswith("faults"):
                print(f"[{seed}] {line}", flush=True)

        say(f"seed {seed}, {kills} kills")
        outcome = run_chaos(home, kills=kills, seed=seed, say=say)
        for line in describe(outcome):
            say(line)
    (home / OUTCOME).write_text(json.dumps(_facts(outcome)), "utf-8")
    return outcome.kept_all_promises


def describe(outcome: Outcome) -> list[str]:
    """What was done, what there was to get wrong, and what went wrong."""
    findings = outcome.findings
    return [
        f"seed {outcome.seed}, {outcome.took_s:.0f} s",
        "done: " + ", ".join(f"{count} {what}" for what, count in sorted(outcome.done.items())),
        "seen: " + ", ".join(f"{count} {what}" for what, count in findings.counts.items()),
        *(f"BROKEN {breach}" for breach in findings.breaches),
        *([f"NOT AT REST {outcome.stuck}"] if outcome.stuck else []),
        "every promise was kept" if outcome.kept_all_promises else "promises were broken",
    ]


def _facts(outcome: Outcome) -> dict[str, object]:
    """What the log keeps of a run."""
    return {
        "kills": outcome.done["kills"],
        "done": dict(outcome.done),
        "seen": dict(outcome.findings.counts),
        "breaches": [str(breach) for breach in outcome.findings.breaches],
        "stuck": outcome.stuck,
    }


if __name__ == "__main__":
    sys.exit(main())
