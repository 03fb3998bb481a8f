"""`flask storms …`: open, assess and end a storm, and see what one came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.queries import storm_figures, storm_list
from app.services import storms
from app.services.storms import StormRefused


@click.group("storms")
def storms_commands() -> None:
    """Storms: bulletins by area, and no single estimates until damage is assessed."""


@storms_commands.command("list")
@with_appcontext
def list_command() -> None:
    """List the latest storms."""
    for row in storm_list.storms(db.session()):
        storm = row.storm
        state = "over" if storm.ended_at else "assessed" if storm.assessed_at else "open"
        click.echo(
            f"{storm.id:5} {state:9} {storm.name}: {', '.join(storm.municipality_codes)};"
            f" {row.open_count} of {row.fault_count} faults open, {row.off_count} points off"
        )


@storms_commands.command("open")
@click.argument("name")
@click.option("--municipality", "codes", multiple=True, required=True, help="its code, as 837")
@click.option("--bulletin-every-h", type=click.IntRange(1, 24), default=1, show_default=True)
@with_appcontext
def open_command(name: str, codes: tuple[str, ...], bulletin_every_h: int) -> None:
    """Begin a storm; prints its number."""
    strange = sorted(set(codes) - storm_list.municipalities(db.session()).keys())
    if strange:
        raise click.ClickException(f"no metering points in municipality {', '.join(strange)}")
    db.session.rollback()
    try:
        with transaction() as session:
            every_s = 3600.0 * bulletin_every_h
            now = datetime.now(UTC)
            number = storms.open_storm(
                session, name, codes, now, by=machine_account(), bulletin_every_s=every_s
            )
    except StormRefused as refused:
        raise click.ClickException(f"not opened: {refused.code}") from None
    click.echo(number)


@storms_commands.command("assess")
@click.argument("storm_id", type=int)
@with_appcontext
def assess_command(storm_id: int) -> None:
    """Say that damage is assessed: single estimates may be told."""
    _move(storm_id, storms.assess)


@storms_commands.command("end")
@click.argument("storm_id", type=int)
@with_appcontext
def end_command(storm_id: int) -> None:
    """End a storm."""
    _move(storm_id, storms.end)


@storms_commands.command("figures")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    required=True,
    help="from when on, as 2026-11-28T13:00:00+0000",
)
@with_appcontext
def figures_command(since: datetime) -> None:
    """Print as JSON what became of everything announced since then."""
    click.echo(json.dumps(asdict(storm_figures.figures_since(db.session(), since))))


@storms_commands.command("readings")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    required=True,
    help="from when on, as 2026-11-28T13:00:00+0000",
)
@with_appcontext
def readings_command(since: datetime) -> None:
    """Print when each version of the DMS's outages was read, a line each: name, version, moment."""
    for ref, version, read_at in storm_figures.readings_since(db.session(), since):
        click.echo(f"{ref} {version} {read_at.isoformat()}")


def _move(storm_id: int, move: Callable[..., None]) -> None:
    try:
        with transaction() as session:
            move(session, storm_id, datetime.now(UTC), by=machine_account())
    except StormRefused as refused:
        raise click.ClickException(f"storm {storm_id}: {refused.code}") from None
