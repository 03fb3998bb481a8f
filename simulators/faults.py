"""What goes wrong on purpose in one simulated system, drawn from a seeded generator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args, get_type_hints

CALLBACKS = ("normal", "none", "duplicate", "late")
BROKEN_LISTS = ("", "half", "count", "digest")


class FaultsInvalid(ValueError):
    """The asked faults are not understood; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Faults:
    """One system's faults; the defaults mean that nothing goes wrong.

    Before the request is looked at: delay_ms (+ up to jitter_ms), drop_before_ratio (the
    connection closes and nothing is recorded), fail_ratio (answered with `status`, and
    retry_after_s as Retry-After when given; nothing is recorded).
    After it is recorded: hang_s (the answer waits), drop_answer_ratio (the connection closes
    without an answer), fail_after_ratio (answered with 500 all the same), nonsense_ratio (answered
    with 200 and something that nobody agreed on).
    callbacks: how later reports travel; late_s is the longest that "late" holds one back.
    list_lag_s: how old a message must be to be found in the provider's list.
    ack_delay_ms: the time between two acknowledgements of one order, instead of the configured.
    ack_fail_ratio: the share of orders that end as FAILED, instead of the configured.
    In lists for reconciliation alone, whatever the system really has: snapshot_lose_ratio (things that
    are left out), snapshot_add_count (things that nobody ever sent), snapshot_change_ratio (things
    told otherwise), snapshot_age_s (a list that old which says it is of now), snapshot_broken (half,
    count or digest: not what its first line promises).
    seed: where the generator starts, so that the same requests meet the same faults.
    """

    delay_ms: int = 0
    jitter_ms: int = 0
    fail_ratio: float = 0.0
    status: int = 503
    retry_after_s: int | None = None
    drop_answer_ratio: float = 0.0
    fail_after_ratio: float = 0.0
    nonsense_ratio: float = 0.0
    drop_before_ratio: float = 0.0
    hang_s: float = 0.0
    callbacks: str = "normal"
    late_s: float = 10.0
    list_lag_s: float = 0.0
    ack_delay_ms: int | None = None
    ack_fail_ratio: float | None = None
    snapshot_lose_ratio: float = 0.0
    snapshot_add_count: int = 0
    snapshot_change_ratio: float = 0.0
    snapshot_age_s: float = 0.0
    snapshot_broken: str = ""
    seed: int = 1


NO_FAULTS = Faults()
_TYPES = get_type_hints(Faults)
# The faults that a request itself can meet; the others change what follows it.
_ON_REQUESTS = (
    *("delay_ms", "jitter_ms", "fail_ratio", "hang_s"),
    *("drop_answer_ratio", "drop_before_ratio", "fail_after_ratio", "nonsense_ratio"),
)


def parse_faults(asked: object) -> Faults:
    """Read the JSON object of PUT /faults/<system>.

    Raises: FaultsInvalid (answer 422 with its text).
    """
    if not isinstance(asked, Mapping):
        raise FaultsInvalid("the body must be a JSON object")
    known = {field.name for field in fields(Faults)}
    unknown = sorted(set(asked) - known)
    if unknown:
        raise FaultsInvalid(f"unknown: {', '.join(map(str, unknown))}; known: {sorted(known)}")
    return Faults(**{name: _checked(name, value) for name, value in asked.items()})


def _checked(name: str, value: Any) -> Any:
    allowed = get_args(_TYPES[name]) or (_TYPES[name],)
    if float in allowed and type(value) is int:
        value = float(value)
    if type(value) not in allowed:
        raise FaultsInvalid(f"{name}: expected {' or '.join(kind.__name__ for kind in allowed)}")
    if name == "callbacks" and value not in CALLBACKS:
        raise FaultsInvalid(f"callbacks: one of {', '.join(CALLBACKS)}")
    if name == "snapshot_broken" and value not in BROKEN_LISTS:
        raise FaultsInvalid("snapshot_broken: half, count or digest")
    if name == "status" and not 400 <= value <= 599:
        raise FaultsInvalid("status: 400 to 599")
    if name.endswith("_ratio") and value is not None and not 0 <= value <= 1:
        raise FaultsInvalid(f"{name}: 0 to 1")
    if isinstance(value, int | float) and value < 0:
        raise FaultsInvalid(f"{name}: not below 0")
    return value


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one request."""

    delay_s: float
    drop_before: bool
    fail: bool
    drop_answer: bool
    fail_after: bool
    nonsense: bool


class FaultBox:
    """The faults now in force for one system; the same seed meets the same requests alike."""

    def __init__(self) -> None:
        self.now = NO_FAULTS
        self.spares_requests = True
        self._random = random.Random(NO_FAULTS.seed)
        self._changed = asyncio.Event()

    def put(self, faults: Faults) -> None:
        """Replace all faults and let go whoever hangs because of the old ones."""
        self.now = faults
        self.spares_requests = not any(getattr(faults, name) for name in _ON_REQUESTS)
        self._random = random.Random(faults.seed)
        self._changed.set()
        self._changed = asyncio.Event()

    def as_json(self) -> dict[str, Any]:
        """The faults now in force, every field."""
        return asdict(self.now)

    def draw(self) -> Fate:
        """Decide one request's fate; always four draws, so that the order of kinds is stable."""
        jitter, before, fail, answer = (self._random.random() for _ in range(4))
        faults = self.now
        return Fate(
            delay_s=(faults.delay_ms + faults.jitter_ms * jitter) / 1000,
            drop_before=before < faults.drop_before_ratio,
            fail=fail < faults.fail_ratio,
            drop_answer=answer < faults.drop_answer_ratio,
            # The same draw: an answer that was dropped cannot say anything.
            fail_after=0 <= answer - faults.drop_answer_ratio < faults.fail_after_ratio,
            nonsense=0
            <= answer - faults.drop_answer_ratio - faults.fail_after_ratio
            < faults.nonsense_ratio,
        )

    def draw_late_s(self) -> float:
        """How long a late report is held back."""
        return self._random.random() * self.now.late_s

    async def wait(self, seconds: float) -> None:
        """Stand still for the time given, or until the faults are changed."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return
