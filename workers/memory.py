"""How a worker collects garbage: seldom, because its slices make many objects that all end at once."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Leave alone what was loaded before, and look for cycles only after many new objects.

    Reference counts free a slice's objects as soon as it is done; the collector's walks over those
    still alive took a quarter of a planner's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
