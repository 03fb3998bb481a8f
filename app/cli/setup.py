"""`flask setup`: what a new installation needs before its first order."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from app.db import transaction
from app.services import setup
from app.settings import Settings


@click.command("setup")
@click.option("--installer-url", help="address of the mass installer's interface")
@click.option(
    "--region",
    "regions",
    nargs=2,
    multiple=True,
    metavar="PARTNER MUNICIPALITY",
    help="in the first rules: single orders of a municipality go to a partner that is there",
)
@with_appcontext
def setup_command(installer_url: str | None, regions: tuple[tuple[str, str], ...]) -> None:
    """Add code lists, lanes, schedules, the mass installer and its routes where they are missing."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    with transaction() as session:
        setup.install_defaults(
            session,
            settings,
            installer_url=installer_url or setup.MASS_INSTALLER_URL,
            regions=regions,
        )
        if installer_url:
            setup.set_partner_url(session, setup.MASS_INSTALLER, installer_url)
    click.echo("Code lists, lanes, schedules, partner and routes are in place.")
