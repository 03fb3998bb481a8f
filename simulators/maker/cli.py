"""The `simulate maker` commands: deliveries of the meters that the simulated installer hangs."""

from __future__ import annotations

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import click

from simulators.cis.drop import Inbox, drop_files
from simulators.maker.delivery import (
    as_csv,
    as_xml,
    make_delivery,
    make_meters,
    send,
)
from simulators.settings import CONFIG_NAME, RUNNING_NAME, Config, ConfigInvalid, load_config
from simulators.signed_post import read_key

KEY_NAME = "maker.json"
_FORMS = ("api", "xml", "csv")
_KINDS = ("ORDERED", "DELIVERED", "RETURNED", "SCRAPPED", "FAULTY", "LOST")


@click.group()
def maker() -> None:
    """What the meter maker sends."""


@maker.command("deliver")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    envvar="TIEDOLLA_SIMULATORS_DIR",
    show_envvar=True,
    help="The rehearsal's folder, with the maker's key in maker.json.",
)
@click.option("--count", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--first", type=click.IntRange(1), default=1, show_default=True)
@click.option("--as", "form", type=click.Choice(_FORMS), default="api", show_default=True)
@click.option("--kind", type=click.Choice(_KINDS), default="DELIVERED", show_default=True)
@click.option("--partner", default="voima", show_default=True, help="To whose stock they go.")
@click.option("--name", help="The delivery's name; the default has the time in it.")
@click.option(
    "--forget-every", type=click.IntRange(0), default=0, help="Leave out each n-th job's meters."
)
@click.option("--only-forgotten", is_flag=True, help="Deliver only what --forget-every leaves out.")
def deliver(
    *,
    folder: Path,
    count: int,
    first: int,
    form: str,
    kind: str,
    partner: str,
    name: str | None,
    forget_every: int,
    only_forgotten: bool,
) -> None:
    """Deliver the meters of the installer's jobs FIRST to FIRST + COUNT - 1, a meter per model."""
    now = datetime.now(UTC)
    try:
        config = load_config(folder / CONFIG_NAME)
    except ConfigInvalid as error:
        raise click.ClickException(str(error)) from None
    meters = list(
        make_meters(
            config.installer.meter_series,
            first,
            count,
            without_every=forget_every,
            only_without=only_forgotten,
        )
    )
    if not meters:
        raise click.ClickException("no meter is left to deliver")
    wanted = name or f"AID-{now:%y%m%d-%H%M%S}-{first}"
    delivery = make_delivery(meters, name=wanted, kind=kind, partner=partner, now=now)
    if form == "api":
        _send(folder, config, delivery)
    else:
        content = as_xml(delivery) if form == "xml" else as_csv(delivery)
        _drop(folder, config, f"meter-delivery-{wanted}.{form}", content)
    click.echo(f"{wanted}: {len(meters)} meters")


def _send(folder: Path, config: Config, delivery: dict[str, Any]) -> None:
    try:
        key = read_key(folder / KEY_NAME)
    except (OSError, ValueError, KeyError) as error:
        raise click.ClickException(f"{folder}: no maker's key here: {error}") from None
    try:
        answer = send(config.tiedolla_base_url, key, delivery)
    except OSError as error:
        raise click.ClickException(f"Tiedolla does not answer: {error}") from None
    if answer.status != 202:
        raise click.ClickException(f"not taken: {answer.status} {answer.body.get('code')}")


def _drop(folder: Path, config: Config, name: str, content: bytes) -> None:
    """Into the inbox that the CIS uses too; the name tells what it is."""
    try:
        running = json.loads((folder / RUNNING_NAME).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{folder}: no rehearsal has run here: {error}") from None
    key_file = config.sftp.host_key_file
    inbox = Inbox(
        host=running["sftp_host"],
        port=running["sftp_port"],
        user=config.sftp.user,
        client_key_file=config.sftp.client_key_file,
        host_key_file=key_file.with_name(f"{key_file.name}.pub"),
    )
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / name
        path.write_bytes(content)
        try:
            asyncio.run(drop_files(inbox, [(path, name)]))
        except (asyncssh.Error, OSError) as error:
            raise click.ClickException(f"the file server did not take it: {error}") from None
