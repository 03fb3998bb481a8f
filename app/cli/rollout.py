"""`flask rollout …`: the plan from a file, and the figures counted now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from flask.cli import with_appcontext

from app.cli.persons import BY, MAYBE_BY, PASSWORD_STDIN, check_named, who_acts
from app.db import db, transaction
from app.domain.rollout_plan import parse_plan
from app.queries import rollout_figures, rollout_plans
from app.services import rollout_plan
from app.services.rollout_plan import PlanRefused, PlanUnknown


@click.group("rollout")
def rollout_commands() -> None:
    """The meter rollout: its plan and its figures."""


@rollout_commands.command("import-plan")
@click.argument(
    "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
@click.option("--propose", is_flag=True, help="Ask a second person to put it in force; needs --by.")
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def import_command(path: Path, propose: bool, by: str | None, password_stdin: bool) -> None:
    """Keep the plan in FILE (CSV) as a new version; prints its number.

    Columns: wave, municipality (name or code), from, to, meters, and crews where known. A plan with
    a fault is not taken; each fault is told, and the command ends with 1.
    """
    if propose:
        check_named(by)
    rows, faults = parse_plan(path.read_bytes())
    for fault in faults:
        where = f"{path.name}:{fault.line}"
        click.echo(f"{where}: {fault.column} {fault.code} {fault.value}".rstrip(), err=True)
    if faults:
        raise click.exceptions.Exit(1)
    who, now = who_acts(by, password_stdin), datetime.now(UTC)
    try:
        with transaction() as session:
            number, is_new = rollout_plan.store(session, path.name, rows, now, by=who)
            if propose:
                rollout_plan.propose(session, number, now, by=who)
    except PlanRefused as refused:
        raise click.ClickException(f"refused: {refused.code}") from None
    click.echo(f"{number}{'' if is_new else ' (known before)'}")


@rollout_commands.command("propose-plan")
@click.argument("number", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def propose_command(number: int, by: str, password_stdin: bool) -> None:
    """Ask a second person to put version NUMBER of the plan in force; also the way back."""
    _act(rollout_plan.propose, number, by, password_stdin)
    click.echo(f"Version {number} waits for a second person.")


@rollout_commands.command("activate-plan")
@click.argument("number", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def activate_command(number: int, by: str, password_stdin: bool) -> None:
    """Put version NUMBER of the plan in force; whoever imported or proposed it is refused."""
    _act(rollout_plan.activate, number, by, password_stdin)
    click.echo(f"Version {number} is in force.")


@rollout_commands.command("plans")
@with_appcontext
def plans_command() -> None:
    """List the versions of the plan: a star for the one in force, ? for those that are proposed."""
    session = db.session()
    active = rollout_plans.find_active(session)
    for plan in rollout_plans.plans(session):
        mark = "*" if active is not None and plan.id == active.id else " "
        mark = "?" if plan.proposed_by is not None else mark
        span = f"{plan.first_on:%Y-%m-%d} to {plan.last_on:%Y-%m-%d}"
        click.echo(f"{mark}{plan.id:5} {plan.meter_count:9} meters, {span}  {plan.name}")


@rollout_commands.command("show")
@with_appcontext
def show_command() -> None:
    """Print the figures as they were counted last, in JSON."""
    summary = rollout_figures.find_summary(db.session())
    if summary is None:
        raise click.ClickException("nothing has been counted yet")
    click.echo(
        msgspec.json.encode({"as_of": summary.as_of_at, "figures": summary.figures}).decode()
    )


def _act(act: Callable[..., None], number: int, by: str | None, password_stdin: bool) -> None:
    who = who_acts(by, password_stdin)
    try:
        with transaction() as session:
            act(session, number, datetime.now(UTC), by=who)
    except PlanUnknown:
        raise click.ClickException(f"there is no version {number}") from None
    except PlanRefused as refused:
        raise click.ClickException(f"refused: {refused.code}") from None
