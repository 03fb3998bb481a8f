"""The floor of sending: `python -m bench.bare_drain URL` claims, posts and settles, and nothing else.

No ledger, no attempt, no last look, no step, no SDK: 500 rows in one statement, a hundred requests
under way on aiohttp, 500 rows settled in one statement.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from urllib.parse import urlencode

import aiohttp
import psycopg
import uvloop
from sqlalchemy.engine import make_url

CLAIM = """
    WITH head AS (
        SELECT id FROM outbox_item WHERE lane = 'sms' AND state = 'READY'
        ORDER BY priority, id LIMIT 500 FOR UPDATE SKIP LOCKED)
    UPDATE outbox_item o SET state = 'CLAIMED' FROM head WHERE o.id = head.id
    RETURNING o.id, o.payload
"""
SETTLE = """
    UPDATE outbox_item o SET state = 'SENT', ref = s.ref, settled_at = now()
    FROM unnest(%s::bigint[], %s::text[]) AS s (id, ref) WHERE o.id = s.id
"""
IN_FLIGHT = 100


async def main(url: str) -> int:
    """Drain the lane once; returns how many were sent."""
    address = make_url(os.environ["TIEDOLLA_DATABASE_URL"]).set(drivername="postgresql")
    sent = 0
    turns = asyncio.Semaphore(IN_FLIGHT)
    with psycopg.connect(address.render_as_string(hide_password=False)) as connection:
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def post(payload: dict[str, str]) -> str:
                form = urlencode(
                    {"To": payload["to"], "From": payload["from"], "Body": payload["body"]}
                )
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                async with turns, session.post(url, data=form, headers=headers) as answer:
                    return str(json.loads(await answer.read())["sid"])

            while True:
                rows = connection.execute(CLAIM).fetchall()
                connection.commit()
                if not rows:
                    return sent
                refs = await asyncio.gather(*(post(payload) for _, payload in rows))
                connection.execute(SETTLE, ([id_ for id_, _ in rows], list(refs)))
                connection.commit()
                sent += len(rows)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    count = uvloop.run(main(sys.argv[1]))
    used = time.process_time() - before
    print(json.dumps({"cpu_s": used, "counts": {"SENT": count}}), flush=True)
