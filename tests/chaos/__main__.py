"""`python -m tests.chaos --kills N --seed S`: kills processes while work flows, then checks the promises."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.chaos.run import Outcome, a_folder, run_chaos


def main() -> int:
    """Run once, or seed after seed until the time is over; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds-limit", type=float, help="start runs with the next seeds until this has passed"
    )
    parser.add_argument(
        "--keep", type=Path, help="keep ledgers and logs of each run in this folder"
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    seed, broken = asked.seed, []
    while True:
        if not _run_one(seed, asked.kills, asked.keep):
            broken.append(seed)
        seed += 1
        if asked.seconds_limit is None or time.monotonic() - began > asked.seconds_limit:
            break
    if broken:
        print(f"promises were broken with seed {', '.join(map(str, broken))}")
    return int(bool(broken))


def _run_one(seed: int, kills: int, keep: Path | None) -> bool:
    began = time.monotonic()
    folder = None if keep is None else keep / f"seed-{seed}"
    with a_folder(folder) as home, (home / "run.log").open("w", encoding="utf-8") as log:

        def say(text: str) -> None:
            line = f"{time.monotonic() - began:7.2f} s  {text}"
            print(line, file=log, flush=True)
            if not text.startswith("faults"):
                print(line, flush=True)

        say(f"seed {seed}, {kills} kills")
        outcome = run_chaos(home, kills=kills, seed=seed, say=say)
        for line in describe(outcome):
            say(line)
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


if __name__ == "__main__":
    sys.exit(main())
