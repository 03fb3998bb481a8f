"""The `simulate dms` commands: faults that go on by themselves, and files of outages."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from simulators.asking import ask_running
from simulators.cis.cli import deliver, goes_to
from simulators.cis.world import POINTS_MOST, SEEDS
from simulators.dms.course import make_faults, statement


@click.group()
def dms() -> None:
    """What the distribution management system states."""


@dms.command("faults")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    envvar="TIEDOLLA_SIMULATORS_DIR",
    show_envvar=True,
    help="The folder of a running rehearsal.",
)
@click.option("--count", type=click.IntRange(1, 2_000), required=True, help="How many faults.")
@click.option("--points", type=click.IntRange(1, POINTS_MOST), required=True, help="Of so many.")
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--every-s", default=30.0, show_default=True, help="From one version to the next.")
@click.option("--after-s", default=0.0, show_default=True, help="Until the first version.")
def faults(
    folder: Path, *, count: int, points: int, seed: int, every_s: float, after_s: float
) -> None:
    """Let faults begin among the points of the master data with the same seed, and go on."""
    asked = {
        "count": count,
        "points": points,
        "seed": seed,
        "every_s": every_s,
        "after_s": after_s,
    }
    for ref in ask_running(folder, "POST", "/dms_feed/make", asked)["refs"]:
        click.echo(ref)


@dms.command("file")
@goes_to
@click.option("--count", type=click.IntRange(1, 2_000), required=True, help="How many faults.")
@click.option("--points", type=click.IntRange(1, POINTS_MOST), required=True, help="Of so many.")
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--version", type=click.IntRange(1, 4), default=1, show_default=True)
@click.option("--mark", help="Part of the faults' names; the same mark names the same faults.")
def file(
    *, count: int, points: int, seed: int, version: int, mark: str | None, **where: Any
) -> None:
    """One version of faults as a file of lines, put where the CIS puts its own."""
    now = datetime.now(UTC)
    plans = make_faults(seed, points, count, now, mark or f"{now:%y%m%d%H%M%S}")
    lines = [
        json.dumps(statement(plan, min(version, len(plan.steps)), now), ensure_ascii=False)
        for plan in plans
    ]
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / "file"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        deliver([(path, f"dms-outages_{now:%Y%m%dT%H%M%S}Z.jsonl")], **where)
