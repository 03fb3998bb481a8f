"""Sends e-mails through the SendGrid SDK, on a bounded pool of threads."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sendgrid import SendGridAPIClient

from integrations.http_json import parse_findings
from integrations.http_session import RETRY_AFTER_MAX_S, retry_after_s
from integrations.outcomes import (
    CallError,
    Finding,
    Outbound,
    Rejected,
    Retryable,
    Sent,
    UnknownOutcome,
)
from integrations.sendgrid_email.codec import parse_email
from integrations.sendgrid_email.codes import outcome_of
from integrations.sendgrid_email.mail import build_mail
from integrations.sendgrid_email.types import SendgridAccount
from integrations.sendgrid_email.wire import Wire, WireClient

_REF_MAX = 200


class SendgridEmailClient:
    """Mode once: SendGrid has no idempotency key, so a doubt stays a doubt.

    There is no look-up either (its e-mail activity is sold apart): events settle a doubt.
    """

    def __init__(self, account: SendgridAccount) -> None:
        self._account = account
        self._turns = asyncio.Semaphore(account.in_flight)
        self._threads = ThreadPoolExecutor(account.in_flight, thread_name_prefix="sendgrid")
        self._tls = ssl.create_default_context()

    async def send(self, item: Outbound) -> Sent:
        """Hand one e-mail to SendGrid; `ref` of the result is its X-Message-Id.

        Raises: Retryable (surely not sent), UnknownOutcome (resolve, never resend blindly),
        Rejected, LaneDown, ContractBroken.
        """
        mail = build_mail(parse_email(item.payload), item.attempt_id)
        # Waiting for a turn is outside the time-outs: a long slice is not a slow provider.
        async with self._turns:
            answer = await self._post(mail)
        if answer.status_code == 202:
            return Sent(ref=(answer.headers.get("X-Message-Id") or "")[:_REF_MAX] or None)
        raise _refusal(answer.status_code, answer.headers, answer.body)

    async def aclose(self) -> None:
        """Let the threads go; none of them can hold on longer than the total time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _post(self, mail: dict[str, Any]) -> Any:
        wire = Wire(self._account, self._tls)
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._threads, self._post_now, wire, mail)
        # Nobody waits for a call that was cut off, so its error must count as seen.
        call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        left = False
        try:
            await asyncio.wait({call}, timeout=self._account.total_s)
        finally:
            left = not call.done() and wire.cut()
        if call.done():
            return call.result()
        if left:
            raise UnknownOutcome("sendgrid: no answer in time")
        raise Retryable("sendgrid: no connection in time")

    def _post_now(self, wire: Wire, mail: dict[str, Any]) -> Any:
        # One SDK object per call: it keeps headers in a dict that calls would share.
        host = self._account.base_url.rstrip("/")
        sdk = SendGridAPIClient(self._account.api_key, host)
        sdk.client = WireClient(
            wire,
            host=host,
            request_headers=sdk.client.request_headers,
            version=3,
        )
        return sdk.send(mail)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> CallError:
    kind = outcome_of(status)
    why = f"sendgrid answered {status}"
    if kind is Retryable:
        return Retryable(why, _wait_s(headers, datetime.now(UTC)))
    if kind is Rejected:
        # Its texts may quote the address, so only the places are kept.
        places = (Finding(f.path, str(status), "refused here") for f in parse_findings(body))
        return Rejected(why, tuple(places))
    return kind(why)


def _wait_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """SendGrid tells the second at which its rate window starts anew."""
    reset = (headers.get("X-RateLimit-Reset") or "").strip()
    if reset.isascii() and reset.isdigit() and len(reset) <= 12:
        return min(max(float(reset) - now.timestamp(), 0.0), RETRY_AFTER_MAX_S)
    return retry_after_s(headers.get("Retry-After"), now)
