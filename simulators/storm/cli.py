"""The `simulate storm` command: a day and a night of faults, and the judgement of what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from simulators.cis.world import POINTS_MOST, SEEDS
from simulators.settings import CONFIG_NAME, ConfigInvalid, load_config
from simulators.settings import Feed as FeedKey
from simulators.storm import evidence
from simulators.storm.feed import Feed, FeedRefused
from simulators.storm.grid import read_grid
from simulators.storm.judge import Bounds, Judge
from simulators.storm.operator import Operator, OperatorFailed
from simulators.storm.replay import Disorder, Taken, Tempo, play
from simulators.storm.report import make_report, summary_lines, write_report
from simulators.storm.script import Act, Storm, make_storm
from simulators.storm.stamps import Stamps, clock_speed


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    folder: Path
    speed: float
    disorder: Disorder
    operator: bool
    patience_s: float
    grace_s: float


@click.command("storm")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    envvar="TIEDOLLA_SIMULATORS_DIR",
    show_envvar=True,
    help="The folder of a running rehearsal.",
)
@click.option("--faults", type=click.IntRange(1, 100_000), default=1_400, show_default=True)
@click.option(
    "--points",
    type=click.IntRange(1, POINTS_MOST),
    default=200,
    show_default=True,
    help="Points of the master data that the storm passes over.",
)
@click.option("--points-from", type=click.IntRange(1), default=1, show_default=True)
@click.option("--world-seed", type=click.IntRange(0, SEEDS - 1), default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Which storm it is.")
@click.option("--hours", type=click.FloatRange(1, 72), default=24.0, show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 3_600),
    default=60.0,
    show_default=True,
    help="60 plays an hour in a minute.",
)
@click.option(
    "--shuffle",
    "shuffle_min",
    type=click.FloatRange(0, 600),
    default=0.0,
    show_default=True,
    help="Hold each message back by up to so many minutes of the storm.",
)
@click.option(
    "--repeat", "repeat_ratio", type=click.FloatRange(0, 1), default=0.0, show_default=True
)
@click.option(
    "--operator/--no-operator",
    default=True,
    help="Open, assess and end the storm, and ask for decisions, with the flask command.",
)
@click.option("--report", "report_folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--patience-s", type=float, default=600.0, help="Longest wait for rest at the end.")
@click.option(
    "--grace-s", type=float, default=15.0, help="For news and message passing each other."
)
def storm(
    *,
    folder: Path,
    faults: int,
    points: int,
    points_from: int,
    world_seed: int,
    seed: int,
    hours: float,
    speed: float,
    shuffle_min: float,
    repeat_ratio: float,
    operator: bool,
    report_folder: Path | None,
    patience_s: float,
    grace_s: float,
) -> None:
    """Play a storm as the DMS states it, then judge every message that customers got.

    The points must be known already: simulate cis master-data. Ends with 1 when a message was
    doubled, stale or contradictory, or somebody was forgotten.
    """
    grid = read_grid(world_seed, points_from, points)
    prefix = f"STORM{seed}-{int(time.time())}"
    made = make_storm(grid, seed, faults, hours, prefix)
    disorder = Disorder(shuffle_min * 60, repeat_ratio)
    wish = Wish(folder, speed, disorder, operator, patience_s, grace_s)
    try:
        report = _rehearse(made, grid, wish, lambda words: click.echo(f"storm: {words}"))
    except (FeedRefused, OperatorFailed) as error:
        raise click.ClickException(str(error)) from None
    target = report_folder or folder / "storm"
    for path in write_report(report, target):
        click.echo(path)
    for line in summary_lines(report):
        click.echo(line)
    if not report["kept"]:
        raise click.exceptions.Exit(1)


def _rehearse(made: Storm, grid: Any, wish: Wish, say: Callable[[str], None]) -> dict[str, Any]:
    """Play, wait for rest, judge; the report."""
    base_url, key = _address(wish.folder)
    clock = clock_speed()
    since = datetime.now(UTC).replace(microsecond=0)
    stamps = Stamps(since + timedelta(seconds=1), clock / wish.speed)
    player = Operator(grid.municipalities)
    ends = evidence.ledger_ends(wish.folder)
    began = time.monotonic()
    say(
        f"{made.fault_count} faults, {len(made.statements)} versions, {len(made.points)} points;"
        f" about {made.hours * 3600 / wish.speed:.0f} s"
    )

    def act(one: Act) -> None:
        if wish.operator:
            say(f"the operator: {one.what}")
            player.act(one)

    feed = Feed(base_url, key)
    tempo = Tempo(stamps, wish.speed, clock)
    taken = list(play(made, grid, feed, tempo, wish.disorder, act, say))
    feed.close()
    if wish.operator:
        player.finish()
    played_s = time.monotonic() - began
    moving = evidence.wait_for_rest(base_url, wish.patience_s, say)
    took_s = time.monotonic() - began
    say("judging")
    bounds = Bounds(timedelta(seconds=wish.grace_s * clock))
    messages = list(evidence.read_messages(wish.folder, ends))
    judgement = Judge(grid, stamps, taken, bounds).judge(messages)
    figures, as_read = None, None
    if wish.operator:
        figures = player.figures(since)
        as_read = Judge(grid, stamps, read_at(taken, player.readings(since)), bounds).judge(
            messages
        )
    facts = {
        "speed": wish.speed,
        "clock_speed": clock,
        "began_at": since.isoformat(),
        "shuffle_s": wish.disorder.shuffle_s,
        "repeat_ratio": wish.disorder.repeat_ratio,
        "sent": len(taken),
        "feed_worst_s": round(_worst_s(taken, clock), 2),
        "behind_s": round(_behind_s(taken, tempo), 1),
        "played_s": round(played_s, 1),
        "took_s": round(took_s, 1),
        "grace_s": wish.grace_s,
        "not_at_rest": moving,
        "load": round(os.getloadavg()[1], 1),
    }
    if moving is not None:
        judgement.add("no end", f"not everything had left: {moving}")
    return make_report(made, judgement, figures, facts, as_read)


def read_at(taken: list[Taken], readings: Mapping[tuple[str, int], datetime]) -> list[Taken]:
    """The same versions, each known from when it had been read; what never was is left out."""
    return [
        replace(one, taken_at=at)
        for one in taken
        if (at := readings.get((one.statement.ref, one.statement.version))) is not None
    ]


def _worst_s(taken: list[Taken], clock: float) -> float:
    """The longest that Tiedolla kept the DMS waiting, in real seconds."""
    waits = ((one.taken_at - one.asked_at).total_seconds() / clock for one in taken)
    return max(waits, default=0.0)


def _behind_s(taken: list[Taken], tempo: Tempo) -> float:
    """How far the last message was behind its time, in real seconds."""
    if not taken:
        return 0.0
    last = taken[-1]
    due_at = tempo.stamps.at(last.statement.at_s)
    return max((last.asked_at - due_at).total_seconds() / tempo.clock, 0.0)


def _address(folder: Path) -> tuple[str, FeedKey]:
    try:
        config = load_config(folder / CONFIG_NAME)
    except (ConfigInvalid, OSError) as error:
        raise click.ClickException(
            f"{folder}: no rehearsal has been set up here: {error}"
        ) from None
    return config.tiedolla_base_url, config.dms_feed
