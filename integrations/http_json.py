"""The one way to call an outside system's JSON interface, and what each of its answers means.

For receivers that recognise a repeated key (mode idempotent): whatever leaves doubt may be
repeated. The session opens on the first call, inside the running loop, and keeps its connections;
a caller belongs to that one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from integrations.outcomes import (
    CallError,
    ContractBroken,
    Finding,
    HttpTarget,
    LaneDown,
    Rejected,
    Retryable,
)

ANSWER_MAX_BYTES = 256 * 1024
RETRY_AFTER_MAX_S = 3600.0
# Shorter than the idle time-outs of common servers (5 s and more), because a request on a
# connection that the server is just closing ends without an answer.
KEEP_IDLE_S = 4.0
FINDINGS_MAX = 50
FINDING_TEXT_MAX = 300

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

    async def call(self, method: str, path: str, payload: Mapping[str, Any], key: str) -> bytes:
        """Make one call and return the body of its 2xx answer.

        Promise: one request on the wire, no redirect followed, no time-out exceeded; but aiohttp
        may repeat a PUT once on a kept connection that turns out closed, which the key makes
        harmless.
        Raises: Retryable, Rejected, AlreadyDone, LaneDown, ContractBroken; what the caller must
        do is in their names. Their texts hold neither bodies nor personal data.
        """
        body = msgspec.json.encode(payload)
        url = URL(self._target.base_url + path, encoded=True)
        # Waiting for a turn is outside the time-outs: a long slice is not a slow receiver.
        async with self._turns:
            await notice_closed_connections()
            try:
                async with self._opened().request(
                    method,
                    url,
                    data=body,
                    headers={"Idempotency-Key": key},
                    allow_redirects=False,
                ) as response:
                    content = await read_bounded(response)
                    status, headers = response.status, response.headers
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._no_answer(error) from None
        if 200 <= status < 300:
            if content is None:
                raise ContractBroken(f"{self._system} answered more than {ANSWER_MAX_BYTES} bytes")
            return content
        raise self._refusal(status, headers, content or b"")

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
                    "Authorization": f"Bearer {self._target.token}",
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


def open_session(
    connect_s: float, total_s: float, in_flight: int, headers: Mapping[str, str]
) -> aiohttp.ClientSession:
    """A session of the running loop: pooled, with both time-outs, without cookies or proxies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=in_flight, keepalive_timeout=KEEP_IDLE_S),
        timeout=aiohttp.ClientTimeout(total=total_s, connect=connect_s),
        headers={"User-Agent": "Tiedolla", "Accept-Encoding": "identity", **headers},
        cookie_jar=aiohttp.DummyCookieJar(),
        # Nothing compressed is asked for, and a small bomb must not become a large body.
        auto_decompress=False,
    )


async def notice_closed_connections() -> None:
    """Give the loop one turn, so that the pool learns which kept connections have been closed.

    Between two jobs of a worker the loop stands still, and a request on a connection that the
    server closed meanwhile would end as lost.
    """
    await asyncio.sleep(0)


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


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait, from seconds or an HTTP date; None when the header says nothing usable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # More digits than a wait can have would only cost time to convert.
        wait_s = float(text[:10])
    else:
        try:
            wait_s = (parsedate_to_datetime(text).astimezone(UTC) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


async def read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body, or None when it is longer than ANSWER_MAX_BYTES."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > ANSWER_MAX_BYTES:
            response.close()
            return None
    return bytes(content)


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


def plain(text: str) -> str:
    """Foreign text made fit to keep and show: printable and short."""
    cut = text[:FINDING_TEXT_MAX]
    return "".join(letter if letter.isprintable() else " " for letter in cut)


# From the narrow to the wide: the first that fits counts.
_WHAT_HAPPENED: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "host name not found"),
    (aiohttp.ClientConnectorCertificateError, "certificate not accepted"),
    (aiohttp.ClientConnectorError, "connection not possible"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.InvalidURL, "base address is not a URL"),
    (aiohttp.NonHttpUrlClientError, "base address is not a URL"),
    (TimeoutError, "no answer in time"),
)


def describe(error: Exception) -> str:
    """What went wrong on the way, in our own words; foreign texts could quote the request."""
    for kind, words in _WHAT_HAPPENED:
        if isinstance(error, kind):
            return words
    return "connection lost before the answer"


def needs_repair(error: Exception) -> bool:
    """True when no call will get through before somebody repairs a certificate or a setting."""
    return isinstance(
        error,
        (
            aiohttp.ClientConnectorCertificateError,
            aiohttp.InvalidURL,
            aiohttp.NonHttpUrlClientError,
        ),
    )


def never_left(error: Exception) -> bool:
    """True when the request surely did not leave: there was no connection to send it on."""
    return needs_repair(error) or isinstance(
        error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    )
