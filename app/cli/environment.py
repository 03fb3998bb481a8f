"""`flask environment …`: rules, texts, processes and alarm rules as one signed file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from app.cli.persons import (
    BY,
    MAYBE_BY,
    PASSWORD_STDIN,
    actor_of,
    check_named,
    machine_account,
    who_acts,
)
from app.db import db, transaction
from app.domain.environment_diff import Change, fingerprint, to_rows
from app.queries import environment_imports
from app.services.environments import imports, signed_export
from app.services.environments.imports import ImportRefused
from app.services.environments.signed_export import FileRefused
from app.settings import Settings

_FILE = click.Path(dir_okay=False, path_type=Path)
_SIGNS = {"ADDED": "+", "CHANGED": "~", "REMOVED": "-"}
_SHOWN_MOST = 100


@click.group("environment")
def environment_commands() -> None:
    """From one environment to another: take away, compare, let in."""


@environment_commands.command("key")
@with_appcontext
def key_command() -> None:
    """Print the key that others put into TIEDOLLA_ENVIRONMENT_TRUST to take this one's files."""
    settings = _settings()
    click.echo(json.dumps({settings.environment: signed_export.public_key(settings)}))


@environment_commands.command("export")
@click.argument("path", type=_FILE)
@with_appcontext
def export_command(path: Path) -> None:
    """Write everything that travels into the new file PATH, signed."""
    with transaction() as session:
        body = imports.export(session, _settings(), datetime.now(UTC), by=machine_account())
    try:
        with path.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    click.echo(f"{len(body)} bytes from {_settings().environment} are in {path}.")


@environment_commands.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="only say what would change; nothing is kept")
@click.option("--json", "as_json", is_flag=True, help="answer in JSON")
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def import_command(
    path: Path, dry_run: bool, as_json: bool, by: str | None, password_stdin: bool
) -> None:
    """Bring the file PATH: show what it would change, and keep it for a second person.

    Ends with 1 when the file is not taken, or something in it keeps it out. Needs --by, but for a
    --dry-run.
    """
    if not dry_run:
        check_named(by)
    who = who_acts(by, password_stdin)
    body, now = path.read_bytes(), datetime.now(UTC)
    try:
        if dry_run:
            brought = imports.compare_file(db.session(), _settings(), body)
            db.session.rollback()
        else:
            with transaction() as session:
                brought = imports.bring(session, _settings(), body, now, by=who)
    except FileRefused as refused:
        if not dry_run:
            with transaction() as session:
                imports.note_refused(session, body, refused, now, by=who)
        click.echo(f"refused: {refused}", err=True)
        sys.exit(1)
    changes = brought.difference
    if as_json:
        told = {
            "import": brought.import_id,
            "seen": fingerprint(changes),
            "changes": to_rows(changes),
        }
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _tell(changes)
        if brought.import_id is not None:
            click.echo(f"File {brought.import_id} waits for a second person.")
            click.echo(f"    flask environment approve {brought.import_id} --by USERNAME")
    if any(one.standing == "BLOCKED" for one in changes):
        sys.exit(1)


@environment_commands.command("list")
@with_appcontext
def list_command() -> None:
    """List the files that were brought last."""
    for row in environment_imports.newest(db.session(), 50):
        decided = f", {row.decided_by}" if row.decided_by else ""
        click.echo(
            f"{row.id:5} {row.state:9} from {row.from_environment} of"
            f" {row.exported_at:%Y-%m-%d %H:%M} UTC, brought by {row.brought_by}{decided}"
        )
    db.session.remove()


@environment_commands.command("approve")
@click.argument("import_id", type=int)
@click.option("--yes", is_flag=True, help="do not ask")
@BY
@PASSWORD_STDIN
@with_appcontext
def approve_command(import_id: int, yes: bool, by: str, password_stdin: bool) -> None:
    """Let the file IMPORT_ID in, all of it at once; whoever brought it is refused."""
    who = actor_of(by, password_stdin)
    row = environment_imports.find(db.session(), import_id)
    if row is None:
        raise click.ClickException(f"there is no file {import_id}")
    try:
        changes = imports.look(db.session(), _settings(), row)
        newer_at = environment_imports.newer_let_in(db.session(), row)
        db.session.rollback()
        _tell(changes)
        if newer_at is not None:
            click.echo(f"A newer file, of {newer_at:%Y-%m-%d %H:%M} UTC, has been let in already.")
        if not yes:
            click.confirm("Let it in?", abort=True)
        with transaction() as session:
            now = datetime.now(UTC)
            seen = fingerprint(changes)
            imports.approve(session, _settings(), import_id, seen, now, by=who)
    except (ImportRefused, FileRefused) as refused:
        click.echo(f"refused: {refused}", err=True)
        sys.exit(1)
    click.echo("It is let in. Rules and texts are drafts until somebody publishes them.")


@environment_commands.command("reject")
@click.argument("import_id", type=int)
@click.option("--note", default="", help="why")
@with_appcontext
def reject_command(import_id: int, note: str) -> None:
    """Do not let the file IMPORT_ID in; it stays in the list."""
    try:
        with transaction() as session:
            imports.reject(session, import_id, note, datetime.now(UTC), by=machine_account())
    except ImportRefused as refused:
        click.echo(f"refused: {refused}", err=True)
        sys.exit(1)
    click.echo("It is rejected; nothing has changed.")


def _tell(changes: Sequence[Change]) -> None:
    if not changes:
        click.echo("No difference.")
    kind = ""
    for one in changes:
        if one.kind != kind:
            kind = one.kind
            click.echo(f"{kind}:")
        standing = "" if one.standing == "DUE" else f"  [{one.standing}]"
        reason = f" {one.reason}" if one.reason else ""
        click.echo(f"  {_SIGNS.get(one.what, '?')} {one.key}{standing}{reason}")
        for part in one.fields:
            click.echo(f"      {part.path}: {_short(part.before)} -> {_short(part.after)}")


def _short(value: str | None) -> str:
    if value is None:
        return "–"
    plain = " | ".join(value.splitlines())
    return plain if len(plain) <= _SHOWN_MOST else plain[:_SHOWN_MOST] + "…"


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings
