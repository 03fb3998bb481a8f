"""`flask routing …`: the rules that choose contractors, their versions, and what they decide."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from app.cli.persons import BY, MAYBE_BY, PASSWORD_STDIN, check_named, who_acts
from app.db import db, transaction
from app.domain.routing import RouteRule, compile_rules, decide_route, try_rules
from app.queries import routing as routing_queries
from app.services import code_lists, rerouting, route_moves, rule_files, rule_sets
from app.services.route_moves import MoveRefused
from app.services.rule_files import RulesUnreadable
from app.services.rule_sets import RulesRefused

_NUMBER = click.argument("number", type=int, required=False)
_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group("routing")
def routing_commands() -> None:
    """Which contractor gets which order."""


@routing_commands.command("list")
@with_appcontext
def list_command() -> None:
    """List the versions of the rules, the newest first."""
    for row in routing_queries.versions(db.session(), 50):
        when = f"since {row.activated_at:%Y-%m-%d %H:%M} UTC" if row.activated_at else ""
        equals = f"equals {row.equals}" if row.equals else ""
        words = [f"{row.rules} rules", when, equals, row.note]
        click.echo(f"{row.number:5} {row.state:10} {', '.join(filter(None, words))}")


@routing_commands.command("show")
@_NUMBER
@_JSON
@with_appcontext
def show_command(number: int | None, as_json: bool) -> None:
    """Show the rules of version NUMBER (without it: those in force) and what is odd about them."""
    session = db.session()
    number = _known(session, number)
    rules = code_lists.load_rule_set(session, number)
    if as_json:
        click.echo(rule_files.write_rules(rules).decode())
        return
    for rule in rules.in_order:
        click.echo(f"{rule.priority:5} {rule.name}: {rule.partner_code}{_limits(rule)}")
    by_id = {rule.id: rule.name for rule in rules.in_order}
    for finding in rule_sets.findings_of(session, number, datetime.now(UTC)):
        names = ", ".join(by_id.get(one, str(one)) for one in finding.rules)
        parts = [names, ", ".join(finding.codes), str(finding.facts or "")]
        since = f" from {finding.from_at:%Y-%m-%d %H:%M} UTC on" if finding.from_at else ""
        click.echo(f"odd: {finding.kind}{since} {' '.join(filter(None, parts))}")


@routing_commands.command("try")
@click.argument("order_id")
@_NUMBER
@with_appcontext
def try_command(order_id: str, number: int | None) -> None:
    """Say which rule of version NUMBER takes ORDER_ID, and why not the ones before it."""
    session = db.session()
    number = _known(session, number)
    order = routing_queries.find_order(session, order_id)
    if order is None:
        raise click.ClickException(f"there is no order {order_id!r}")
    idle = code_lists.idle_partners(session)
    all_rules = code_lists.load_rule_set(session, number).in_order
    rules = compile_rules((rule for rule in all_rules if rule.partner_code not in idle), number)
    now = datetime.now(UTC)
    for one in try_rules(order.facts, rules, now):
        misses = ", ".join(one.misses).lower()
        click.echo(f"{one.rule.priority:5} {one.rule.name}: {misses or 'fits'}")
        if not misses:
            break
    click.echo(decide_route(order.facts, rules, now).reason)
    on_record = f"{order.partner_code or 'nobody'}, version {order.set_number or '-'}"
    click.echo(f"on record: {order.state}, {on_record}: {order.reason or '-'}")


@routing_commands.command("impact")
@_NUMBER
@_JSON
@with_appcontext
def impact_command(number: int | None, as_json: bool) -> None:
    """Say what version NUMBER would decide otherwise about all open orders; nothing is changed."""
    session = db.session()
    number = _known(session, number)
    idle = code_lists.idle_partners(session)
    all_rules = code_lists.load_rule_set(session, number).in_order
    rules = compile_rules((rule for rule in all_rules if rule.partner_code not in idle), number)
    found = routing_queries.impact(session, rules, datetime.now(UTC))
    rows: list[dict[str, Any]] = [
        {
            "count": one.count,
            "before": one.before,
            "after": one.after,
            "rule": one.rule.name if one.rule else None,
            "in_flight": one.in_flight,
            "example": one.example,
        }
        for one in found.changes
    ]
    if as_json:
        told = {"open": found.open_count, "same": found.same_count, "changes": rows}
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(f"{found.open_count} orders are open, {found.same_count} as they are now")
    for row in rows:
        stays = " (in flight, stays)" if row["in_flight"] else ""
        way = f"{row['before'] or 'nobody'} -> {row['after'] or 'nobody'}"
        click.echo(f"{row['count']:8} {way} by {row['rule'] or 'no rule'}{stays}")


@routing_commands.command("draft")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def draft_command(path: Path, by: str | None, password_stdin: bool) -> None:
    """Make a draft of the rules in the JSON file PATH, as `flask routing show --json` writes them.

    Nothing changes before somebody has submitted it and a second person has activated it.
    """
    try:
        values = rule_files.read_rules(path.read_bytes())
    except RulesUnreadable as error:
        raise click.ClickException(str(error)) from None

    def _make(session: Session, who: str, now: datetime) -> str:
        draft = rule_sets.begin_draft(session, by=who, now=now)
        rule_files.replace_rules(session, draft.number, values, by=who, now=now)
        return f"Version {draft.number} is a draft of {len(values)} rules."

    _do(_make, by, password_stdin)


@routing_commands.command("submit")
@click.argument("number", type=int)
@click.option("--note", required=True, help="why, for whoever activates it")
@BY
@PASSWORD_STDIN
@with_appcontext
def submit_command(number: int, note: str, by: str, password_stdin: bool) -> None:
    """Ask a second person to activate the draft NUMBER."""

    def _act(session: Session, who: str, now: datetime) -> str:
        rule_sets.submit(session, number, note, by=who, now=now)
        return f"Version {number} waits for a second person."

    _do(_act, by, password_stdin)


@routing_commands.command("activate")
@click.argument("number", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def activate_command(number: int, by: str, password_stdin: bool) -> None:
    """Let version NUMBER decide from now on; whoever has worked on it is refused."""

    def _act(session: Session, who: str, now: datetime) -> str:
        rule_sets.activate(session, number, by=who, now=now)
        return f"Version {number} decides from now on; orders without a route are looked at again."

    _do(_act, by, password_stdin)


@routing_commands.command("reject")
@click.argument("number", type=int)
@click.option("--note", default="", help="why")
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def reject_command(number: int, note: str, by: str | None, password_stdin: bool) -> None:
    """End the draft NUMBER, or what was submitted."""

    def _act(session: Session, who: str, now: datetime) -> str:
        rule_sets.reject(session, number, note, by=who, now=now)
        return f"Version {number} is rejected."

    _do(_act, by, password_stdin)


@routing_commands.command("roll-back")
@click.argument("number", type=int)
@click.option("--note", required=True, help="why, for whoever activates it")
@BY
@PASSWORD_STDIN
@with_appcontext
def roll_back_command(number: int, note: str, by: str, password_stdin: bool) -> None:
    """Propose version NUMBER again, as a new one equal to it; a second person activates it."""

    def _act(session: Session, who: str, now: datetime) -> str:
        draft = rule_sets.roll_back(session, number, note, by=who, now=now)
        return f"Version {draft.number} equals version {number} and waits for a second person."

    _do(_act, by, password_stdin)


@routing_commands.command("look-again")
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def look_again_command(by: str | None, password_stdin: bool) -> None:
    """Have all orders without a route looked at anew, as when a partner can be sent orders again."""

    def _act(session: Session, who: str, now: datetime) -> str:
        return f"{rerouting.look_again(session, by=who, now=now)} orders are looked at again."

    _do(_act, by, password_stdin)


@routing_commands.command("move")
@click.option(
    "--reason", help="moves them, or asks a second person, and needs --by; without it only counts"
)
@MAYBE_BY
@PASSWORD_STDIN
@with_appcontext
def move_command(reason: str | None, by: str | None, password_stdin: bool) -> None:
    """Count waiting orders that nobody has heard of and that the rules in force send elsewhere.

    With --reason they move; more than a hundred wait for a second person: flask routing move-confirm.
    """
    if reason is not None:
        check_named(by)
    now = datetime.now(UTC)
    rules = code_lists.load_rules(db.session(), now)
    ways = route_moves.movable(db.session(), rules, now)
    for one in ways:
        click.echo(f"{one.count:8} {one.before} -> {one.after} (as {one.example})")
    if reason is None or not ways:
        return
    seen = sum(one.count for one in ways)

    def _act(session: Session, who: str, now: datetime) -> str:
        made = route_moves.ask(session, rules, seen, reason, by=who, now=now)
        return f"Move {made.id}: {made.state}, {made.expected_count} orders."

    _do(_act, by, password_stdin)


@routing_commands.command("move-confirm")
@click.argument("move_id", type=int)
@BY
@PASSWORD_STDIN
@with_appcontext
def move_confirm_command(move_id: int, by: str, password_stdin: bool) -> None:
    """Confirm, as a second person, what somebody else wants moved."""

    def _act(session: Session, who: str, now: datetime) -> str:
        route_moves.confirm(session, move_id, by=who, now=now)
        return "Confirmed: the orders go to the other partner one after the other."

    _do(_act, by, password_stdin)


def _do(act: Callable[[Session, str, datetime], str], by: str | None, password_stdin: bool) -> None:
    who = who_acts(by, password_stdin)
    try:
        with transaction() as session:
            done = act(session, who, datetime.now(UTC))
    except (RulesRefused, MoveRefused) as refused:
        click.echo(f"refused: {refused.code}", err=True)
        sys.exit(1)
    click.echo(done)


def _known(session: Session, number: int | None) -> int:
    wanted = code_lists.active_set_number(session) if number is None else number
    if routing_queries.find_set(session, wanted) is None:
        raise click.ClickException(f"there is no version {wanted}")
    return wanted


def _limits(rule: RouteRule) -> str:
    parts = [",".join(sorted(rule.order_type_codes)), ",".join(sorted(rule.municipality_codes))]
    parts += [",".join(sorted(rule.models))]
    parts += [] if rule.mass is None else ["mass" if rule.mass else "single"]
    shown = "; ".join(filter(None, parts))
    return f" ({shown})" if shown else ""
