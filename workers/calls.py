"""Calls to outside systems: many at once, each with one of three outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from app.domain.backoff import retry_delay_s
from app.domain.lanes import Mode
from app.services.outbox import Claimed, Settlement
from integrations.outcomes import (
    AlreadyDone,
    CallError,
    Client,
    ContractBroken,
    LaneDown,
    Outbound,
    Rejected,
    Retryable,
    UnknownOutcome,
)

log = structlog.get_logger()

_ERROR_CHARS = 500


async def call_all(
    client: Client,
    items: Sequence[Claimed],
    attempt_ids: Mapping[int, UUID],
    mode: Mode,
    max_attempts: int,
) -> list[Settlement]:
    """Call for every item at the same time; never raises for a single item's sake."""
    return list(
        await asyncio.gather(
            *(_call(client, item, attempt_ids[item.id], mode, max_attempts) for item in items)
        )
    )


async def _call(
    client: Client, item: Claimed, attempt_id: UUID, mode: Mode, max_attempts: int
) -> Settlement:
    started_at = datetime.now(UTC)
    settlement = Settlement(item, attempt_id, "SENT", "SENT", started_at, started_at)
    outbound = Outbound(
        key=item.dedupe_key,
        version=item.version,
        kind=item.kind,
        payload=item.payload,
        attempt_id=str(attempt_id),
    )
    try:
        sent = await client.send(outbound)
    except AlreadyDone as error:
        settlement = replace(settlement, ref=error.ref, error=error.why[:_ERROR_CHARS])
    except CallError as error:
        settlement = _after_error(settlement, error, mode, max_attempts)
    except Exception as error:
        # A fault of ours: what happened on the wire is not known, so mode *once* must not repeat.
        log.exception("call_failed_unexpectedly", item=item.id, kind=item.kind)
        blank = UnknownOutcome(f"our own fault: {type(error).__name__}")
        settlement = _after_error(settlement, blank, mode, max_attempts)
    else:
        settlement = replace(settlement, ref=sent.ref)
    return replace(settlement, finished_at=datetime.now(UTC))


def _after_error(
    settlement: Settlement, error: CallError, mode: Mode, max_attempts: int
) -> Settlement:
    """The next state by the class of the error, which names what the caller must do."""
    item = settlement.item
    told = replace(
        settlement,
        error_class=type(error).__name__,
        error=error.why[:_ERROR_CHARS],
        outcome="NOT_SENT",
    )
    if isinstance(error, Rejected):
        findings = tuple((f.path, f.code, f.text) for f in error.findings)
        return replace(told, outcome="REJECTED", state="DEAD", findings=findings)
    if isinstance(error, ContractBroken):
        return replace(told, outcome="REJECTED", state="DEAD")
    if isinstance(error, UnknownOutcome) and mode is Mode.ONCE:
        return replace(told, outcome="UNKNOWN", state="UNKNOWN")
    after_s = retry_delay_s(item.attempts + 1, item.dedupe_key)
    if isinstance(error, (Retryable, LaneDown)) and error.after_s is not None:
        after_s = max(after_s, error.after_s)
    if not isinstance(error, LaneDown) and item.attempts + 1 >= max_attempts:
        return replace(told, state="DEAD")
    return replace(told, state="READY", next_at=settlement.started_at + timedelta(seconds=after_s))
