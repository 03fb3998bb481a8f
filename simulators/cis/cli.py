"""The `simulate cis` commands: files as the CIS writes them, put where Tiedolla looks."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import click

from simulators.cis.connections import (
    COURSE,
    HELSINKI,
    Moved,
    moved_at,
    write_connections,
)
from simulators.cis.drop import Inbox, drop_files
from simulators.cis.iec_orders import write_iec_orders
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import ORDER_TYPES, Wish, write_work_orders
from simulators.cis.world import POINTS_MOST, SEEDS, make_points
from simulators.settings import CONFIG_NAME, RUNNING_NAME, ConfigInvalid, load_config

FilePath = click.Path(path_type=Path, dir_okay=False, exists=True)


def goes_to(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the files go: a rehearsal's own server, any SFTP server, or a local folder."""
    for option in reversed(
        (
            click.option(
                "--dir",
                "folder",
                type=click.Path(path_type=Path, file_okay=False, exists=True),
                envvar="TIEDOLLA_SIMULATORS_DIR",
                show_envvar=True,
                help="The folder of a running rehearsal.",
            ),
            click.option("--sftp-host", default="127.0.0.1", show_default=True),
            click.option("--sftp-port", type=int, help="Instead of the rehearsal's own."),
            click.option("--sftp-user", default="tiedolla", show_default=True),
            click.option("--sftp-key", type=FilePath, help="Private key to log in with."),
            click.option("--sftp-host-key", type=FilePath, help="The server's public key."),
            click.option("--sftp-inbox", default="inbox", show_default=True),
            click.option(
                "--out",
                type=click.Path(path_type=Path, file_okay=False),
                help="Write into this local folder and send nothing.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group()
def cis() -> None:
    """What the customer information system sends."""


@cis.command("master-data")
@goes_to
@click.option("--points", type=click.IntRange(1, POINTS_MOST), required=True)
@click.option("--points-from", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--version", type=click.IntRange(1), default=1, show_default=True)
def master_data(*, points: int, points_from: int, seed: int, version: int, **where: Any) -> None:
    """Customers, metering points, meters and contracts of a made-up grid.

    The same seed and numbers are always the same points.
    """
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / "file"
        message_id = write_master_data(path, make_points(seed, points_from, points), version, now)
        deliver([(path, _name("masterdata", now, message_id))], **where)


@cis.command("orders")
@goes_to
@click.option("--count", type=click.IntRange(1, POINTS_MOST), required=True)
@click.option(
    "--points-from",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of the first point of the master data with this seed.",
)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--type", "type_code", type=click.Choice(ORDER_TYPES), default="MVM")
@click.option("--action", type=click.Choice(("NEW", "UPDATE", "CANCEL")), default="NEW")
@click.option("--revision", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--order-prefix",
    help="Order ids are this and the point's number; without it they are new each time.",
)
@click.option("--one-file/--files", default=True, help="One file of all, or a file for each.")
@click.option("--iec", is_flag=True, help="In IEC 61968-100's envelope, as another CIS would.")
def orders(
    *,
    count: int,
    points_from: int,
    seed: int,
    type_code: str,
    action: str,
    revision: int,
    order_prefix: str | None,
    one_file: bool,
    iec: bool,
    **where: Any,
) -> None:
    """Work orders for points of the master data with the same seed."""
    now = datetime.now(UTC)
    prefix = order_prefix or f"{type_code}-{now:%y%m%d%H%M%S}{now.microsecond // 1000:03d}"
    wish = Wish(type_code, action, revision, prefix)
    files: list[tuple[Path, str]] = []
    with tempfile.TemporaryDirectory() as draft:
        batches = (
            [(points_from, count)] if one_file else [(points_from + i, 1) for i in range(count)]
        )
        for number, (first, many) in enumerate(batches):
            path = Path(draft) / f"{number}"
            write = write_iec_orders if iec else write_work_orders
            message_id = write(path, make_points(seed, first, many), wish, now)
            files.append((path, _name("workorders", now, message_id)))
        deliver(files, **where)


@cis.command("mass")
@goes_to
@click.option("--items", type=click.IntRange(0, POINTS_MOST), required=True)
@click.option("--points-from", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--mass-id", help="Name of the mass order; a new one each time when left out.")
@click.option("--wave", default="2026-W50", show_default=True)
@click.option("--area", default="Tampere", show_default=True)
@click.option("--action", type=click.Choice(("NEW", "UPDATE", "CANCEL")), default="NEW")
@click.option("--revision", type=click.IntRange(1), help="Left out, the receiver counts.")
@click.option("--bad-every", type=click.IntRange(0), default=0, help="Every so many items is bad.")
@click.option("--changed-every", type=click.IntRange(0), default=0, help="Say something new there.")
def mass(
    *,
    items: int,
    points_from: int,
    seed: int,
    mass_id: str | None,
    wave: str,
    area: str,
    action: str,
    revision: int | None,
    bad_every: int,
    changed_every: int,
    **where: Any,
) -> None:
    """One mass order of meters of the master data with the same seed.

    430,000 items are about 270 MB, written as a stream.
    """
    now = datetime.now(UTC)
    wish = MassWish(
        mass_id or f"M-{now:%y%m%d%H%M%S}",
        wave,
        area,
        action,
        revision,
        changed_every=changed_every,
        bad_every=bad_every,
    )
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / "file"
        points = make_points(seed, points_from, items)
        message_id = write_mass_order(path, points, items, wish, now)
        deliver([(path, _name("massorder", now, message_id))], **where)


@cis.command("connections")
@goes_to
@click.option("--count", type=click.IntRange(1, POINTS_MOST), required=True)
@click.option("--points-from", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which they were ordered; part of their numbers. Today when left out.",
)
@click.option(
    "--version",
    type=click.IntRange(1, len(COURSE)),
    help="Send this version of each: how far along its course it is.",
)
@click.option(
    "--step",
    type=click.IntRange(1),
    help="Send the orders that move at this step, one starting after the other.",
)
def connections(
    *,
    count: int,
    points_from: int,
    seed: int,
    day: datetime | None,
    version: int | None,
    step: int | None,
    **where: Any,
) -> None:
    """Orders of new connections by customers of the master data with the same seed."""
    if (version is None) == (step is None):
        raise click.UsageError("Give either --version or --step.")
    now = datetime.now(UTC)
    ordered_on = (day or now.astimezone(HELSINKI)).date()
    points = make_points(seed, points_from, count)
    moved = (
        [Moved(point, version) for point in points]
        if version is not None
        else list(moved_at(points, step or 1))
    )
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / "file"
        message_id = write_connections(path, moved, ordered_on, now)
        deliver([(path, _name("connections", now, message_id))], **where)


@cis.command("drop")
@goes_to
@click.argument("files", nargs=-1, required=True, type=FilePath)
def drop(*, files: tuple[Path, ...], **where: Any) -> None:
    """Put any files into the inbox, byte by byte as they are."""
    deliver([(path, path.name) for path in files], **where)


def deliver(files: list[tuple[Path, str]], out: Path | None, **where: Any) -> None:
    """Put files (where they are, the name that they get) where the options say."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for path, name in files:
            shutil.copyfile(path, out / name)
    else:
        try:
            asyncio.run(drop_files(_inbox(**where), files))
        except (asyncssh.Error, OSError) as error:
            raise click.ClickException(f"The file server: {error}") from None
    for _, name in files:
        click.echo(name)


def _inbox(
    *,
    folder: Path | None,
    sftp_host: str,
    sftp_port: int | None,
    sftp_user: str,
    sftp_key: Path | None,
    sftp_host_key: Path | None,
    sftp_inbox: str,
) -> Inbox:
    """The options, completed from the rehearsal's folder when one is given."""
    if folder is not None:
        try:
            sftp = load_config(folder / CONFIG_NAME).sftp
            running = json.loads((folder / RUNNING_NAME).read_text("utf-8"))
        except (ConfigInvalid, OSError, ValueError) as error:
            raise click.ClickException(f"{folder}: no rehearsal has run here: {error}") from None
        sftp_port = sftp_port or running["sftp_port"]
        sftp_host = running["sftp_host"]
        sftp_user = sftp.user
        sftp_key = sftp_key or sftp.client_key_file
        sftp_host_key = sftp_host_key or sftp.host_key_file.with_name(
            f"{sftp.host_key_file.name}.pub"
        )
    if sftp_port is None or sftp_key is None or sftp_host_key is None:
        raise click.UsageError(
            "Give --dir, or --sftp-port with --sftp-key and --sftp-host-key, or --out."
        )
    return Inbox(sftp_host, sftp_port, sftp_user, sftp_key, sftp_host_key, sftp_inbox)


def _name(kind: str, now: datetime, message_id: str) -> str:
    return f"{kind}_{now:%Y%m%dT%H%M%S}Z_{message_id[:8]}.xml"
