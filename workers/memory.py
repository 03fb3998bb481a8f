"""How a worker uses its interpreter: it collects garbage seldom, and its threads take turns often."""

from __future__ import annotations

import gc
import sys


def collect_seldom() -> None:
    """Leave alone what was loaded before, and look for cycles only after many new objects.

    Reference counts free a slice's objects as soon as it is done; the collector's walks over those
    still alive took a quarter of a planner's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def take_turns_often() -> None:
    """Let a thread that PostgreSQL has answered go on soon.

    While one thread decides, another writes in many small steps, and waited up to 5 ms for its turn
    after each; planning took a seventh longer.
    """
    sys.setswitchinterval(0.0005)
