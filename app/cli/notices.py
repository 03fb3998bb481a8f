"""`flask notices …`: what became of messages to customers, in numbers."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from app.db import db
from app.queries.doubts import list_doubts


@click.group("notices")
def notices_commands() -> None:
    """Messages to customers."""


@notices_commands.command("doubts")
@click.option("--json", "as_json", is_flag=True, help="as a JSON object")
@with_appcontext
def doubts_command(as_json: bool) -> None:
    """Count the messages that were sent again in doubt, and those that were given up in doubt."""
    doubts = list_doubts(db.session())
    if as_json:
        counts = {one.type: {"resent": one.resent, "given_up": one.given_up} for one in doubts}
        click.echo(json.dumps(counts))
        return
    for one in doubts:
        click.echo(f"{one.type:20} {one.resent} sent again, {one.given_up} given up")
    if not doubts:
        click.echo("No message is in doubt.")
