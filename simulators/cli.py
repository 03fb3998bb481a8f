"""The `simulate` commands: set up and run the rehearsal, send what the CIS sends, look and disturb."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from simulators.asking import ask_running
from simulators.cis.cli import cis
from simulators.config_file import complete_config, set_tiedolla_url
from simulators.control import SYSTEMS
from simulators.dms.cli import dms
from simulators.faults import BROKEN_LISTS, CALLBACKS, Faults
from simulators.head_end.cli import head_end
from simulators.keys import make_missing_keys
from simulators.maker.cli import maker
from simulators.planner.cli import planner
from simulators.rehearsal import Address, AlreadyRunning, run_rehearsal
from simulators.settings import (
    CONFIG_NAME,
    Config,
    ConfigInvalid,
    load_config,
)
from simulators.storm.cli import storm


def folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--dir, the folder that holds everything of one rehearsal."""
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        envvar="TIEDOLLA_SIMULATORS_DIR",
        show_envvar=True,
        help="The rehearsal's folder: configuration, keys, ledgers and the file server's files.",
    )(command)


@click.group()
def simulate() -> None:
    """Rehearsal mode: stand-ins of the CIS, the installer, NIS, DMS, billing, SMS and e-mail."""


@simulate.command()
@folder_option
@click.option("--tiedolla-url", help="Tiedolla's base address, where reports are sent to.")
def init(folder: Path, tiedolla_url: str | None) -> None:
    """Make the configuration and keys that are missing; what is there stays as it is."""
    config_file = folder / CONFIG_NAME
    _set_up(folder, config_file, tiedolla_url)
    click.echo(f"Ready: {config_file}")


@simulate.command()
@folder_option
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one.")
@click.option("--sftp-port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Instead of DIR/config.json."
)
@click.option("--tiedolla-url", help="Tiedolla's base address; kept in the configuration.")
def run(
    *,
    folder: Path,
    port: int,
    sftp_port: int,
    host: str,
    config_file: Path | None,
    tiedolla_url: str | None,
) -> None:
    """Run all simulated systems until SIGTERM or Ctrl-C."""
    config = _set_up(folder, config_file or folder / CONFIG_NAME, tiedolla_url)
    try:
        asyncio.run(run_rehearsal(folder, config, Address(host, port, sftp_port)))
    except (AlreadyRunning, OSError) as error:
        raise click.ClickException(str(error)) from None


@simulate.command()
@click.argument("system", type=click.Choice(SYSTEMS))
@folder_option
@click.option("--after", default=0, help="Only entries with a higher number.")
@click.option("--limit", type=int, help="At most that many entries.")
def ledger(system: str, folder: Path, after: int, limit: int | None) -> None:
    """Print what a running system recorded, one JSON object per line."""
    query = f"after={after}" + ("" if limit is None else f"&limit={limit}")
    for entry in ask_running(folder, "GET", f"/ledger/{system}?{query}")["entries"]:
        click.echo(json.dumps(entry, ensure_ascii=False))


@simulate.command()
@click.argument("system", type=click.Choice(SYSTEMS))
@folder_option
@click.option("--clear", is_flag=True, help="Let everything go right again.")
@click.option("--delay-ms", type=int, help="Wait before the request is looked at.")
@click.option("--jitter-ms", type=int, help="… and up to this much more.")
@click.option("--fail-ratio", type=float, help="Share of requests refused with --status.")
@click.option("--status", type=int, help="Status of refused requests (503).")
@click.option("--retry-after-s", type=int, help="Retry-After of refused requests.")
@click.option("--drop-before-ratio", type=float, help="Share cut off before it is recorded.")
@click.option("--drop-answer-ratio", type=float, help="Share recorded, then cut off.")
@click.option("--fail-after-ratio", type=float, help="Share recorded, then answered with 500.")
@click.option("--nonsense-ratio", type=float, help="Share recorded, then answered with a page.")
@click.option("--hang-s", type=float, help="Record, then keep the caller waiting.")
@click.option("--callbacks", type=click.Choice(CALLBACKS), help="How later reports travel.")
@click.option("--late-s", type=float, help="The longest that a late report is held back (10).")
@click.option("--list-lag-s", type=float, help="Age from which the SMS list shows a message.")
@click.option("--ack-delay-ms", type=int, help="Time between two acknowledgements of an order.")
@click.option("--ack-fail-ratio", type=float, help="Share of orders that end as FAILED.")
@click.option("--snapshot-lose-ratio", type=float, help="Share of things left out of lists.")
@click.option("--snapshot-add-count", type=int, help="Things in lists that nobody ever sent.")
@click.option(
    "--snapshot-change-ratio", type=float, help="Share of things told otherwise in lists."
)
@click.option("--snapshot-age-s", type=float, help="How old a list is that says it is of now.")
@click.option(
    "--snapshot-broken", type=click.Choice(BROKEN_LISTS[1:]), help="Lists not as promised."
)
@click.option("--seed", type=int, help="Where the random generator starts (1).")
def faults(system: str, folder: Path, clear: bool, **asked: Any) -> None:
    """Show or replace what goes wrong in a running system."""
    given = {name: value for name, value in asked.items() if value is not None}
    if clear and given:
        raise click.UsageError("--clear stands alone")
    method = "DELETE" if clear else "PUT" if given else "GET"
    now = ask_running(folder, method, f"/faults/{system}", given if given else None)
    usual = Faults()
    changed = {name: value for name, value in now.items() if value != getattr(usual, name)}
    click.echo(json.dumps(changed) if changed else "Nothing goes wrong.")


simulate.add_command(cis)
simulate.add_command(planner)
simulate.add_command(maker)
simulate.add_command(dms)
simulate.add_command(head_end)
simulate.add_command(storm)


def _set_up(folder: Path, config_file: Path, tiedolla_url: str | None) -> Config:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        complete_config(config_file)
        if tiedolla_url:
            set_tiedolla_url(config_file, tiedolla_url)
        config = load_config(config_file)
    except ConfigInvalid as error:
        raise click.ClickException(str(error)) from None
    make_missing_keys(config)
    return config
