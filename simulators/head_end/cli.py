"""`simulate head-end`: cuts that only the meters report."""

from __future__ import annotations

from pathlib import Path

import click

from simulators.asking import ask_running
from simulators.cis.world import POINTS_MOST, SEEDS
from simulators.head_end.meters import COUNT_MOST, SYSTEM


@click.group("head-end")
def head_end() -> None:
    """What the system that reads the meters passes on."""


@head_end.command("cuts")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    envvar="TIEDOLLA_SIMULATORS_DIR",
    show_envvar=True,
    help="The folder of a running rehearsal.",
)
@click.option("--count", type=click.IntRange(1, COUNT_MOST), required=True, help="How many cuts.")
@click.option("--points", type=click.IntRange(1, POINTS_MOST), required=True, help="Of so many.")
@click.option("--points-from", "first", type=click.IntRange(1, POINTS_MOST), default=1)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--after-s", type=click.FloatRange(0), default=0.0, help="Until the first last gasp.")
@click.option(
    "--lasts-s",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Until the power of every other cut is back.",
)
def cuts(folder: Path, **asked: int | float) -> None:
    """Let meters lose their power, one or two of a transformer: too few to be sure of a fault."""
    for name in ask_running(folder, "POST", f"/{SYSTEM}/make", asked)["names"]:
        click.echo(name)
