"""`flask inbound …`: messages that arrived and could not be read, put aside for a person."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import transaction
from app.domain.lanes import ACKS, INTAKE, PARTNER_FILES
from app.doorbell import ring_after_commit
from app.services import audit, inbound

_LANES = {"CIS_FILE": INTAKE, "METER_DELIVERY": INTAKE, "PARTNER_FILE": PARTNER_FILES}


@click.group("inbound")
def inbound_commands() -> None:
    """Messages as they arrived."""


@inbound_commands.command("read-again")
@click.argument("message_ids", type=int, nargs=-1, required=True, metavar="NUMBER…")
@with_appcontext
def read_again_command(message_ids: tuple[int, ...]) -> None:
    """Read the held messages of these NUMBERs again, once what kept us from it has been mended.

    What was taken of them before is recognised and not taken twice.
    """
    now = datetime.now(UTC)
    for message_id in message_ids:
        with transaction() as session:
            kind = inbound.read_again(session, message_id, now)
            if kind is not None:
                audit.record(
                    session,
                    machine_account(),
                    "INBOUND_READ_AGAIN",
                    f"inbound:{message_id}",
                    {},
                    now,
                )
                ring_after_commit(_LANES.get(kind, ACKS))
        if kind is None:
            raise click.ClickException(f"message {message_id} is not held")
    click.echo(f"{len(message_ids)} to be read again")
