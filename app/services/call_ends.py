"""What the end of one call means for its item: outcome, next state, and when to try again."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.backoff import retry_delay_s
from app.domain.lanes import Mode
from app.services.outbox import Claimed
from integrations.outcomes import (
    CallError,
    ContractBroken,
    LaneDown,
    Rejected,
    Retryable,
    UnknownOutcome,
)

# An answer that nobody can read is tried a few times more: half a minute in all. A partner in
# trouble answers everybody so, which opens the circuit before; an item that alone meets it is dead.
_UNREADABLE_MOST = 5


def after_error(
    item: Claimed, error: CallError, started_at: datetime, mode: Mode, max_attempts: int | None
) -> tuple[str, str, datetime | None]:
    """Outcome, next state and next time by the class of the error, which names what is to be done.

    max_attempts None: a probe of a receiver that is down, whose failure is no item's fault.
    """
    tries = item.attempts + 1
    if isinstance(error, Rejected):
        return "REJECTED", "DEAD", None
    if isinstance(error, ContractBroken) and (
        mode is Mode.ONCE or (max_attempts is not None and tries >= _UNREADABLE_MOST)
    ):
        return "REJECTED", "DEAD", None
    if isinstance(error, UnknownOutcome) and mode is Mode.ONCE:
        return "UNKNOWN", "UNKNOWN", None
    after_s = retry_delay_s(tries, item.dedupe_key)
    if isinstance(error, (Retryable, LaneDown)) and error.after_s is not None:
        after_s = max(after_s, error.after_s)
    given_up = max_attempts is not None and tries >= max_attempts
    if given_up and not isinstance(error, LaneDown):
        return "NOT_SENT", "DEAD", None
    return "NOT_SENT", "READY", started_at + timedelta(seconds=after_s)
