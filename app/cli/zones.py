"""`flask zones …`: networks whose lanes are drained by runners of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from app.cli.persons import machine_account
from app.db import db, transaction
from app.queries import zone_list
from app.services import zone_credentials, zones
from app.services.zone_credentials import ZoneUnknown
from app.services.zones import ZoneRefused
from app.settings import Settings


@click.group("zones")
def zones_commands() -> None:
    """Zones, their keys, lanes and runners."""


@zones_commands.command("list")
@with_appcontext
def list_command() -> None:
    """List the zones with their lanes and runners."""
    now = datetime.now(UTC)
    for zone in zone_list.zones(db.session(), now):
        off = "" if zone.active else ", switched off"
        click.echo(f"{zone.code:16} {zone.name}{off}: {' '.join(zone.lanes) or 'no lanes'}")
        for one in zone.runners:
            heard = f"heard of {(now - one.heartbeat_at).total_seconds():.0f} s ago"
            click.echo(
                f"    {one.host} {one.version} {one.standing(now)}, {heard},"
                f" holds {one.held}, clock {one.clock_offset_ms:+d} ms"
            )
    db.session.remove()


@zones_commands.command("add")
@click.argument("code")
@click.option("--name", required=True, help="what people call it")
@with_appcontext
def add_command(code: str, name: str) -> None:
    """Add the zone CODE; its first key counts at once."""
    _do(lambda session, by, now: zones.add(session, code, name, now, by=by))
    click.echo(f"Write its key into a file: flask zones credential {code} FILE")


@zones_commands.command("move")
@click.argument("lane")
@click.argument("code")
@with_appcontext
def move_command(lane: str, code: str) -> None:
    """Let LANE be drained in the zone CODE from its next claim on."""
    _do(lambda session, by, now: zones.move_lane(session, lane, code, now, by=by))
    click.echo(f"{lane} is drained in {code} now.")


@zones_commands.command("switch")
@click.argument("code")
@click.argument("state", type=click.Choice(["on", "off"]))
@with_appcontext
def switch_command(code: str, state: str) -> None:
    """Switch the zone CODE on or off; off, none of its keys is good."""
    _do(lambda session, by, now: zones.set_active(session, code, state == "on", now, by=by))
    click.echo(f"{code} is switched {state}.")


@zones_commands.command("credential")
@click.argument("code")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def credential_command(code: str, path: Path) -> None:
    """Write the newest key of the zone CODE into a new file that only its owner can read."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    try:
        with transaction() as session:
            key = zone_credentials.current(session, settings.partner_key.get_secret_value(), code)
    except ZoneUnknown:
        raise click.ClickException(f"no zone {code!r} has keys; see: flask zones list") from None
    words = {"key_id": key.key_id, "token": key.token, "secret": key.secret}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")
    click.echo(f"{key.key_id} is in {path}; carry it to the runner by a safe way.")


@zones_commands.command("rotate")
@click.argument("code")
@with_appcontext
def rotate_command(code: str) -> None:
    """Make a new key for a zone; the one before it stays good until it is revoked."""
    generation = _key(zone_credentials.rotate, code)
    click.echo(f"The newest key is {code}.{generation}: flask zones credential {code} FILE")
    click.echo(f"When every runner has it, end the old one: flask zones revoke {code}")


@zones_commands.command("revoke")
@click.argument("code")
@with_appcontext
def revoke_command(code: str) -> None:
    """Let only the newest key of a zone count."""
    generation = _key(zone_credentials.revoke_old, code)
    click.echo(f"Only {code}.{generation} is good now.")


def _key(act: Callable[..., int], code: str) -> int:
    try:
        with transaction() as session:
            return act(session, code, datetime.now(UTC), by=machine_account())
    except ZoneUnknown:
        raise click.ClickException(f"no zone {code!r} has keys; see: flask zones list") from None


def _do(act: Callable[[Session, str, datetime], None]) -> None:
    try:
        with transaction() as session:
            act(session, machine_account(), datetime.now(UTC))
    except ZoneRefused as refused:
        raise click.ClickException(f"refused: {refused.code}") from None
