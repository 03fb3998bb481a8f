"""The `simulate planner` commands: planned cuts, asked for over Tiedolla's interface."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from simulators.cis.world import POINTS_MOST, SEEDS
from simulators.planner.plan import make_cut, send_cut
from simulators.planner.rollout import Wave, make_rollout_plan
from simulators.settings import CONFIG_NAME, ConfigInvalid, load_config
from simulators.signed_post import read_key

KEY_NAME = "planner.json"
# Master data may still be on their way in; until then Tiedolla does not know the points.
_PAUSE_S = 1.0


@click.group()
def planner() -> None:
    """What the planner's system sends."""


@planner.command("cut")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    envvar="TIEDOLLA_SIMULATORS_DIR",
    show_envvar=True,
    help="The rehearsal's folder, with the planner's key in planner.json.",
)
@click.option("--points", type=click.IntRange(1, POINTS_MOST), default=12, show_default=True)
@click.option("--points-from", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--weekdays", type=click.IntRange(0, 60), default=4, show_default=True)
@click.option("--hours", type=click.IntRange(1, 48), default=3, show_default=True)
@click.option("--patience-s", type=float, default=60.0, show_default=True)
def cut(
    *,
    folder: Path,
    points: int,
    points_from: int,
    seed: int,
    weekdays: int,
    hours: int,
    patience_s: float,
) -> None:
    """Ask for a cut of points of the master data with the same seed, until all of them are known."""
    try:
        base_url = load_config(folder / CONFIG_NAME).tiedolla_base_url
        key = read_key(folder / KEY_NAME)
    except (ConfigInvalid, OSError, ValueError, KeyError) as error:
        raise click.ClickException(f"{folder}: no planner's key here: {error}") from None
    wanted = make_cut(
        datetime.now(UTC),
        seed=seed,
        first=points_from,
        count=points,
        weekdays=weekdays,
        hours=hours,
    )
    deadline = time.monotonic() + patience_s
    version = int(time.time()) % 1_000_000_000
    while True:
        version += 1
        try:
            answer = send_cut(base_url, key, {**wanted, "version": version})
        except OSError as error:
            raise click.ClickException(f"Tiedolla does not answer: {error}") from None
        if answer.status not in (200, 201):
            raise click.ClickException(f"not taken: {answer.status} {answer.body.get('code')}")
        if answer.body["pointCount"] == points or time.monotonic() > deadline:
            break
        time.sleep(_PAUSE_S)
    click.echo(f"{wanted['reference']}: {answer.body['state']}, {answer.body['pointCount']} points")


@planner.command("rollout-plan")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option(
    "--wave",
    "waves",
    type=(
        str,
        click.IntRange(1),
        click.IntRange(1),
        click.DateTime(["%Y-%m-%d"]),
        click.DateTime(["%Y-%m-%d"]),
    ),
    multiple=True,
    required=True,
    metavar="NAME FIRST COUNT FROM TO",
    help="The points numbered FIRST and so on are to be done between two days; may be repeated.",
)
def rollout_plan(
    *, out: Path, seed: int, waves: tuple[tuple[str, int, int, datetime, datetime], ...]
) -> None:
    """Write the plan of a rollout as a CSV file, of points of the master data with the same seed."""
    plan = make_rollout_plan(
        seed,
        [
            Wave(name, first, count, begin.date(), end.date())
            for name, first, count, begin, end in waves
        ],
    )
    out.write_text(plan, "utf-8")
    click.echo(str(out))
