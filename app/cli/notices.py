"""`flask notices …`: what became of messages to customers, and the one that waits for nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.queries.doubts import list_doubts
from app.services import safety_warnings
from app.services.fault_actions import Act, ActRefused


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


@notices_commands.command("warn")
@click.argument("outage_id", type=int)
@click.confirmation_option(prompt="Lines are, or may be, on the ground there. Warn everybody now?")
@with_appcontext
def warn_command(outage_id: int) -> None:
    """Warn everybody at the fault OUTAGE_ID of fallen lines, at any hour."""
    try:
        with transaction() as session:
            safety_warnings.warn(Act(session, machine_account(), datetime.now(UTC)), outage_id)
    except ActRefused as refused:
        raise click.ClickException(f"nobody was warned: {refused.code}") from None
    click.echo("The warning is on its way.")
