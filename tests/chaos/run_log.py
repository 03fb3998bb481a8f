"""The log of a long run: one JSON line per rig that ended, so that another day goes on where this one ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """One run. base: the seed that was asked for; seed: the run's own, base and so many more.

    breaches and stuck are what it found; error: it ended without an outcome, and counts for nothing.
    """

    base: int
    seed: int
    kills: int
    at: str
    commit: str
    took_s: float
    done: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()
    stuck: str | None = None
    error: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it broke a promise or never came to rest."""
        return bool(self.breaches or self.stuck or self.error)


class RunLog:
    """The file, append-only; a half line at its end, of a machine that died, is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def runs(self, base: int | None = None) -> list[LoggedRun]:
        """Every run of one base, or of all."""
        if not self.path.exists():
            return []
        read = (_read(line) for line in self.path.read_text("utf-8").splitlines())
        return [run for run in read if run is not None and base in (None, run.base)]

    def add(self, run: LoggedRun) -> None:
        """Write one run down, on a line of its own."""
        before = self.path.read_bytes() if self.path.exists() else b""
        torn = before != b"" and not before.endswith(b"\n")
        line = json.dumps(asdict(run))
        with self.path.open("a", encoding="utf-8") as file:
            print(f"\n{line}" if torn else line, file=file)


def kills_of(runs: Iterable[LoggedRun]) -> int:
    """How many kills they come to; a run without an outcome proved nothing."""
    return sum(run.kills for run in runs if run.error is None)


def next_seed(base: int, runs: Iterable[LoggedRun], taken: Iterable[int] = ()) -> int:
    """The seed of the next run: none is used twice."""
    used = {run.seed for run in runs} | set(taken)
    seed = base
    while seed in used:
        seed += 1
    return seed


def _read(line: str) -> LoggedRun | None:
    try:
        raw = json.loads(line)
        return LoggedRun(**{**raw, "breaches": tuple(raw.get("breaches", ()))})
    except (ValueError, TypeError, AttributeError):
        return None
