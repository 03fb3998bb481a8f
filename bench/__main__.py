"""`make bench`: measures the product on this machine, on a private PostgreSQL and Valkey.

Each figure comes from a process of its own, with the floor that it is compared to measured in the
same run. Results are printed as a table and written as JSON under bench/results.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import describe_machine
from bench.report import print_table
from deploy.environment import Rehearsal, clean_environment, keep_secrets, product_settings
from deploy.postgres import PrivatePostgres
from deploy.supervisor import ROOT
from deploy.tether import bound
from deploy.valkey import PrivateValkey

BENCHES = (
    "intake",
    "mass",
    "dispatch",
    "announce",
    "sms",
    "email",
    "overtake",
    "receipts",
    "lookup",
    "dashboard",
    "status",
    "steady",
)
RESULTS = ROOT / "bench" / "results"


def main() -> int:
    """Run the benches asked for, all without a word; ends with 1 when one could not run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--points", type=int, default=430_000, help="points for the lookup")
    parser.add_argument("--programme", type=int, default=430_000, help="orders of the rollout")
    parser.add_argument("--orders", type=int, default=20_000, help="orders in the file")
    parser.add_argument("--items", type=int, default=430_000, help="items in the mass file")
    parser.add_argument("--affected", type=int, default=100_000, help="points of one outage")
    parser.add_argument("--messages", type=int, default=20_000, help="text messages")
    parser.add_argument("--requests", type=int, default=8_000, help="requests per public page")
    parser.add_argument("--emails", type=int, default=40_000, help="e-mails")
    parser.add_argument("--queued", type=int, default=100_000, help="messages to overtake")
    parser.add_argument("--reports", type=int, default=50_000, help="delivery reports to apply")
    parser.add_argument("--seconds", type=int, default=60, help="of steady load, twice")
    asked = parser.parse_args()
    if strange := set(asked.names) - set(BENCHES):
        parser.error(f"no bench is called {', '.join(sorted(strange))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[dict[str, Any]] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="td-bench-") as folder:
        home = Path(folder)
        environment = _environment(home)
        postgres = PrivatePostgres(home / "postgres")
        with postgres, PrivateValkey(home / "valkey") as valkey:
            for name in asked.names or BENCHES:
                _fresh_database(postgres, environment, home, valkey.url)
                sizes = {
                    "intake": asked.orders,
                    "mass": asked.items,
                    "dispatch": asked.items,
                    "announce": asked.affected,
                    "sms": asked.messages,
                    "email": asked.emails,
                    "overtake": asked.queued,
                    "receipts": asked.reports,
                    "lookup": asked.points,
                    "dashboard": asked.programme,
                    "status": asked.requests,
                    "steady": asked.seconds,
                }
                found = _run_one(name, sizes[name], environment)
                failed |= not found
                rows += found
        postgres.remove()
    machine = describe_machine()
    print_table(machine, rows)
    RESULTS.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps({"machine": machine, "results": rows}, indent=2) + "\n", "utf-8")
    print(f"\nWritten to {path.relative_to(ROOT)}")
    return int(failed)


def _environment(home: Path) -> dict[str, str]:
    """What every measured process starts with, apart from the servers' addresses."""
    simulators = home / "simulators"
    environment = clean_environment()
    subprocess.run(
        [sys.executable, "-m", "simulators", "init", "--dir", str(simulators)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return environment


def _fresh_database(
    postgres: PrivatePostgres, environment: dict[str, str], home: Path, redis_url: str
) -> None:
    """An empty database with the defaults, so that no bench measures another one's rows."""
    settings = product_settings(
        base_url="http://127.0.0.1:9",
        database_url=postgres.url,
        redis_url=redis_url,
        own_secrets=keep_secrets(home / "secrets.json"),
        rehearsal=Rehearsal(home / "simulators", http_port=9, sftp_port=9),
    )
    environment.update(settings, TIEDOLLA_LOG_LEVEL="ERROR")
    for words in (("db", "downgrade", "base"), ("db", "upgrade"), ("setup",)):
        subprocess.run(
            bound([sys.executable, "-m", "flask", *words]),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _run_one(name: str, size: int, environment: dict[str, str]) -> list[dict[str, Any]]:
    """Run one bench in a process of its own, so that its memory is its own; its rows."""
    print(f"measuring {name} …", flush=True)
    done = subprocess.run(
        bound([sys.executable, "-m", f"bench.{name}", str(size)]),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"{name} failed with exit code {done.returncode}")
        return []
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


if __name__ == "__main__":
    sys.exit(main())
