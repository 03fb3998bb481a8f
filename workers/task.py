"""What a chore is given: its settings and parameters, and whether it should end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.settings import Settings


@dataclass(slots=True)
class Task:
    """One start at work.

    key_id names it in what it does to others: a start that is run again has the same. stopping: to
    be asked between two pieces of work; a chore that hears yes returns what it has done so far.
    """

    start_id: int
    key_id: int
    process: str
    run_id: int
    params: Mapping[str, Any]
    settings: Settings
    stopping: Callable[[], bool]
    # Whoever made the cause: a person, the clock, a partner.
    asked_by: str = "system:processes"
