"""The command of the lane runner. It needs no database and no setting of the centre."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import tomllib
from pathlib import Path

import click
import structlog

from app.logs import set_up_logs
from integrations.runner_api.client import Central, CredentialUnreadable
from workers.lane_runner.journal import Journal, JournalUnusable, RunnerReplaced
from workers.lane_runner.reach import Reach, ReachInvalid
from workers.lane_runner.runner import Pace, Runner

log = structlog.get_logger()

_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("lane-runner")
@click.option("--zone", required=True, help="the zone whose lanes it drains")
@click.option("--server", required=True, help="our address, https://…")
@click.option("--credential-file", required=True, type=_FILE, help="from flask zones credential")
@click.option("--settings-file", required=True, type=_FILE, help="how to reach its systems (TOML)")
@click.option("--journal", required=True, type=_FILE, help="its memory; on a disk that stays")
@click.option("--ca-file", type=_FILE, help="certificates to trust, when not the usual ones")
@click.option("--poll-s", default=2.0, show_default=True, type=click.FloatRange(0.05, 60))
@click.option("--claim-most", default=500, show_default=True, type=click.IntRange(1, 1000))
def lane_runner_command(
    zone: str,
    server: str,
    credential_file: Path,
    settings_file: Path,
    journal: Path,
    ca_file: Path | None,
    poll_s: float,
    claim_most: int,
) -> None:
    """Drain the lanes of a zone from inside its network, until told to stop."""
    set_up_logs("INFO", f"lane runner {zone}")
    try:
        reach = Reach(settings_file)
        central = Central(server, zone, credential_file, ca_file=ca_file)
        memory = Journal(journal, zone)
    except (ReachInvalid, CredentialUnreadable, JournalUnusable, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    try:
        asyncio.run(_run(central, memory, reach, Pace(poll_s, claim_most)))
    except RunnerReplaced as error:
        click.echo(f"ended: {error}", err=True)
        sys.exit(3)
    except sqlite3.Error as error:
        click.echo(f"ended: the journal cannot be written: {error}", err=True)
        sys.exit(4)
    finally:
        memory.close()


def own_version() -> str:
    """The version of the product that runs here."""
    try:
        found = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))
        return str(found["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


async def _run(central: Central, memory: Journal, reach: Reach, pace: Pace) -> None:
    runner = Runner(central, memory, reach, version=own_version(), pace=pace)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.stop)
    log.info("lane_runner_begins", runner=str(memory.runner))
    await runner.run()
    log.info("lane_runner_ended")
