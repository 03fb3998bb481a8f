"""The one way to call an outside system's JSON interface, and what each of its answers means.

For receivers that recognise a repeated key (mode idempotent): whatever leaves doubt may be
repeated. The session opens on the first call, inside the running loop, and keeps its connections;
a caller belongs to that one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from integrations.http_session import (
    ANSWER_MAX_BYTES,
    describe,
    needs_repair,
    notice_closed_connections,
    open_session,
    read_bounded,
    retry_after_s,
)
from integrations.outcomes import (
    CallError,
    ContractBroken,
    Finding,
    HttpTarget,
    LaneDown,
    Rejected,
    Retryable,
    plain,
)

FINDINGS_MAX = 50

STATUS_OUTCOMES: Mapping[int, type[CallError]] = MappingProxyType(
    {
        401: LaneDown,
        403: LaneDown,
        408: Retryable,
        409: Rejected,
        422: Rejected,
        429: Retryable,
    }
)


class JsonCaller:
    """Calls one system; `statuses` says where its answers mean something of their own."""

    def __init__(
        self,
        target: HttpTarget,
        system: str,
        statuses: Mapping[int, type[CallError]] = STATUS_OUTCOMES,
    ) -> None:
        self._target = target
        self._system = system
        self._statuses = statuses
        self._turns = asyncio.Semaphore(target.in_flight)
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any],
        key: str,
        *,
        seal: Callable[[bytes], Mapping[str, str]] | None = None,
    ) -> bytes:
        """Make one call and return the body of its 2xx answer; seal makes headers over its body.

        Promise: one request on the wire, no redirect followed, no time-out exceeded; but aiohttp
        may repeat a PUT once on a kept connection that turns out closed, which the key makes
        harmless.
        Raises: Retryable, Rejected, AlreadyDone, LaneDown, ContractBroken; what the caller must
        do is in their names. Their texts hold neither bodies nor personal data.
        """
        body = msgspec.json.encode(payload)
        headers = {"Idempotency-Key": key, **(seal(body) if seal else {})}
        url = URL(self._target.base_url + path, encoded=True)
        # Waiting for a turn is outside the time-outs: a long slice is not a slow receiver.
        async with self._turns:
            await notice_closed_connections()
            try:
                async with self._opened().request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                ) as response:
                    content = await read_bounded(response)
                    status, answered = response.status, response.headers
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._no_answer(error) from None
        if 200 <= status < 300:
            if content is None:
                raise ContractBroken(f"{self._system} answered more than {ANSWER_MAX_BYTES} bytes")
            return content
        raise self._refusal(status, answered, content or b"")

    async def aclose(self) -> None:
        """Close the connections; the next call would open them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(
                self._target.connect_s,
                self._target.total_s,
                self._target.in_flight,
                {
                    **(
                        {"Authorization": f"Bearer {self._target.token}"}
                        if self._target.token
                        else {}
                    ),
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                },
            )
        return self._session

    def _no_answer(self, error: Exception) -> CallError:
        why = f"{self._system}: {describe(error)}"
        return LaneDown(why) if needs_repair(error) else Retryable(why)

    def _refusal(self, status: int, headers: Mapping[str, str], content: bytes) -> CallError:
        kind = outcome_of(status, self._statuses)
        why = f"{self._system} answered {status}"
        if issubclass(kind, (Retryable, LaneDown)):
            return kind(why, retry_after_s(headers.get("Retry-After"), datetime.now(UTC)))
        if issubclass(kind, Rejected):
            return kind(why, parse_findings(content))
        return kind(why)


def path_segment(payload: Mapping[str, Any], field: str) -> str:
    """A field of the payload as one segment of a path, whatever letters it has.

    Raises: Rejected (the payload has no such text, so it can never be sent).
    """
    value = payload.get(field)
    if not isinstance(value, str) or not value:
        finding = Finding(f"$.{field}", "FIELD_MISSING", "the address of the call needs it")
        raise Rejected("payload without its id", (finding,))
    # A segment of dots would be folded away on the road.
    return quote(value, safe="").replace(".", "%2E") if value in (".", "..") else quote(value, "")


def outcome_of(status: int, own: Mapping[int, type[CallError]]) -> type[CallError]:
    """The error that an answer outside 2xx stands for: by the system's table, else by class."""
    if status in own:
        return own[status]
    if 400 <= status < 500:
        return Rejected
    if 500 <= status < 600:
        return Retryable
    return ContractBroken


class _FieldError(msgspec.Struct):
    # A finding with one odd part is still worth showing, so any type is taken.
    field: Any = ""
    code: Any = ""
    message: Any = ""


class _Refusal(msgspec.Struct):
    errors: list[_FieldError] = []


def parse_findings(content: bytes) -> tuple[Finding, ...]:
    """The errors of a refusal; empty when the body has none in the agreed form."""
    try:
        refusal = msgspec.json.decode(content, type=_Refusal)
    except (ValueError, RecursionError):
        return ()
    return tuple(
        Finding(plain(str(e.field)), plain(str(e.code)), plain(str(e.message)))
        for e in refusal.errors[:FINDINGS_MAX]
    )
