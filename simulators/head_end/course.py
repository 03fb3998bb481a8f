"""Made-up cuts that only the meters know of: which meters lose their power, and when they have it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.cis.world import Point, make_points

LAST_GASP, RESTORE = "LAST_GASP", "RESTORE"
# Three meters of one transformer are believed without anybody's look; fewer are only a suspicion.
METERS_MOST = 2
# Meters of one transformer report one after the other.
APART = timedelta(seconds=2)
# Whether the power of a cut comes back by itself: of every other one it does.
COMES_BACK = (False, True)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One meter's word: its name among all reports, and when it has something to say."""

    name: str
    gsrn: str
    meter: str
    code: str
    at: datetime

    def body(self) -> Body:
        """The event as the head-end writes it."""
        at = self.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"gsrn": self.gsrn, "meter": self.meter, "eventCode": self.code, "at": at}

    def as_json(self) -> Body:
        """What the ledger keeps of it."""
        words = {"name": self.name, "gsrn": self.gsrn, "meter": self.meter, "code": self.code}
        return words | {"at": self.at.isoformat()}


def read_report(raw: Body) -> Report:
    """A report as the ledger keeps it."""
    at = datetime.fromisoformat(raw["at"])
    return Report(raw["name"], raw["gsrn"], raw["meter"], raw["code"], at)


def make_cuts(
    *, seed: int, first: int, points: int, count: int, begins_at: datetime, lasts: timedelta
) -> Iterator[tuple[str, list[Report]]]:
    """So many cuts among the points numbered first, first + 1, …: a name and the reports of each.

    The transformers with the most meters come first, in the municipalities that the control room's
    faults (dms/course.py) reach last.
    """
    of_transformer: dict[str, list[Point]] = {}
    for point in make_points(seed, first, points):
        of_transformer.setdefault(point.transformer, []).append(point)
    places = sorted(
        of_transformer.items(),
        key=lambda one: (-min(len(one[1]), METERS_MOST), _last_first(one[1][0]), one[0]),
    )
    for number, (transformer, there) in enumerate(places[:count]):
        name = f"{transformer}@{begins_at:%y%m%d%H%M%S}"
        back_after = lasts if COMES_BACK[number % len(COMES_BACK)] else None
        yield name, list(_reports(name, there[:METERS_MOST], begins_at, back_after))


def _reports(
    name: str, points: list[Point], begins_at: datetime, back_after: timedelta | None
) -> Iterator[Report]:
    for place, point in enumerate(points):
        said = (f"{name}/{point.gsrn}", point.gsrn, point.meter_number)
        at = begins_at.replace(microsecond=0) + place * APART
        yield Report(f"{said[0]}/{LAST_GASP}", *said[1:], LAST_GASP, at)
        if back_after is not None:
            yield Report(f"{said[0]}/{RESTORE}", *said[1:], RESTORE, at + back_after)


def _last_first(point: Point) -> int:
    return -int(point.municipality)
