"""The connections under the asynchronous clients: pooled, bounded, and clear about what left.

A session belongs to the event loop that it was opened in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

ANSWER_MAX_BYTES = 256 * 1024
RETRY_AFTER_MAX_S = 3600.0
# Shorter than the idle time-outs of common servers (5 s and more), because a request on a
# connection that the server is just closing ends without an answer.
KEEP_IDLE_S = 4.0

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


async def read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body, or None when it is longer than ANSWER_MAX_BYTES."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > ANSWER_MAX_BYTES:
            response.close()
            return None
    return bytes(content)


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
