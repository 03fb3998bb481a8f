"""One call to a system near the runner, and what it says to the centre about its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from integrations.channel import Channel
from integrations.outcomes import (
    AlreadyDone,
    CallError,
    Client,
    ContractBroken,
    LaneDown,
    Outbound,
    Rejected,
    Retryable,
    Sent,
    UnknownOutcome,
    plain,
)
from integrations.runner_api.types import ErrorName, Fault, Item, Report

log = structlog.get_logger()

_FINDINGS_MOST = 50
_AFTER_MOST_S = 86_400.0
# From the narrow to the wide; whatever is none of these is unknown.
_NAMES: tuple[tuple[type[CallError], ErrorName], ...] = (
    (Rejected, "Rejected"),
    (Retryable, "Retryable"),
    (LaneDown, "LaneDown"),
    (ContractBroken, "ContractBroken"),
)

Now = Callable[[], datetime]


def batches(client: Client, items: Sequence[Item]) -> list[Sequence[Item]]:
    """The items as they go into requests: one each, or as many as the channel takes."""
    size = client.items_per_call if isinstance(client, Channel) else 1
    return [items[at : at + size] for at in range(0, len(items), size)]


async def call(client: Client, items: Sequence[Item], now: Now) -> list[Report]:
    """Make one request for these items; whatever happens, each has a report, and nothing is raised."""
    started_at = now()
    ends: Sequence[Sent | CallError]
    try:
        if isinstance(client, Channel) and client.items_per_call > 1:
            ends = await client.send_many([_outbound(item) for item in items])
        else:
            ends = [await client.send(_outbound(items[0]))]
    except CallError as error:
        ends = [error] * len(items)
    except Exception as error:
        # What happened on the wire is not known, so mode once must not repeat.
        log.exception("call_failed_unexpectedly", kind=items[0].kind, count=len(items))
        ends = [UnknownOutcome(f"our own fault: {type(error).__name__}")] * len(items)
    finished_at = now()
    return [
        report_of(item, end, started_at, finished_at) for item, end in zip(items, ends, strict=True)
    ]


def report_of(
    item: Item, end: Sent | CallError, started_at: datetime, finished_at: datetime
) -> Report:
    """What is told about one end."""
    if isinstance(end, Sent | AlreadyDone):
        return Report(
            attempt=item.attempt,
            end="SENT",
            ref=plain(end.ref) if end.ref else None,
            why=plain(end.why) if isinstance(end, AlreadyDone) else None,
            started_at=started_at,
            finished_at=finished_at,
        )
    name: ErrorName = next(
        (name for kind, name in _NAMES if isinstance(end, kind)), "UnknownOutcome"
    )
    after_s = end.after_s if isinstance(end, Retryable | LaneDown) else None
    findings = end.findings[:_FINDINGS_MOST] if isinstance(end, Rejected) else ()
    return Report(
        attempt=item.attempt,
        end="FAILED",
        error=name,
        why=plain(end.why),
        after_s=None if after_s is None else min(max(after_s, 0.0), _AFTER_MOST_S),
        findings=[Fault(path=f.path, code=f.code, text=f.text) for f in findings],
        started_at=started_at,
        finished_at=finished_at,
    )


def _outbound(item: Item) -> Outbound:
    return Outbound(item.key, item.version, item.kind, item.payload, str(item.attempt))
