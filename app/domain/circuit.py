"""The circuit breaker of a lane: stop calling a receiver that is down, then look once in a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# So many failures in a row that blame the receiver open the circuit.
OPEN_AFTER_FAILURES = 10
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Failures in a row, and until when no call may pass; None while the circuit is closed.

    Once open_until has passed, one call may try (half-open): it closes the circuit or opens it
    for longer.
    """

    failures: int = 0
    open_until: datetime | None = None


def after_calls(
    breaker: Breaker,
    blamed: Iterable[bool],
    now: datetime,
    *,
    lane_down: bool = False,
    retry_at: datetime | None = None,
) -> Breaker:
    """The breaker after calls ended; `blamed` tells for each whether the receiver is to blame.

    lane_down opens it at once: nothing will get through, for instance wrong credentials. retry_at
    is the receiver's own word on when to come back. Calls that failed beside one that succeeded
    do not open it: the receiver is there.
    """
    results = list(blamed)
    if not results:
        return breaker
    if not lane_down and not all(results):
        return Breaker()
    failures = breaker.failures + len(results)
    if not lane_down and failures < OPEN_AFTER_FAILURES and breaker.open_until is None:
        return Breaker(failures, None)
    rounds = max(0, failures // OPEN_AFTER_FAILURES - 1)
    # A failed probe counts as a whole round, so that the pauses grow.
    failures = OPEN_AFTER_FAILURES * (failures // OPEN_AFTER_FAILURES + 1)
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(rounds, 10))
    until = now + timedelta(seconds=pause_s)
    return Breaker(min(failures, 1_000_000), max(until, retry_at) if retry_at else until)
