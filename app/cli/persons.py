"""Who acts at a terminal: a staff account that shows its password, or the account on the machine.

Where two people are needed both show one, whoever asks and whoever confirms: a name of the machine is
whatever its user says, and one person with two names would be two.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from app.db import transaction
from app.domain.roles import Permission, may
from app.services import staff
from app.services.staff import LoginOutcome

BY = click.option("--by", required=True, metavar="USERNAME", help="your staff account")
MAYBE_BY = click.option(
    "--by", metavar="USERNAME", help="your staff account; without it your account on this machine"
)
PASSWORD_STDIN: Callable[[Any], Any] = click.option(
    "--password-stdin", is_flag=True, help="read its password from the input"
)


def check_named(by: str | None) -> None:
    """Refuse to ask a second person for somebody who has no name, where a command does not always ask."""
    if by is None:
        raise click.ClickException("name your staff account: --by USERNAME")


def who_acts(by: str | None, from_stdin: bool) -> str:
    """A staff account that shows its password, or without one the account on this machine."""
    return actor_of(by, from_stdin) if by else machine_account()


def machine_account() -> str:
    """Who acts at a terminal without a name of ours; good for the record, never for one of two people."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A number without a name, as containers have it.
        name = f"uid {os.getuid()}"
    return f"cli:{name}"


def actor_of(username: str, from_stdin: bool) -> str:
    """Who it is: two names mean two people only if each shows a password of its own."""
    prompt = f"Password of {username}"
    password = (
        sys.stdin.readline().rstrip("\n")
        if from_stdin
        else str(click.prompt(prompt, hide_input=True))
    )
    with transaction() as session:
        login = staff.authenticate(session, username, password, datetime.now(UTC))
        account = login.account
        allowed = account is not None and may(account.role, Permission.OPERATE)
    if login.outcome is not LoginOutcome.OK or account is None:
        raise click.ClickException(f"{username} is not let in: {login.outcome.lower()}")
    if not allowed:
        raise click.ClickException(f"{username} may not do this")
    return f"staff:{account.username}"
