"""Calls to outside systems: many at once, each with one of three outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from app.domain.lanes import Mode
from app.services.call_ends import after_error
from app.services.outbox import Claimed, Settlement
from integrations.channel import Channel
from integrations.outcomes import (
    AlreadyDone,
    CallError,
    Client,
    Outbound,
    Rejected,
    Sent,
    UnknownOutcome,
)

log = structlog.get_logger()

_ERROR_CHARS = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One item on its way: by which client and route, under which attempt, at what cost."""

    item: Claimed
    attempt_id: UUID
    client: Client
    route: str | None = None
    cost_millicents: int = 0


async def call_all(calls: Sequence[Call], mode: Mode, max_attempts: int | None) -> list[Settlement]:
    """Call for every item at the same time; never raises for a single item's sake.

    max_attempts None: a probe of a receiver that is down, whose failure is no item's fault.
    """
    requests = []
    for client, own in _by_client(calls).items():
        size = client.items_per_call if isinstance(client, Channel) else 1
        if isinstance(client, Channel) and size > 1:
            requests += [
                _call_many(client, own[at : at + size], mode, max_attempts)
                for at in range(0, len(own), size)
            ]
        else:
            requests += [_call(client, one, mode, max_attempts) for one in own]
    return [one for ended in await asyncio.gather(*requests) for one in ended]


def _by_client(calls: Sequence[Call]) -> Mapping[Client, list[Call]]:
    found: dict[Client, list[Call]] = {}
    for call in calls:
        found.setdefault(call.client, []).append(call)
    return found


async def _call(
    client: Client, call: Call, mode: Mode, max_attempts: int | None
) -> list[Settlement]:
    started_at = datetime.now(UTC)
    ended: Sent | CallError
    try:
        ended = await client.send(_outbound(call))
    except CallError as error:
        ended = error
    except Exception as error:
        ended = _our_fault(error, [call])
    return [_settlement(call, ended, started_at, mode, max_attempts)]


async def _call_many(
    channel: Channel, calls: Sequence[Call], mode: Mode, max_attempts: int | None
) -> list[Settlement]:
    """One request for all of them."""
    started_at = datetime.now(UTC)
    results: Sequence[Sent | CallError]
    try:
        results = await channel.send_many([_outbound(call) for call in calls])
    except Exception as error:
        results = [_our_fault(error, calls)] * len(calls)
    return [
        _settlement(call, ended, started_at, mode, max_attempts)
        for call, ended in zip(calls, results, strict=True)
    ]


def _outbound(call: Call) -> Outbound:
    item = call.item
    return Outbound(item.wire_key, item.version, item.kind, item.payload, str(call.attempt_id))


def _our_fault(error: Exception, calls: Sequence[Call]) -> CallError:
    """What happened on the wire is not known, so mode *once* must not repeat."""
    first = calls[0].item
    log.exception("call_failed_unexpectedly", item=first.id, kind=first.kind, count=len(calls))
    return UnknownOutcome(f"our own fault: {type(error).__name__}")


def _settlement(
    call: Call, ended: Sent | CallError, started_at: datetime, mode: Mode, max_attempts: int | None
) -> Settlement:
    if isinstance(ended, Sent):
        return _ended(call, started_at, "SENT", "SENT", ref=ended.ref)
    why = ended.why[:_ERROR_CHARS]
    if isinstance(ended, AlreadyDone):
        return _ended(call, started_at, "SENT", "SENT", ref=ended.ref, error=why)
    outcome, state, next_at = after_error(call.item, ended, started_at, mode, max_attempts)
    findings = ended.findings if isinstance(ended, Rejected) else ()
    return _ended(
        call,
        started_at,
        outcome,
        state,
        error=why,
        error_class=type(ended).__name__,
        next_at=next_at,
        findings=tuple((f.path, f.code, f.text) for f in findings),
    )


def _ended(call: Call, started_at: datetime, outcome: str, state: str, **more: Any) -> Settlement:
    return Settlement(
        item=call.item,
        attempt_id=call.attempt_id,
        outcome=outcome,
        state=state,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        route=call.route,
        cost_millicents=call.cost_millicents,
        **more,
    )
