"""From the storm's own seconds to times of day, by the clock that the product goes by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.storm.course import Statement
from simulators.storm.grid import Grid

FAST_CLOCK = "TIEDOLLA_FAST_CLOCK"


def clock_speed() -> float:
    """How many seconds this process's clock tells in a real one; see simulators/clock."""
    asked = os.environ.get(FAST_CLOCK)
    return float(asked.split(",")[2]) if asked else 1.0


@dataclass(frozen=True, slots=True)
class Stamps:
    """When things happen: the storm's second 0, and how long a storm's second is on the clock.

    stretch is 1 when the clock runs as fast as the storm is played. On a clock of ordinary speed
    what has happened is pressed together, while estimates keep their distance: nobody waits for a
    repair in seconds.
    """

    began_at: datetime
    stretch: float = 1.0

    def at(self, storm_s: float) -> datetime:
        """When this second of the storm is."""
        return self.began_at + timedelta(seconds=storm_s * self.stretch)

    def estimate(self, statement: Statement) -> datetime | None:
        """The estimated end as the DMS states it."""
        if statement.etr_s is None or statement.etr_set_s is None:
            return None
        ahead = timedelta(seconds=statement.etr_s - statement.etr_set_s)
        return (self.at(statement.etr_set_s) + ahead).replace(microsecond=0)


def wire_record(statement: Statement, grid: Grid, stamps: Stamps) -> dict[str, Any]:
    """The version as it stands in a message of the DMS."""
    record: dict[str, Any] = {
        "sourceRef": statement.ref,
        "version": statement.version,
        "kind": "FAULT",
        "state": statement.state,
        "statedAt": _text(stamps.at(statement.at_s)),
        "startedAt": _text(stamps.at(statement.started_s)),
        "points": [
            {"gsrn": grid.homes[number].gsrn, "offAt": _text(stamps.at(off_s))}
            | ({} if on_s is None else {"onAt": _text(stamps.at(on_s))})
            for number, off_s, on_s in statement.points
        ],
    }
    estimate = stamps.estimate(statement)
    if estimate is not None and statement.etr_set_s is not None:
        record["etrAt"] = _text(estimate)
        record["etrSetAt"] = _text(stamps.at(statement.etr_set_s))
        record["etrConfidence"] = statement.confidence
    optional = {
        "causeCode": statement.cause,
        "parent": statement.parent,
        "splitFrom": statement.split_from,
    }
    return record | {name: value for name, value in optional.items() if value is not None}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
