"""`flask processes …`: list, start, stop, and run again what ran."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.queries import process_list
from app.queries.process_list import ProcessRow, TriggerRow
from app.services import processes
from app.services.process_starts import Asked, ProcessUnknown
from app.services.processes import ProcessRefused

_WORDS = {
    "IS_STOPPED": "it is stopped; --go-on lets it run again",
    "NOT_STOPPED": "it is not stopped",
    "ESSENTIAL": "it cannot be stopped: without it nobody would hear of any trouble",
    "NO_START": "it has never run",
    "NOT_OVER": "its start is not over",
}


@click.group("processes")
def processes_commands() -> None:
    """What runs, what starts it, and starting and stopping it."""


@processes_commands.command("list")
@click.option("--zone", help="Only those of this zone.")
@click.option("--environment", help="Only those of this environment.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@with_appcontext
def list_command(zone: str | None, environment: str | None, as_json: bool) -> None:
    """List the processes with their triggers and how they went last."""
    rows = [
        _plain(row)
        for row in process_list.processes(db.session())
        if zone in (None, row.zone) and environment in (None, row.environment)
    ]
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
        return
    for row in rows:
        click.echo(f"{row['code']:22} {row['state']:9} {row['last'] or '-':8} {row['name']}")
        for trigger in row["triggers"]:
            click.echo(f"{'':22} - {trigger}")


@processes_commands.command("start")
@click.argument("code")
@with_appcontext
def start_command(code: str) -> None:
    """Start the process CODE now."""
    _tell(
        _do(
            lambda s, now: processes.start(s, code, secrets.token_hex(8), now, by=machine_account())
        )
    )


@processes_commands.command("stop")
@click.argument("code")
@click.option("--go-on", is_flag=True, help="Let a stopped one run again instead.")
@with_appcontext
def stop_command(code: str, go_on: bool) -> None:
    """Let nothing more of the process CODE begin, and ask what runs to end."""
    if go_on:
        _do(lambda s, now: processes.go_on(s, code, now, by=machine_account()))
        click.echo(f"{code} runs again from the next cause on")
        return
    running = _do(lambda s, now: processes.stop(s, code, now, by=machine_account()))
    click.echo(f"{code} is stopped" + (f"; {running} asked to end" if running else ""))


@processes_commands.command("rerun")
@click.argument("code")
@click.option("--start", "start_id", type=int, help="This start; the newest one otherwise.")
@with_appcontext
def rerun_command(code: str, start_id: int | None) -> None:
    """Run a start of the process CODE again, under its own keys."""
    chosen = start_id or process_list.last_over(db.session(), code) or 0
    _tell(
        _do(
            lambda s, now: processes.replay(
                s, chosen, secrets.token_hex(8), now, by=machine_account()
            )
        )
    )


def _do(act: Any) -> Any:
    try:
        with transaction() as session:
            return act(session, datetime.now(UTC))
    except ProcessUnknown as error:
        raise click.ClickException(f"no process {error}; see: flask processes list") from None
    except ProcessRefused as error:
        raise click.ClickException(_WORDS.get(error.code, error.code)) from None


def _tell(asked: Asked) -> None:
    click.echo(f"start {asked.id}: {asked.state}")
    if asked.state == "SKIPPED":
        raise click.exceptions.Exit(1)


def _plain(row: ProcessRow) -> dict[str, Any]:
    state = "stopped" if row.stopped else "running" if row.is_running else "idle"
    return {
        "code": row.code,
        "name": row.name or row.run_name,
        "state": "waiting" if row.waiting and state == "idle" else state,
        "last": row.last_runs[0].state if row.last_runs else None,
        "next": row.next_at,
        "owner": row.owner,
        "zone": row.zone,
        "environment": row.environment,
        "log": row.log_level,
        "triggers": [_trigger(one) for one in row.triggers if one.active],
    }


def _trigger(trigger: TriggerRow) -> str:
    if trigger.kind == "PACE":
        return f"every {trigger.spec['every_s']:g} s"
    if trigger.kind == "WORK":
        return "as soon as something waits"
    return f"{trigger.kind.lower()}: {trigger.key}"
