"""`flask lanes …`: how deep they are, their bounds, pause and resume, and sending again."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
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
from app.domain.opening_hours import HoursUnreadable
from app.domain.zones import CENTRAL
from app.queries import lane_board
from app.services import audit, lane_bounds, lanes, replays
from app.services.lane_bounds import BoundValues
from app.services.replay_choice import Choice, Wanted, read_keys
from app.services.replays import ReplayRefused

_NAME = click.argument("name")


@click.group("lanes")
def lanes_commands() -> None:
    """Lanes to partners, systems and customers."""


@lanes_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option("--plain", is_flag=True, help="Names only, of those that want a worker here.")
@with_appcontext
def list_command(as_json: bool, plain: bool) -> None:
    """Show every lane: state, depth, age of the oldest, what is stuck, and its bounds."""
    now = datetime.now(UTC)
    rows = lane_board.all_lanes(db.session())
    if plain:
        for name in sorted(row.name for row in rows if row.zone == CENTRAL):
            click.echo(name)
        return
    if as_json:
        told = [{**msgspec.to_builtins(row), "state": row.circuit(now)} for row in rows]
        click.echo(msgspec.json.encode(told).decode())
        return
    for row in rows:
        age = f", oldest {int((now - row.oldest_at).total_seconds())} s" if row.oldest_at else ""
        stuck = [("dead", row.dead), ("unknown", row.unknown), ("held", row.held)]
        words = "".join(f", {count} {name}" for name, count in stuck if count)
        bounds = f", hours {row.hours}" if row.hours else ""
        if row.day_cap:
            bounds += f", {row.used_today(now)} of {row.day_cap} today"
        if row.rate_per_s:
            bounds += f", {row.rate_per_s}/s"
        if row.zone != CENTRAL:
            bounds += f", in the zone {row.zone}"
        click.echo(f"{row.name:20} {row.circuit(now):8} {row.depth}{age}{words}{bounds}")


@lanes_commands.command("pause")
@_NAME
@with_appcontext
def pause_command(name: str) -> None:
    """Stop sending on a lane; what waits keeps waiting."""
    _set_paused(name, True)


@lanes_commands.command("resume")
@_NAME
@with_appcontext
def resume_command(name: str) -> None:
    """Send again on a lane, and try at once where its circuit was broken."""
    _set_paused(name, False)


@lanes_commands.command("bounds")
@_NAME
@click.option(
    "--rate", type=click.IntRange(0, lane_bounds.RATE_MOST), help="items a second; 0: any"
)
@click.option(
    "--in-flight", type=click.IntRange(1, lane_bounds.IN_FLIGHT_MOST), help="calls at the same time"
)
@click.option("--day-cap", type=click.IntRange(0, lane_bounds.CAP_MOST), help="a day; 0: any")
@click.option("--hours", help="as '1-5 07:00-16:00; 6 09:00-14:00'; '': always open")
@click.option("--reason", required=True, help="for the record")
@with_appcontext
def bounds_command(
    name: str,
    rate: int | None,
    in_flight: int | None,
    day_cap: int | None,
    hours: str | None,
    reason: str,
) -> None:
    """Set how much, how fast and when a lane may send; what is not named stays."""
    row = lane_board.find_lane(db.session(), name)
    if row is None or not row.sends:
        raise click.ClickException(f"no lane {name!r} sends anything; see: flask lanes list")
    values = BoundValues(
        row.rate_per_s if rate is None else rate or None,
        in_flight or row.in_flight_count,
        row.day_cap if day_cap is None else day_cap or None,
        row.hours if hours is None else hours or None,
    )
    try:
        with transaction() as session:
            lane_bounds.set_bounds(
                session, name, values, reason, by=machine_account(), now=datetime.now(UTC)
            )
    except HoursUnreadable as error:
        raise click.ClickException(f"these hours cannot be understood: {error}") from None
    click.echo(f"The bounds of {name} are set.")


@lanes_commands.command("replay")
@_NAME
@click.option("--arrived", is_flag=True, help="what has arrived, for a receiver that has lost it")
@click.option("--error", help="only items of this kind of error")
@click.option("--key", help="only this order")
@click.option("--mass", help="only orders of this mass order")
@click.option("--message", type=int, help="only orders of the received file of this number")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="only orders that this file names in its first column",
)
@click.option(
    "--reason", help="sends them, or asks a second person, and needs --by; without it only counts"
)
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def replay_command(
    name: str,
    arrived: bool,
    error: str | None,
    key: str | None,
    mass: str | None,
    message: int | None,
    path: Path | None,
    reason: str | None,
    by: str | None,
    password_stdin: bool,
) -> None:
    """Count what would be sent again under its original keys; with --reason, do it.

    More than a hundred wait for a second person: flask lanes replay-confirm, or the page.
    """
    if reason is not None:
        check_named(by)
    who = who_acts(by, password_stdin)
    keys = None
    if path is not None:
        keys = read_keys(path.read_bytes().decode("utf-8-sig", "replace"))
    choice = Choice(
        wanted=Wanted.SENT if arrived else Wanted.DEAD,
        error_class=error,
        key=key,
        mass_id=mass,
        message_id=message,
        file_name=path.name if path is not None else None,
        key_count=None if keys is None else len(keys),
    )
    now = datetime.now(UTC)
    try:
        with transaction() as session:
            made = replays.preview(session, name, choice, by=who, now=now, keys=keys)
        click.echo(f"Replay {made.id}: {made.item_count} items")
        for why, count in made.left_out.items():
            click.echo(f"left out: {count} {why}")
        if reason is None:
            return
        with transaction() as session:
            made = replays.ask(session, made.id, reason, by=who, now=now)
    except ReplayRefused as refused:
        click.echo(f"refused: {refused.code}", err=True)
        sys.exit(1)
    click.echo(f"{made.state}, {made.queued_count} are due again.")


@lanes_commands.command("replay-confirm")
@click.argument("replay_id", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def replay_confirm_command(replay_id: int, by: str, password_stdin: bool) -> None:
    """Confirm, as a second person, what somebody else wants sent again."""
    who = actor_of(by, password_stdin)
    try:
        with transaction() as session:
            made = replays.confirm(session, replay_id, by=who, now=datetime.now(UTC))
    except ReplayRefused as refused:
        click.echo(f"refused: {refused.code}", err=True)
        sys.exit(1)
    click.echo(f"Confirmed: {made.item_count} items become due one after the other.")


def _set_paused(name: str, paused: bool) -> None:
    with transaction() as session:
        if not lanes.set_paused(session, name, paused):
            raise click.ClickException(f"no lane {name!r}; see: flask lanes list")
        action = "LANE_PAUSED" if paused else "LANE_RESUMED"
        audit.record(session, machine_account(), action, f"lane:{name}", {}, datetime.now(UTC))
    click.echo(f"{name} is {'paused' if paused else 'running again'}.")
