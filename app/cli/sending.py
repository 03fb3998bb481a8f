"""`flask sending …`: stop and start what leaves for customers, and see how things stand."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.domain.notice_types import Channel
from app.queries import sending_board
from app.services import sending_stops

_CHANNELS = click.Choice(["all", *(channel.value.lower() for channel in Channel)])


@click.group("sending")
def sending_commands() -> None:
    """Messages to customers: the stop."""


@sending_commands.command("stop")
@click.option("--channel", type=_CHANNELS, default="all", show_default=True)
@click.option("--reason", required=True, help="for the record and the banner")
@click.option("--keep-service", is_flag=True, help="codes and replies may still leave")
@with_appcontext
def stop_command(channel: str, reason: str, keep_service: bool) -> None:
    """Stop sending in every process, before its next slice."""
    with transaction() as session:
        sending_stops.stop(
            session,
            _channels(channel),
            keep_service=keep_service,
            reason=reason,
            by=machine_account(),
            now=datetime.now(UTC),
        )
    click.echo("Sending is stopped.")


@sending_commands.command("start")
@click.option("--channel", type=_CHANNELS, default="all", show_default=True)
@click.option("--reason", default="", help="for the record")
@with_appcontext
def start_command(channel: str, reason: str) -> None:
    """Let messages leave again."""
    with transaction() as session:
        started = sending_stops.start(
            session, _channels(channel), reason=reason, by=machine_account(), now=datetime.now(UTC)
        )
    click.echo(f"Sending again: {', '.join(started)}." if started else "Nothing was stopped.")


@sending_commands.command("status")
@with_appcontext
def status_command() -> None:
    """What is stopped, and which routes work."""
    now = datetime.now(UTC)
    for stop in sending_stops.current(db.session()):
        kept = ", codes and replies leave" if stop.keep_service else ""
        click.echo(
            f"{stop.channel} is stopped since {stop.stopped_at:%Y-%m-%d %H:%M} UTC"
            f" by {stop.stopped_by}{kept}: {stop.reason}"
        )
    for route in sending_board.all_routes(db.session()):
        click.echo(f"{route.channel:6} {route.code:12} weight {route.weight} {route.circuit(now)}")


def _channels(name: str) -> list[Channel]:
    return list(Channel) if name == "all" else [Channel(name.upper())]
