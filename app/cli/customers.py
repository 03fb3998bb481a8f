"""`flask customers …`: hand out all that we know of somebody, or remove it (REQ-36)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import transaction
from app.services import audit, customer_data


@click.group("customers")
def customers_commands() -> None:
    """What is known of one customer."""


@customers_commands.command("export")
@click.argument("customer_id")
@with_appcontext
def export_command(customer_id: str) -> None:
    """Write everything about CUSTOMER_ID to the standard output, as JSON."""
    now = datetime.now(UTC)
    with transaction() as session:
        try:
            found = customer_data.export(session, customer_id, now)
        except customer_data.NoSuchCustomer:
            raise click.ClickException("there is no such customer") from None
        audit.record(
            session, machine_account(), "CUSTOMER_EXPORTED", f"customer:{customer_id}", {}, now
        )
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


@customers_commands.command("erase")
@click.argument("customer_id")
@click.option("--yes", is_flag=True, help="do not ask")
@with_appcontext
def erase_command(customer_id: str, yes: bool) -> None:
    """Remove the person behind CUSTOMER_ID; the skeleton of the record stays."""
    if not yes:
        click.confirm("This cannot be undone. Go on?", abort=True)
    try:
        with transaction() as session:
            customer_data.erase(session, customer_id, machine_account(), datetime.now(UTC))
    except customer_data.NoSuchCustomer:
        raise click.ClickException("there is no such customer") from None
    except customer_data.StillACustomer:
        raise click.ClickException(
            "the customer has a running contract; end it in the CIS first"
        ) from None
    click.echo("Erased.")
