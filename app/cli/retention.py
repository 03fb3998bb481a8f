"""`flask retention …`: what is kept for how long, what has gone, and removing what is due now."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import click
import msgspec
from flask import current_app
from flask.cli import with_appcontext

from app.cli.persons import machine_account
from app.db import db, transaction
from app.queries import retention_list
from app.services import purge, retention
from app.settings import Settings

_REPORTS = 20


@click.group("retention")
def retention_commands() -> None:
    """What must not be kept for ever."""


@retention_commands.command("report")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@with_appcontext
def report_command(as_json: bool) -> None:
    """Show each class with its limit, the largest tables, and what was removed last."""
    session = db.session()
    limits = {**retention.limits(_settings()), purge.CLASS: purge.DAYS}
    classes = retention_list.classes(session, limits)
    tables = retention_list.tables(session, 12)
    reports = retention_list.reports(session, _REPORTS)
    if as_json:
        answer = {
            "classes": classes,
            "tables": tables,
            "removed": [
                {
                    "class": one.class_code,
                    "period": one.period_on,
                    "counts": one.counts,
                    "by": one.by,
                    "at": one.at,
                }
                for one in reports
            ],
        }
        click.echo(msgspec.json.encode(answer).decode())
        return
    for row in classes:
        done = f"done up to {row.done_on}" if row.done_on else "nothing due yet"
        click.echo(f"{row.code:12} kept {row.days:5} days  {done}; {row.removed} removed in all")
    for table in tables:
        parts = f"  {table.partition_count} partitions" if table.partition_count else ""
        click.echo(
            f"{table.name:24} {table.size_bytes / 1e6:10.1f} MB"
            f" {table.row_estimate:12} rows, roughly{parts}"
        )
    for one in reports:
        click.echo(
            f"{one.at:%Y-%m-%d %H:%M}  {one.class_code:12} {one.period_on or '-'}  {_words(one.counts)}"
        )


@retention_commands.command("purge")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@with_appcontext
def purge_command(dry_run: bool) -> None:
    """Remove what is due now instead of waiting for the clock; each day by itself."""
    now = datetime.now(UTC)
    if dry_run:
        with transaction() as session:
            found = retention.rehearse(session, _settings(), now)
        for name, counts in found.items():
            click.echo(f"{name}: {_words(counts) or 'nothing'}")
        if not found:
            click.echo("Nothing is due.")
        return
    total: Counter[str] = Counter()
    with transaction() as session:
        total += purge.purge(session, _settings(), now, by=machine_account())
    while True:
        with transaction() as session:
            due = list(retention.days_due(session, _settings(), now))
        if not due:
            break
        for rule, day in due:
            with transaction() as session:
                total += retention.clear_day(session, rule, day, now, by=machine_account())
    with transaction() as session:
        months = retention.months_due(session, _settings(), now)
    for name, month in months:
        with transaction() as session:
            total += retention.drop_month(session, name, month, now, by=machine_account())
    click.echo(_words(total) or "Nothing was due.")


def _settings() -> Settings:
    known: Settings = current_app.extensions["tiedolla_settings"]
    return known


def _words(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)
