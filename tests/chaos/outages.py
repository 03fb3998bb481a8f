"""What the DMS stated, version by version, and when the product had it: the truth about outages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.cis_world import World
from tests.chaos.dms_feed import TAKEN
from tests.chaos.evidence import Evidence, moment


@dataclass(frozen=True, slots=True)
class Version:
    """One version; put_at: when it first left the DMS, taken_at: when the product had it."""

    number: int
    state: str
    put_at: datetime
    taken_at: datetime | None
    touched: frozenset[str]
    back: frozenset[str]
    etr_at: datetime | None

    def is_over_for(self, gsrns: frozenset[str]) -> bool:
        """Whether it says that there is nothing wrong at any of these points."""
        return self.state == "FALSE_ALARM" or gsrns & self.touched <= self.back


@dataclass(slots=True)
class StatedOutage:
    """One outage with its versions in the order of their numbers; approved: a person said so."""

    ref: str
    kind: str
    versions: list[Version] = field(default_factory=list)
    approved: bool = False

    @property
    def newest(self) -> Version:
        """The version that counts in the end."""
        return self.versions[-1]

    @property
    def touched(self) -> frozenset[str]:
        """Every point that it ever concerned."""
        return frozenset().union(*(one.touched for one in self.versions))

    def over_known_at(self, gsrns: frozenset[str]) -> datetime | None:
        """When the product first had a version that says that all is well at these points."""
        known = [
            one.taken_at
            for one in self.versions
            if one.taken_at is not None and gsrns & one.touched and one.is_over_for(gsrns)
        ]
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Listener:
    """One contact of one outage, with its points there and its language."""

    contact: str
    language: str
    outage: StatedOutage
    gsrns: frozenset[str]


def read_outages(evidence: Evidence) -> list[StatedOutage]:
    """Everything that the DMS put on the wire."""
    taken: dict[tuple[str, int], datetime] = {}
    for entry in evidence.entries("feed", "answer"):
        if entry["answered"] == TAKEN:
            taken.setdefault((entry["ref"], entry["version"]), moment(entry["at"]))
    outages: dict[str, StatedOutage] = {}
    seen: set[tuple[str, int]] = set()
    for entry in evidence.entries("feed", "stated"):
        key = (entry["ref"], entry["version"])
        if key in seen:
            continue
        seen.add(key)
        record = entry["record"]
        outage = outages.setdefault(entry["ref"], StatedOutage(entry["ref"], record["kind"]))
        outage.versions.append(_version(record, moment(entry["at"]), taken.get(key)))
    for outage in outages.values():
        outage.versions.sort(key=lambda one: one.number)
    for entry in evidence.entries("feed", "approved"):
        outages[entry["ref"]].approved = True
    return list(outages.values())


def listeners(world: World, outages: Sequence[StatedOutage]) -> list[Listener]:
    """Who hears of which outage; the plan gives every contact one outage at most."""
    found: list[Listener] = []
    for outage in outages:
        points: dict[str, set[str]] = {}
        languages: dict[str, str] = {}
        for gsrn in outage.touched:
            for contact, language in world.told_at(gsrn).items():
                points.setdefault(contact, set()).add(gsrn)
                languages[contact] = language
        found += [
            Listener(contact, languages[contact], outage, frozenset(gsrns))
            for contact, gsrns in points.items()
        ]
    return found


def _version(record: Mapping[str, Any], put_at: datetime, taken_at: datetime | None) -> Version:
    points = record["points"]
    return Version(
        number=record["version"],
        state=record["state"],
        put_at=put_at,
        taken_at=taken_at,
        touched=frozenset(point["gsrn"] for point in points),
        back=frozenset(point["gsrn"] for point in points if "onAt" in point),
        etr_at=moment(record["etrAt"]) if "etrAt" in record else None,
    )
