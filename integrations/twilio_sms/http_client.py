"""The connection under the Twilio SDK: pooled, bounded, silent, and clear about what left.

Replaces the SDK's own request, which has no connect time-out, logs phone numbers, and lets a
lost answer look like any other error.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from yarl import URL

from integrations.http_session import (
    describe,
    needs_repair,
    never_left,
    notice_closed_connections,
    open_session,
    read_bounded,
    retry_after_s,
)
from integrations.outcomes import (
    CallError,
    ContractBroken,
    LaneDown,
    Retryable,
    UnknownOutcome,
)
from integrations.twilio_sms.codes import outcome_of
from integrations.twilio_sms.types import TwilioAccount

_NO_URL = URL("")


# The SDK ships no types, so its class is Any to mypy.
class PooledTwilioHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]
    """What the SDK calls to reach Twilio.

    Promise: the session opens on the first request, inside the running loop; one request on the
    wire per call; for a POST, Retryable is raised only when Twilio surely did not take it.
    """

    def __init__(self, account: TwilioAccount) -> None:
        super().__init__(pool_connections=False)
        self.session: aiohttp.ClientSession | None = None
        self._account = account
        self._turns = asyncio.Semaphore(account.in_flight)
        login = f"{account.account_sid}:{account.auth_token}".encode()
        self._authorization = "Basic " + base64.b64encode(login).decode("ascii")

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **_overruled: object,
    ) -> Any:
        """One request with the account's login and time-outs, whatever the SDK asks for there.

        Raises: Retryable, UnknownOutcome, LaneDown, ContractBroken; other answers go back to the
        SDK.
        """
        target = URL(url).with_query(params) if params else URL(url)
        body = encode_form(data) if data else None
        # Waiting for a turn is outside the time-outs: a long slice is not a slow provider.
        async with self._turns:
            await notice_closed_connections()
            try:
                async with self._opened().request(
                    method, target, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    content = await read_bounded(answer)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _no_answer(error, method) from None
        _check_status(answer, method)
        # A body beyond the bound says no more than an empty one.
        text = (content or b"").decode("utf-8", "replace")
        return Response(answer.status, text, answer.headers)

    async def close(self) -> None:
        """Close the connections."""
        if self.session is not None:
            await self.session.close()
            self.session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self.session is None:
            self.session = open_session(
                self._account.connect_s,
                self._account.total_s,
                self._account.in_flight,
                {"Authorization": self._authorization},
            )
        return self.session


def encode_form(data: Mapping[str, Any]) -> bytes:
    """The form in application/x-www-form-urlencoded; yarl's C code takes a seventh of urllib's."""
    return _NO_URL.with_query(data).raw_query_string.encode("ascii")


def _no_answer(error: Exception, method: str) -> CallError:
    why = f"twilio: {describe(error)}"
    if needs_repair(error):
        return LaneDown(why)
    if method != "POST" or never_left(error):
        return Retryable(why)
    return UnknownOutcome(why)


def _check_status(answer: aiohttp.ClientResponse, method: str) -> None:
    """Raise for what the HTTP status decides alone; codes in a body may decide the rest."""
    kind = outcome_of(answer.status)
    why = f"twilio answered {answer.status}"
    if 200 <= answer.status < 300:
        return
    if kind is Retryable or (kind is UnknownOutcome and method != "POST"):
        after_s = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise Retryable(why, after_s)
    if kind is UnknownOutcome:
        raise UnknownOutcome(why)
    if kind is ContractBroken:
        raise ContractBroken(why)
