"""`flask rollout …`: the plan from a file, and the figures counted now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from flask.cli import with_appcontext

from app.db import db, transaction
from app.domain.rollout_plan import parse_plan
from app.queries import rollout_figures, rollout_plans
from app.services import rollout_plan
from app.services.rollout_plan import PlanUnknown

_ACTOR = "system:cli"


@click.group("rollout")
def rollout_commands() -> None:
    """The meter rollout: its plan and its figures."""


@rollout_commands.command("import-plan")
@click.argument(
    "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
@click.option("--activate", is_flag=True, help="Put it in force at once.")
@with_appcontext
def import_command(path: Path, activate: bool) -> None:
    """Keep the plan in FILE (CSV) as a new version; prints its number.

    Columns: wave, municipality (name or code), from, to, meters, and crews where known. A plan with
    a fault is not taken; each fault is told, and the command ends with 1.
    """
    rows, faults = parse_plan(path.read_bytes())
    for fault in faults:
        where = f"{path.name}:{fault.line}"
        click.echo(f"{where}: {fault.column} {fault.code} {fault.value}".rstrip(), err=True)
    if faults:
        raise click.exceptions.Exit(1)
    now = datetime.now(UTC)
    with transaction() as session:
        number, is_new = rollout_plan.store(session, path.name, rows, now, by=_ACTOR)
        if activate:
            rollout_plan.activate(session, number, now, by=_ACTOR)
    click.echo(f"{number}{'' if is_new else ' (known before)'}")


@rollout_commands.command("activate-plan")
@click.argument("number", type=int)
@with_appcontext
def activate_command(number: int) -> None:
    """Put version NUMBER of the plan in force."""
    try:
        with transaction() as session:
            rollout_plan.activate(session, number, datetime.now(UTC), by=_ACTOR)
    except PlanUnknown:
        raise click.ClickException(f"there is no version {number}") from None


@rollout_commands.command("plans")
@with_appcontext
def plans_command() -> None:
    """List the versions of the plan; the one in force has a star."""
    session = db.session()
    active = rollout_plans.find_active(session)
    for plan in rollout_plans.plans(session):
        mark = "*" if active is not None and plan.id == active.id else " "
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
