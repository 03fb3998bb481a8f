"""`flask contacts …`: what customer service does for somebody's phone number or address."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import transaction
from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.services import audit, opt_outs


@click.group("contacts")
def contacts_commands() -> None:
    """Phone numbers and e-mail addresses of customers."""


@contacts_commands.command("opt-out")
@click.argument("value")
@click.option(
    "--topic",
    type=click.Choice([topic.value for topic in CHOSEN_TOPICS]),
    help="the topic to leave; every topic if left out",
)
@with_appcontext
def opt_out_command(value: str, topic: str | None) -> None:
    """Send nothing more to the phone number or address VALUE, not even what waits already."""
    now = datetime.now(UTC)
    with transaction() as session:
        done = opt_outs.opt_out(
            session,
            value,
            Topic(topic) if topic else None,
            source="AGENT",
            by=machine_account(),
            now=now,
        )
        for contact_id in done.contact_ids:
            audit.record(
                session,
                machine_account(),
                "OPT_OUT",
                f"contact:{contact_id}",
                {"topic": topic or "ALL"},
                now,
            )
    if not done.contact_ids:
        raise click.ClickException("no customer has that number or address")
    click.echo(
        f"{len(done.contact_ids)} contacts, {done.changed} preferences switched off,"
        f" {len(done.stopped_notice_ids)} waiting messages stopped."
    )


@contacts_commands.command("opt-in")
@click.argument("value")
@with_appcontext
def opt_in_command(value: str) -> None:
    """Let the phone number or address VALUE hear of every topic again."""
    now = datetime.now(UTC)
    with transaction() as session:
        done = opt_outs.opt_in(session, value, source="AGENT", by=machine_account(), now=now)
        for contact_id in done.contact_ids:
            audit.record(session, machine_account(), "OPT_IN", f"contact:{contact_id}", {}, now)
    if not done.contact_ids:
        raise click.ClickException("no customer has that number or address")
    click.echo(f"{len(done.contact_ids)} contacts, {done.changed} preferences switched on.")
