"""`make storm`: a day and a night of faults against the whole product, then the judgement of it.

Private servers, every process of the product and the simulated world are started, the customers
are loaded, and then a storm is played with everybody's clock running fast. Ends with 1 when a
message was doubled, stale or contradictory.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

from bench.machine import describe_machine
from bench.site import Site
from deploy.supervisor import ROOT

REPORT = ROOT / "instance" / "storm"
LOAD_PATIENCE_S = 1800.0
# Status callbacks are three requests for each message; the storm is about what is told.
QUIET_PROVIDERS = {"twilio": '{"callbacks": "none"}', "sendgrid": '{"callbacks": "none"}'}


def main() -> int:
    """Rehearse once."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--faults", type=int, default=1_400)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--speed", type=float, default=60.0, help="60 plays an hour in a minute")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shuffle", type=float, default=0.0, help="minutes of the storm")
    parser.add_argument("--repeat", type=float, default=0.0, help="share that is sent twice")
    parser.add_argument("--begins", type=int, default=15, help="hour of the day in Helsinki")
    parser.add_argument("--receipts", action="store_true", help="let providers report deliveries")
    parser.add_argument("--keep", type=Path, help="keep servers' data and ledgers in this folder")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machine = describe_machine()
    print(", ".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    with _folder(asked.keep) as home, Site(home) as site:
        _load(site, asked.points)
        told = _next(asked.begins).timestamp()
        site.start_product(clock=(told, asked.speed))
        if not asked.receipts:
            for system, faults in QUIET_PROVIDERS.items():
                site.ask(f"{site.rehearsal.url}/faults/{system}", "PUT", faults.encode())
        code = _play(site, asked)
    return code


def _load(site: Site, points: int) -> None:
    """The CIS sends its customers, in ordinary time and with only those awake who take them."""
    began = time.monotonic()
    site.start_product()
    folder = str(site.rehearsal.folder)
    words = ("cis", "master-data", "--points", str(points), "--dir", folder)
    if site.run("simulators", *words) != 0:
        raise SystemExit(f"the customers could not be sent; see {site.home}")
    with psycopg.connect(site.dsn, autocommit=True) as connection:

        def loaded() -> bool:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM metering_point) >= %s AND NOT EXISTS"
                " (SELECT 1 FROM inbound_message WHERE state = 'STORED')",
                [points],
            ).fetchone()
            return bool(found and found[0])

        site.wait_for(loaded, f"{points:,} points", LOAD_PATIENCE_S)
        connection.execute("VACUUM ANALYZE")
    site.stop_product()
    print(f"{points:,} points loaded in {time.monotonic() - began:.0f} s", flush=True)


def _play(site: Site, asked: argparse.Namespace) -> int:
    """The storm itself, by the command that anybody can give."""
    words = {
        "--dir": site.rehearsal.folder,
        "--faults": asked.faults,
        "--points": asked.points,
        "--hours": asked.hours,
        "--speed": asked.speed,
        "--seed": asked.seed,
        "--shuffle": asked.shuffle,
        "--repeat": asked.repeat,
        "--report": REPORT,
        "--patience-s": 1800,
    }
    flat = [str(word) for pair in words.items() for word in pair]
    return site.run_aloud("simulators", "storm", *flat)


def _next(hour: int) -> datetime:
    """The next time that it is so late in Helsinki."""
    now = datetime.now(ZoneInfo("Europe/Helsinki"))
    at = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return at if at > now else at + timedelta(days=1)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="td-storm-") as name:
            yield Path(name)
        return
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    yield keep


if __name__ == "__main__":
    sys.exit(main())
