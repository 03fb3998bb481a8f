"""`flask planned-cuts …`: planned cuts from files, and who may send them by the API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from flask.cli import with_appcontext

from app.cli.persons import BY, PASSWORD_STDIN, actor_of, machine_account
from app.db import transaction
from app.services import planned_cuts, planned_requests
from app.services.planned_rows import PlanRefused
from integrations.planner.codec import RequestInvalid, parse_requests, parse_table
from integrations.planner.types import PlannedCutRequest

_PLANNER = "file"


@click.group("planned-cuts")
def planned_cuts_commands() -> None:
    """Planned cuts."""


@planned_cuts_commands.command("import")
@click.argument(
    "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
@with_appcontext
def import_command(path: Path) -> None:
    """Make drafts of the cuts in FILE (.json or .csv); somebody approves them in the portal.

    A cut that cannot be taken is told and stops none of the others; the same file again does
    nothing. Ends with 1 when something was not taken.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".json":
        found = parse_requests(content)
    else:
        try:
            found = parse_table(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            found = parse_table(content.decode("cp1252", "replace"))
    refused = 0
    for each in found:
        if isinstance(each, RequestInvalid):
            refused += 1
            for finding in each.findings:
                click.echo(f"not taken: {finding.path} {finding.code} {finding.text}", err=True)
            continue
        refused += not _take(each)
    if refused:
        raise click.exceptions.Exit(1)


@planned_cuts_commands.command("approve")
@click.argument("reference")
@click.option("--source", default="DMS", show_default=True, help="the system that named it so")
@click.option("--short-reason", help="why people may be told later than two working days ahead")
@BY
@PASSWORD_STDIN
@with_appcontext
def approve_command(
    reference: str, source: str, short_reason: str | None, by: str, password_stdin: bool
) -> None:
    """Approve the draft that SOURCE calls REFERENCE and announce it at once.

    Nobody approves what they drafted themselves.
    """
    who, now = actor_of(by, password_stdin), datetime.now(UTC)
    try:
        with transaction() as session:
            outage_id = planned_cuts.find_id(session, source, reference)
            if outage_id is None:
                raise click.ClickException(f"no planned cut {reference!r} of {source}")
            planned_cuts.approve(
                session, outage_id, by=who, now=now, version=None, short_reason=short_reason
            )
    except PlanRefused as error:
        raise click.ClickException(f"{reference}: not approved, {error.code}") from None
    click.echo(f"{reference}: approved and announced.")


@planned_cuts_commands.command("planner")
@click.argument("code")
@click.option("--name", help="makes a new partner of this name if there is none")
@click.option("--revoke", is_flag=True, help="take the right away")
@with_appcontext
def planner_command(code: str, name: str | None, revoke: bool) -> None:
    """Let the partner CODE ask for planned cuts by the API."""
    with transaction() as session:
        done = planned_requests.allow_planner(
            session, code, name, not revoke, machine_account(), datetime.now(UTC)
        )
    if not done:
        raise click.ClickException(f"no partner {code!r}; give --name to make one")
    click.echo(f"{code} may {'no longer ' if revoke else ''}ask for planned cuts.")


def _take(request: PlannedCutRequest) -> bool:
    try:
        with transaction() as session:
            taken = planned_requests.take_request(
                session, _PLANNER, request, msgspec.json.encode(request), datetime.now(UTC)
            )
    except PlanRefused as error:
        click.echo(f"{request.reference}: not taken, {error.code}", err=True)
        return False
    click.echo(
        f"{request.reference}: {taken.verdict}, {taken.point_count} points,"
        f" {taken.plan.outage.state}"
    )
    for finding in taken.findings:
        click.echo(f"  {finding.line}: {finding.code} {finding.given}", err=True)
    return True
