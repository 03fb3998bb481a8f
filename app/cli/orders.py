"""`flask orders …`: mass files straight from the disk, and proofs that come back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from flask import current_app
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.domain.lanes import INTAKE
from app.doorbell import ring_after_commit
from app.queries import mass_watch
from app.queries.mass_watch import Watched
from app.services import audit, inbound, signed_files

_KIND = "CIS_FILE"
_READ_BYTES = 1 << 20
_LOOK_EVERY_S = 0.5

FilePath = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("orders")
def orders_commands() -> None:
    """Work orders and mass orders."""


@orders_commands.command("import")
@click.argument("path", type=FilePath, metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, without a bar.")
@click.option("--wait/--no-wait", default=True, help="Wait until the workers are done with it.")
@with_appcontext
def import_command(path: Path, as_json: bool, wait: bool) -> None:
    """Store FILE as if the CIS had sent it, and show how far the workers are with it.

    The same bytes again do nothing. Ends with 1 when nothing of it was taken, 2 when it waits for
    people. Without a terminal there is no bar.
    """
    size = path.stat().st_size
    limit = current_app.extensions["tiedolla_settings"].cis_file_max_bytes
    if size > limit:
        raise click.ClickException(f"{path.name} has {size} bytes; {limit} are taken at most")
    with_bar = sys.stderr.isatty() and not as_json
    with transaction() as session:
        now = datetime.now(UTC)
        stored = inbound.store(
            session,
            source="cis",
            kind=_KIND,
            name=path.name,
            chunks=_read(path, size, with_bar),
            now=now,
        )
        if stored.new:
            detail = {"name": path.name, "hash": stored.body_hash}
            audit.record(
                session, machine_account(), "FILE_IMPORTED", f"inbound:{stored.id}", detail, now
            )
            ring_after_commit(INTAKE)
    found = _watch(stored.id, with_bar) if wait else mass_watch.look(db.session(), stored.id)
    answer = {"message": stored.id, "new": stored.new, **_plain(found)}
    if as_json:
        click.echo(msgspec.json.encode(answer).decode())
    else:
        words = ", ".join(f"{name}: {count}" for name, count in sorted(found.counts.items()))
        known = "" if stored.new else " (received before)"
        click.echo(f"message {stored.id}{known}: {found.state} {words}".rstrip())
    if found.file_state == "HELD":
        click.echo(f"waits for two people: {found.hold_reason}", err=True)
        raise click.exceptions.Exit(2)
    if found.state in ("REJECTED", "HELD") or found.file_state == "REJECTED":
        raise click.exceptions.Exit(1)


@orders_commands.command("verify")
@click.argument("path", type=FilePath, metavar="FILE")
@with_appcontext
def verify_command(path: Path) -> None:
    """Tell whether FILE, a proof of a mass order as CSV or XLSX, is as it left us.

    Ends with 1 when it was changed or never was ours.
    """
    secret = current_app.extensions["tiedolla_settings"].secret_key.get_secret_value()
    with path.open("rb") as file:
        verdict = signed_files.is_sealed(file, signed_files.key_of(secret))
    if verdict:
        click.echo(f"{path.name}: unchanged, signed by this installation")
        return
    words = "has no signature of ours" if verdict is None else "was changed after it was signed"
    click.echo(f"{path.name}: {words}", err=True)
    raise click.exceptions.Exit(1)


def _read(path: Path, size: int, with_bar: bool) -> Iterator[bytes]:
    with (
        path.open("rb") as file,
        click.progressbar(
            length=size, label="storing", file=sys.stderr, hidden=not with_bar
        ) as bar,
    ):
        while piece := file.read(_READ_BYTES):
            yield piece
            bar.update(len(piece))


def _watch(message_id: int, with_bar: bool) -> Watched:
    """Look until the workers are done; the bar shows the items of which orders have been made."""
    with click.progressbar(
        length=100, label="taking in", file=sys.stderr, hidden=not with_bar
    ) as bar:
        shown = 0
        while True:
            with transaction() as session:
                found = mass_watch.look(session, message_id)
            percent = int(found.share * 100)
            bar.update(max(percent - shown, 0))
            shown = max(percent, shown)
            if found.over:
                bar.update(100 - shown)
                return found
            time.sleep(_LOOK_EVERY_S)


def _plain(found: Watched) -> dict[str, Any]:
    return {
        "state": found.state,
        "mass_order": found.mass_id,
        "file_state": found.file_state,
        "hold_reason": found.hold_reason,
        "counts": found.counts,
    }
