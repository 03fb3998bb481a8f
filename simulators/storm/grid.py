"""The part of the made-up grid that a storm hits: which points hang on which feeder and transformer."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.cis.world import make_points


@dataclass(frozen=True, slots=True)
class Home:
    """What the storm needs to know of one point: its id, and who hears of it where.

    address: phone or e-mail address of the customer's channel; None when nobody is to be told.
    """

    number: int
    gsrn: str
    municipality: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Grid:
    """Points by number, and the numbers behind each feeder and each transformer."""

    homes: dict[int, Home]
    feeders: list[list[int]]
    transformers: list[list[int]]

    @property
    def municipalities(self) -> list[str]:
        """The codes of the municipalities that have points."""
        return sorted({home.municipality for home in self.homes.values()})


def read_grid(seed: int, first: int, count: int) -> Grid:
    """The points numbered first, first + 1, … of the world with this seed."""
    homes: dict[int, Home] = {}
    feeders: dict[str, list[int]] = {}
    transformers: dict[str, list[int]] = {}
    for point in make_points(seed, first, count):
        person = point.customer
        # Whoever's channel the CIS does not know is reached by the phone, or else by e-mail.
        ways = {"SMS": person.phone, "EMAIL": person.email, None: person.phone or person.email}
        homes[point.number] = Home(
            point.number, point.gsrn, point.municipality, ways.get(person.channel)
        )
        feeders.setdefault(point.feeder, []).append(point.number)
        transformers.setdefault(point.transformer, []).append(point.number)
    return Grid(
        homes,
        [feeders[name] for name in sorted(feeders)],
        [transformers[name] for name in sorted(transformers)],
    )
