"""Connection stage files: orders of new connections by people of a made-up world.

An order's versions are decided by its day, its number and nothing else, so that sending one again is
a repetition and never a contradiction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from simulators.cis.master_data import address_of
from simulators.cis.message import Elements, utc, write_message
from simulators.cis.world import Point

NAMESPACE = "urn:tiedolla:cis:connection:1"
HELSINKI = ZoneInfo("Europe/Helsinki")
# How far an order is with each version; the fourth sets the day of switching on.
COURSE = (
    "ORDERED",
    "CONTRACTED",
    "SITE_PLANNING",
    "BUILDING",
    "READY",
    "ENERGISED",
    "METERED",
    "COMPLETED",
)
# Every so many orders, one is delayed while it is built.
DELAYED_EVERY = 3
_VISIT_IN_DAYS = 7
_SWITCH_IN_DAYS = 35
_DELAY_DAYS = 14


@dataclass(frozen=True, slots=True)
class Moved:
    """One order and the version that is sent of it."""

    point: Point
    version: int


def write_connections(path: Path, moved: Iterable[Moved], day: date, now: datetime) -> str:
    """Write one ConnectionMessage and return its message id."""
    records = (("Connection", record) for record in _records(moved, day))
    return write_message(path, NAMESPACE, "ConnectionMessage", records, now)


def order_no_of(point: Point, day: date) -> str:
    """The number of the order for this point, of this day."""
    return f"LT-{day:%y%m%d}-{point.number:05d}"


def moved_at(points: Iterable[Point], step: int) -> Iterator[Moved]:
    """The orders that move at a step: one starts after the other, and each moves once a step."""
    for place, point in enumerate(points):
        version = step - place
        if 1 <= version <= len(COURSE):
            yield Moved(point, version)


def _records(moved: Iterable[Moved], day: date) -> Iterator[Elements]:
    for one in moved:
        yield _connection(one.point, one.version, day)


def _connection(point: Point, version: int, day: date) -> Elements:
    reached = COURSE[:version]
    delayed = point.number % DELAYED_EVERY == 0 and version >= COURSE.index("BUILDING") + 1
    switch_on = day + timedelta(days=_SWITCH_IN_DAYS + (_DELAY_DAYS if delayed else 0))
    planned = version >= COURSE.index("SITE_PLANNING") + 1
    ready = version >= COURSE.index("READY") + 1
    metered = version >= COURSE.index("METERED") + 1
    week = switch_on.isocalendar()
    return {
        "OrderNo": order_no_of(point, day),
        "Version": version,
        "ChangedAt": utc(_at(day, time(0, version))),
        "CustomerId": point.customer.customer_id,
        "Stage": reached[-1],
        "StageDates": {"StageDate": [{"Stage": one, "On": day.isoformat()} for one in reached]},
        "Identification": point.gsrn if metered else None,
        "MeterIdentification": f"{point.new_model}{point.number:07d}" if metered else None,
        "TargetWeek": f"{week.year}-W{week.week:02d}",
        "DelayReason": "FROST" if delayed else None,
        "PlannerVisitFrom": _visit(day, 10) if planned else None,
        "PlannerVisitTo": _visit(day, 12) if planned else None,
        "EnergiseFrom": utc(_at(switch_on, time(9))) if ready else None,
        "EnergiseTo": utc(_at(switch_on, time(12))) if ready else None,
        "Address": address_of(point),
    }


def _visit(day: date, hour: int) -> str:
    return utc(_at(day + timedelta(days=_VISIT_IN_DAYS), time(hour)))


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, HELSINKI)
