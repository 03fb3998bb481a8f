"""Sends e-mails through the SendGrid SDK, on a bounded pool of threads."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sendgrid import SendGridAPIClient

from integrations.channel import Result
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
from integrations.sendgrid_email.batch import (
    EMAILS_PER_CALL,
    Addressed,
    build_batch,
    group_alike,
    guilty_of,
)
from integrations.sendgrid_email.codec import parse_email
from integrations.sendgrid_email.codes import outcome_of
from integrations.sendgrid_email.mail import build_mail
from integrations.sendgrid_email.types import SendgridAccount
from integrations.sendgrid_email.wire import Wire, WireClient

_REF_MAX = 200


class SendgridEmailClient:
    """The e-mail channel by SendGrid. It has no idempotency key, so a doubt stays a doubt.

    There is no look-up either (its e-mail activity is sold apart): events settle a doubt.
    """

    items_per_call = EMAILS_PER_CALL

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
        result = await self._request(mail)
        if isinstance(result, CallError):
            raise result
        return result

    async def send_many(self, items: Sequence[Outbound]) -> list[Result]:
        """Hand over up to a thousand e-mails, those alike in one request.

        What SendGrid says of a request holds for all its e-mails. A request that it refuses for
        the sake of one of them is sent again without that one: it takes all or none.
        """
        results: dict[int, Result] = {}
        batch = []
        for at, item in enumerate(items):
            try:
                batch.append(Addressed(at, parse_email(item.payload), item.attempt_id))
            except Rejected as error:
                results[at] = error
        for ended in await asyncio.gather(*(self._send_group(g) for g in group_alike(batch))):
            results |= ended
        return [results[at] for at in range(len(items))]

    async def _send_group(self, group: Sequence[Addressed]) -> dict[int, Result]:
        """One request for the group; a further one only for those surely not taken by the last."""
        ended: dict[int, Result] = {}
        waiting = [group]
        while waiting:
            part = waiting.pop()
            mail = build_batch(part)
            if mail is None:
                waiting += _halves(part)
                continue
            result = await self._request(mail)
            guilty: frozenset[int] = frozenset()
            if isinstance(result, Rejected) and len(part) > 1:
                guilty = guilty_of((f.path for f in result.findings), len(part))
                if not guilty:
                    waiting += _halves(part)
                    continue
                if rest := [one for n, one in enumerate(part) if n not in guilty]:
                    waiting.append(rest)
            ended |= {one.at: result for n, one in enumerate(part) if not guilty or n in guilty}
        return ended

    async def _request(self, mail: dict[str, Any]) -> Result:
        try:
            # Waiting for a turn is outside the time-outs: a long slice is not a slow provider.
            async with self._turns:
                answer = await self._post(mail)
        except CallError as error:
            return error
        if answer.status_code == 202:
            return Sent(ref=(answer.headers.get("X-Message-Id") or "")[:_REF_MAX] or None)
        return _refusal(answer.status_code, answer.headers, answer.body)

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


def _halves(group: Sequence[Addressed]) -> list[Sequence[Addressed]]:
    middle = len(group) // 2
    return [group[middle:], group[:middle]]


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
