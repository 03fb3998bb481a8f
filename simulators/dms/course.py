"""Made-up faults: where they are, how they go on, and what the DMS says of them version by version."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.cis.world import Point, make_points

CAUSES = ("TREE", "CABLE", "TRANSFORMER", "SNOW", "ANIMAL", "DIGGING")
# A fault is known for a while before anybody says so; less would be a brief one.
KNOWN_FOR = (timedelta(minutes=4), timedelta(minutes=25))
POINTS_LEAST, POINTS_MOST = 3, 18

# What the versions of one kind of fault say, one after the other.
COURSES: dict[str, tuple[str, ...]] = {
    "mended": ("stated", "estimated", "partly", "restored"),
    "going_on": ("stated", "estimated", "grown"),
    "moving_estimate": ("stated", "estimated", "later"),
    "suspected": ("detected",),
    "false_alarm": ("stated", "estimated", "false_alarm"),
}
KINDS = ("mended", "going_on", "moving_estimate", "suspected")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """One fault: its name, its points, and what will be said of it."""

    ref: str
    kind: str
    gsrns: tuple[str, ...]
    started_at: datetime
    cause_code: str
    repair_s: int

    @property
    def steps(self) -> tuple[str, ...]:
        """What each version says, the first one first."""
        return COURSES[self.kind]

    def as_json(self) -> Body:
        """What the ledger keeps of it."""
        return {
            "ref": self.ref,
            "kind": self.kind,
            "gsrns": list(self.gsrns),
            "started_at": self.started_at.isoformat(),
            "cause_code": self.cause_code,
            "repair_s": self.repair_s,
        }


def read_plan(raw: Body) -> Plan:
    """A plan as the ledger keeps it."""
    return Plan(
        raw["ref"],
        raw["kind"],
        tuple(raw["gsrns"]),
        datetime.fromisoformat(raw["started_at"]),
        raw["cause_code"],
        raw["repair_s"],
    )


def make_faults(
    seed: int, point_count: int, count: int, now: datetime, mark: str
) -> Iterator[Plan]:
    """So many faults among the first points of a world, each within one municipality.

    `mark` makes their names those of this call; the same arguments give the same faults.
    """
    draw = random.Random(f"{seed} {point_count} {count} {mark}")
    by_place: dict[str, list[Point]] = {}
    for point in make_points(seed, 1, point_count):
        by_place.setdefault(point.municipality, []).append(point)
    places = [code for code, points in sorted(by_place.items()) if len(points) >= POINTS_LEAST]
    for number in range(count):
        if not places:
            return
        points = by_place[places[number % len(places)]]
        size = min(len(points), draw.randrange(POINTS_LEAST, POINTS_MOST))
        ago = draw.uniform(*(one.total_seconds() for one in KNOWN_FOR))
        yield Plan(
            ref=f"V-{mark}-{number + 1:03d}",
            kind=KINDS[number % len(KINDS)],
            gsrns=tuple(point.gsrn for point in draw.sample(points, size)),
            started_at=(now - timedelta(seconds=ago)).replace(microsecond=0),
            cause_code=draw.choice(CAUSES),
            repair_s=draw.randrange(5_400, 14_400, 300),
        )


def statement(plan: Plan, version: int, now: datetime, before: Body | None = None) -> Body:
    """What the DMS says in one version: everything that holds then, whole; `before` is the last."""
    step = plan.steps[version - 1]
    body: Body = {
        "sourceRef": plan.ref,
        "version": version,
        "kind": "FAULT",
        "state": {"detected": "DETECTED", "false_alarm": "FALSE_ALARM"}.get(step, "CONFIRMED"),
        "statedAt": _utc(now),
        "startedAt": _utc(plan.started_at),
        "points": list(_points(plan, step, now, before or {})),
    }
    if step not in ("stated", "detected"):
        body["causeCode"] = plan.cause_code
        body["etrConfidence"] = "MEDIUM"
        late_s = 3_600 if step == "later" else 0
        body["etrAt"] = _utc(plan.started_at + timedelta(seconds=plan.repair_s + late_s))
        body["etrSetAt"] = _utc(now)
        if before is not None and before.get("etrAt") == body["etrAt"]:
            body["etrSetAt"] = before["etrSetAt"]
    return body


def _points(plan: Plan, step: str, now: datetime, before: Body) -> Iterator[Body]:
    """At first only half of a growing fault is known; when it is mended, half comes back first.

    What was said to be back keeps its time: people have been told of it.
    """
    back = {point["gsrn"]: point["onAt"] for point in before.get("points", ()) if "onAt" in point}
    half = len(plan.gsrns) // 2
    grows = "grown" in plan.steps
    for place, gsrn in enumerate(plan.gsrns):
        point: Body = {"gsrn": gsrn}
        if grows and step != "grown" and place > half:
            continue
        if step == "restored" or (step == "partly" and place < half):
            point["onAt"] = back.get(gsrn, _utc(now))
        yield point


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
