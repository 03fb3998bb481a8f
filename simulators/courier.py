"""Posting what the simulated systems report to Tiedolla: one shared session, no retries here."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=3)


class Courier:
    """Sends one request and tells the status it met, or 0 when there was no answer."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """The answer's status and, when there was none, why (status 0).

        The URL goes out as it is written: a signature covers its very letters.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=64), auto_decompress=False
            )
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status, ""
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return 0, type(error).__name__

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()
