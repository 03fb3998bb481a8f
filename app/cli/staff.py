"""`flask staff …`: accounts, for the first administrator and for when nobody can log in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from app.cli.persons import machine_account
from app.db import transaction
from app.domain.roles import Role
from app.models.staff_account import StaffAccount
from app.services import staff


@click.group("staff")
def staff_commands() -> None:
    """Staff accounts."""


@staff_commands.command("create")
@click.argument("username")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--name", "display_name", help="name shown to colleagues; the user name if left out")
@click.option("--language", type=click.Choice(["fi", "sv", "en"]), default="fi")
@click.option("--password-stdin", is_flag=True, help="read the password from standard input")
@with_appcontext
def create_command(
    username: str, role: str, display_name: str | None, language: str, password_stdin: bool
) -> None:
    """Create an account, or give an existing one this password."""
    password = _password(password_stdin)
    now = datetime.now(UTC)
    try:
        with transaction() as session:
            name = staff.normalised(username)
            account = session.execute(
                select(StaffAccount).where(StaffAccount.username == name)
            ).scalar_one_or_none()
            if account is not None:
                staff.set_password(session, account, password, now, by=machine_account())
                click.echo(f"{username} has a new password.")
                return
            staff.create(
                session,
                username,
                display_name or username,
                password,
                Role(role),
                now,
                language=language,
                by=machine_account(),
            )
    except staff.PasswordTooWeak:
        raise click.ClickException(
            f"the password must have {staff.PASSWORD_MIN_CHARS} characters or more"
        ) from None
    click.echo(f"{username} can log in as {role}.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
