"""Which of several routes a message takes: by their weights, the same message always the same."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32


def choose_route(weights: Mapping[str, int], key: str) -> str:
    """One of the routes; each gets its share of many keys, and weight 0 only where all have 0.

    The key decides instead of a counter or a random number, so that processes need not agree and
    a message that is tried again goes the same way as long as it is open.
    """
    total = sum(weights.values())
    shares = dict(weights) if total else dict.fromkeys(weights, 1)
    place = crc32(key.encode()) % (total or len(shares))
    for route in sorted(shares):
        place -= shares[route]
        if place < 0:
            return route
    raise ValueError("there is no route to choose from")
