"""Delivery reports per second: taken over HTTP, verified and stored; and applied to the ledger."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import uvloop
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from app.db import transaction
from app.factory import create_app
from app.settings import Settings
from bench.message_rows import seed, write_notices
from bench.report import row
from bench.upkeep import analyse
from deploy.ports import free_port
from deploy.tether import bound
from workers.receipts import apply_receipts

PATH = "/callbacks/twilio/status"
POSTS, IN_FLIGHT = 5_000, 32
_SENT = (
    "INSERT INTO attempt (id, outbox_item_id, lease, started_at, finished_at, outcome, lookups)"
    " SELECT gen_random_uuid(), id, 1, now(), now(), 'SENT', 0 FROM outbox_item",
    "UPDATE outbox_item SET state = 'SENT', settled_at = now()",
    "UPDATE notice SET state = 'SENT', sent_at = now(), provider = 'twilio'",
)
_REPORTED = text(
    "INSERT INTO delivery_receipt (provider, dedupe_key, attempt_id, provider_ref, status,"
    " received_at, verdict)"
    " SELECT 'twilio', 'bench/' || id, id, 'SM' || md5(id::text), 'delivered', now(), 'WAITING'"
    " FROM attempt ON CONFLICT DO NOTHING"
)


def main(count: int) -> list[dict[str, Any]]:
    """Post some reports as the provider does; then apply one for each of many messages."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"]
    with app.app_context():
        seed(count)
        write_notices(count, settings)
        with transaction() as session:
            for statement in _SENT:
                session.execute(text(statement))
            attempts = session.execute(
                text("SELECT id::text FROM attempt LIMIT :count"), {"count": min(POSTS, count)}
            ).scalars()
            posts = [_signed(attempt, settings) for attempt in attempts]
        with _web() as url:
            took_s = uvloop.run(_post_all(url, posts))
        with transaction() as session:
            stored = session.execute(text("SELECT count(*) FROM delivery_receipt")).scalar_one()
            session.execute(text("DELETE FROM delivery_receipt"))
            session.execute(_REPORTED)
        analyse()
        began, cpu = time.perf_counter(), time.process_time()
        counts = apply_receipts(settings, 1, "bench")
        applied_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        with transaction() as session:
            delivered = session.execute(
                text("SELECT count(*) FROM notice WHERE state = 'DELIVERED'")
            ).scalar_one()
    if (stored, counts["APPLIED"], delivered) != (len(posts), count, count):
        raise SystemExit(f"expected {len(posts)} and {count}: {stored}, {counts}, {delivered}")
    note = f"{len(posts):,} signed posts, {IN_FLIGHT} at a time, one web process"
    return [
        row("reports stored", len(posts) / took_s, "reports/s", ">= 1,000", note),
        row("reports applied", count / applied_s, "reports/s", ">= 5,000", f"{count:,} reports"),
        row("reports: CPU of applying", cpu_s / count * 1000, "ms each"),
    ]


def _signed(attempt: str, settings: Settings) -> tuple[str, bytes, str]:
    """The address, the form and the signature of one report."""
    form = {
        "AccountSid": settings.twilio_account_sid,
        "ApiVersion": "2010-04-01",
        "From": "Verkko",
        "MessageSid": "SM" + attempt.replace("-", ""),
        "MessageStatus": "delivered",
        "SmsSid": "SM" + attempt.replace("-", ""),
        "SmsStatus": "delivered",
        "To": "+358501234567",
    }
    address = f"{PATH}?attempt={attempt}"
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    signature = validator.compute_signature(settings.base_url + address, form)
    return address, urlencode(form).encode(), str(signature)


async def _post_all(url: str, posts: Sequence[tuple[str, bytes, str]]) -> float:
    turns = asyncio.Semaphore(IN_FLIGHT)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(address: str, body: bytes, signature: str) -> None:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": signature,
            }
            async with turns, session.post(url + address, data=body, headers=headers) as answer:
                if answer.status != 204:
                    raise SystemExit(f"a report was answered {answer.status}")

        # The first requests load what a process loads once.
        await asyncio.gather(*(post(*one) for one in posts[:50]))
        began = time.perf_counter()
        await asyncio.gather(*(post(*one) for one in posts))
        return time.perf_counter() - began


@contextmanager
def _web() -> Iterator[str]:
    """The product's web process as it is run."""
    port = free_port()
    words = (
        *("-m", "granian", "--interface", "wsgi", "wsgi:app", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", "1", "--blocking-threads", "4", "--no-ws"),
    )
    with subprocess.Popen(
        bound([sys.executable, *words]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"
        uvloop.run(_until_up(url))
        yield url
        process.terminate()


async def _until_up(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(300):
            try:
                async with session.get(url + "/livez") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the web process did not start")


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
