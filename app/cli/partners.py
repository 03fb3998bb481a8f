"""`flask partners …`: the keys that partners need to talk to us."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import select

from app.cli.persons import machine_account
from app.db import db, transaction
from app.models.partner import Partner
from app.services import audit, partner_credentials, setup
from app.services.partner_credentials import PartnerUnknown
from app.settings import Settings

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@click.group("partners")
def partner_commands() -> None:
    """Partners and their keys."""


@partner_commands.command("list")
@with_appcontext
def list_command() -> None:
    """List the partners and which of their keys count."""
    for partner in db.session.execute(select(Partner).order_by(Partner.code)).scalars():
        keys = f"{partner.code}.{partner.key_generation}"
        if partner.oldest_key_generation < partner.key_generation:
            keys += f" (and back to {partner.code}.{partner.oldest_key_generation})"
        click.echo(f"{partner.code:16} {partner.name}: {keys}{'' if partner.active else ', off'}")


@partner_commands.command("add")
@click.argument("code")
@click.option("--name", required=True, help="what people call it")
@click.option("--transport", type=click.Choice(["REST", "SFTP"]), required=True)
@click.option("--address", required=True, help="https://… or sftp://user@host:port")
@click.option("--order-type", "order_types", multiple=True, help="it takes only these; else all")
@click.option("--key-info", is_flag=True, help="it may know where keys are")
@with_appcontext
def add_command(
    code: str,
    name: str,
    transport: str,
    address: str,
    order_types: tuple[str, ...],
    key_info: bool,
) -> None:
    """Add a partner with a lane of its own; or, for one that is there, change its address."""
    if not _CODE.fullmatch(code):
        raise click.ClickException("a code has small letters, digits, - and _, at most 40")
    if not _is_address(transport, address):
        form = "sftp://user@host:port" if transport == "SFTP" else "https://host"
        raise click.ClickException(f"the address of {transport} is as {form}")
    settings: Settings = current_app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    with transaction() as session:
        known = session.get(Partner, code)
        if known is not None and known.transport != transport:
            # What waits in its lane has the form of the other way.
            raise click.ClickException(
                f"{code} is reached by {known.transport}; whoever changes the way gets a code of"
                " its own, and rules that send orders there"
            )
        made = setup.add_partner(
            session,
            code,
            name,
            transport=transport,
            base_url=address,
            order_types=list(order_types),
            sees_key_info=key_info,
            settings=settings,
            now=now,
        )
        if not made:
            setup.set_partner_url(session, code, address)
        action = "PARTNER_ADDED" if made else "PARTNER_ADDRESS_CHANGED"
        audit.record(
            session, machine_account(), action, f"partner:{code}", {"transport": transport}, now
        )
    click.echo(f"{code} {'is added; its lane is partner.' + code if made else 'has this address'}.")


def _is_address(transport: str, address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or port == 0:
        return False
    if transport == "SFTP":
        return parts.scheme == "sftp" and bool(parts.username) and parts.path in ("", "/")
    return parts.scheme in ("http", "https")


@partner_commands.command("credential")
@click.argument("code")
@click.option("--json", "as_json", is_flag=True, help="as a JSON object")
@with_appcontext
def credential_command(code: str, as_json: bool) -> None:
    """Print the newest key of a partner: key id, bearer token and signing secret."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    try:
        with transaction() as session:
            key = partner_credentials.current(
                session, settings.partner_key.get_secret_value(), code
            )
    except PartnerUnknown:
        raise click.ClickException(f"no partner {code!r}; see: flask partners list") from None
    words = {"key_id": key.key_id, "token": key.token, "secret": key.secret}
    if as_json:
        click.echo(json.dumps(words))
        return
    for name, value in words.items():
        click.echo(f"{name:7} {value}")


@partner_commands.command("rotate")
@click.argument("code")
@with_appcontext
def rotate_command(code: str) -> None:
    """Make a new key for a partner; the one before it stays good until it is revoked."""
    try:
        with transaction() as session:
            generation = partner_credentials.rotate(
                session, code, machine_account(), datetime.now(UTC)
            )
    except PartnerUnknown:
        raise click.ClickException(f"no partner {code!r}; see: flask partners list") from None
    click.echo(f"The newest key is {code}.{generation}; print it: flask partners credential {code}")
    click.echo(f"When the partner uses it, end the old one: flask partners revoke {code}")


@partner_commands.command("revoke")
@click.argument("code")
@with_appcontext
def revoke_command(code: str) -> None:
    """Let only the newest key of a partner count."""
    try:
        with transaction() as session:
            generation = partner_credentials.revoke_old(
                session, code, machine_account(), datetime.now(UTC)
            )
    except PartnerUnknown:
        raise click.ClickException(f"no partner {code!r}; see: flask partners list") from None
    click.echo(f"Only {code}.{generation} is good now.")
