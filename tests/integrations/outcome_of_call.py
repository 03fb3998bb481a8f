"""One call from its beginning to its outcome, whatever that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from integrations.outcomes import CallError, Client, Outbound, Sent

ATTEMPT = "0b7c7f64-5c0e-4d4f-9f4e-3f1f0a8f2b11"


def outbound(payload: Mapping[str, Any], **changed: Any) -> Outbound:
    """An outbox item on its way out."""
    facts = {"key": "T1-1", "version": 1, "kind": "TEST", "attempt_id": ATTEMPT, **changed}
    return Outbound(payload=payload, **facts)


def outcome(make_client: Callable[[], Client], item: Outbound, times: int = 1) -> Sent | CallError:
    """What the last of so many calls of one client ended as."""

    async def call() -> Sent | CallError:
        client = make_client()
        try:
            for _ in range(times):
                try:
                    ended: Sent | CallError = await client.send(item)
                except CallError as error:
                    ended = error
            return ended
        finally:
            await client.aclose()

    return asyncio.run(call())
