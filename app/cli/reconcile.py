"""`flask reconcile …`: compare lists of other systems, list differences, have them repaired."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import BinaryIO

import click
import msgspec
from flask import current_app
from flask.cli import with_appcontext

from app.cli.persons import MAYBE_BY, PASSWORD_STDIN, check_named, machine_account, who_acts
from app.db import db, transaction
from app.domain.reconciliation import DifferenceKind, SystemUnknown, list_name
from app.domain.states import DifferenceState
from app.queries import difference_list
from app.queries.difference_list import NOT_OVER, Sought
from app.services import difference_acts, processes, reconciliation
from app.services.difference_acts import DifferenceRefused
from app.services.process_starts import ProcessUnknown
from app.services.processes import ProcessRefused
from app.services.replays import ALONE_MOST, ReplayRefused
from app.settings import Settings
from integrations.snapshots.codec import SnapshotInvalid

_MANY = 1_000_000


@click.group("reconcile")
def reconcile_commands() -> None:
    """What other systems have, against what we gave them."""


@reconcile_commands.command("run")
@click.option("--system", help="Only this one: nis, dms, billing, cis, partner.CODE, stock.CODE, …")
@click.option("--changes", is_flag=True, help="Ask only for what changed since the last list.")
@click.option(
    "--file", "file", type=click.File("rb"), help="Compare this list of --system here and now."
)
@with_appcontext
def run_command(system: str | None, changes: bool, file: BinaryIO | None) -> None:
    """Start a comparison; it runs like any other process, and its page says how it went."""
    if system is not None:
        try:
            list_name(system)
        except SystemUnknown:
            raise click.ClickException(f"there is no system {system}") from None
    if file is not None:
        if system is None:
            raise click.UsageError("--file needs --system")
        _compare(system, file)
        return
    code = "reconcile-changes" if changes else "reconcile"
    params = {"system": system} if system else {}
    try:
        with transaction() as session:
            asked = processes.start(
                session,
                code,
                secrets.token_hex(8),
                datetime.now(UTC),
                by=machine_account(),
                params=params,
            )
    except (ProcessUnknown, ProcessRefused) as error:
        raise click.ClickException(f"{code} cannot be started: {error}") from None
    click.echo(f"start {asked.id}: {asked.state}")


@reconcile_commands.command("list")
@click.option("--system", default="", help="Only those of this system.")
@click.option("--kind", type=click.Choice([one.value for one in DifferenceKind]), default=None)
@click.option(
    "--state",
    type=click.Choice([NOT_OVER, *(one.value for one in DifferenceState)]),
    default=NOT_OVER,
    show_default=True,
)
@click.option("--limit", default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@with_appcontext
def list_command(system: str, kind: str | None, state: str, limit: int, as_json: bool) -> None:
    """List differences, the oldest first."""
    sought = Sought(system=system, kind=kind or "", state=state)
    rows = difference_list.differences(db.session(), sought, limit)
    if as_json:
        plain = [
            {
                name: getattr(row, name)
                for name in (
                    *("id", "system", "key", "gsrn", "kind", "reason", "state", "owner"),
                    *("ours", "theirs", "our_version", "their_version", "opened_at", "note"),
                )
            }
            for row in rows
        ]
        click.echo(msgspec.json.encode(plain).decode())
        return
    for row in rows:
        click.echo(
            f"{row.id:8} {row.opened_at:%Y-%m-%d %H:%M} {row.system:16} {row.kind:9}"
            f" {row.reason:15} {row.state:9} {row.key} ({row.owner})"
        )
    total = difference_list.count(db.session(), sought)
    click.echo(f"{len(rows)} of {total}")


@reconcile_commands.command("repair")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--system", help="Everything of this system that sending again can end; needs --by.")
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def repair_command(
    numbers: tuple[int, ...], system: str | None, by: str | None, password_stdin: bool
) -> None:
    """Send again what is missing, under its original keys; many of a system wait for a look first."""
    now = datetime.now(UTC)
    if bool(numbers) == (system is not None):
        raise click.UsageError("give NUMBERS, or --system")
    if len(numbers) > ALONE_MOST:
        # Many one by one are no way round the second person.
        raise click.UsageError(f"more than {ALONE_MOST} need a second person: give --system")
    if system is not None:
        # Whoever has asked for the look is the only one who may decide on it.
        check_named(by)
    who = who_acts(by, password_stdin)
    if system is not None:
        _propose(system, now, who)
        return
    refused = 0
    for number in numbers:
        try:
            with transaction() as session:
                difference_acts.repair(session, number, now, by=who)
        except DifferenceRefused as error:
            click.echo(f"{number}: {error.code}", err=True)
            refused += 1
        else:
            click.echo(f"{number}: on its way")
    if refused:
        raise click.exceptions.Exit(1)


def _propose(system: str, now: datetime, by: str) -> None:
    try:
        with transaction() as session:
            ids = difference_acts.repairable_ids(session, system, _MANY)
            made = difference_acts.preview_repair(session, system, ids, now, by=by)
            click.echo(f"replay {made.id}: {made.item_count} items; decide on it on its page")
    except (DifferenceRefused, ReplayRefused) as error:
        raise click.ClickException(error.code) from None


def _compare(system: str, file: BinaryIO) -> None:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    try:
        with transaction() as session:
            taken = reconciliation.take(session, system, file, settings, now, name=file.name)
    except SnapshotInvalid as error:
        with transaction() as session:
            reconciliation.note_broken(
                session, system, error.code, error.detail, now, name=file.name
            )
        raise click.ClickException(f"{error.code}: {error.detail}") from None
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(taken.counts.items()))
    click.echo(f"{taken.state}: {counts or 'no difference'}")
