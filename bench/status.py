"""How many times a second the public status page is served, and what is left when the database is gone.

The server is the product's own (granian) in a process of its own; the clients are two processes with
kept-alive connections on the same machine, so the figure is a floor. Before it is measured the database
and Redis that the server knows are addresses where nobody listens.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.domain.public_status import Cut, build_snapshot
from app.services.status_snapshot import publish
from bench.report import row
from deploy.ports import free_port

CLIENTS = 2
CONNECTIONS = 16
WARM_UP = 200
_STARTED_WITHIN_S = 30.0
_PLACES = ("837", "091", "092", "049", "109", "398")


def main(count: int) -> list[dict[str, Any]]:
    """Serve a storm's snapshot and ask for it `count` times per page."""
    with tempfile.TemporaryDirectory(prefix="td-status-") as name:
        folder = Path(name)
        publish(json.dumps(_storm(), ensure_ascii=False).encode(), folder)
        port = free_port()
        server = _serve(port, folder)
        try:
            size = _await_page(port)
            rows = []
            for title, path in (
                ("page", "/status/fi"),
                ("frame", "/status/embed/sv"),
                ("JSON", "/status.json"),
                ("bulletin", "/bulletin/en.txt"),
            ):
                rate, p99_ms = _measure(port, path, count)
                target = "> 1,000" if title == "page" else ""
                note = f"{size / 1000:.0f} kB gzipped, no database, no Redis" if target else ""
                rows.append(row(f"status {title}", rate, "requests/s", target, note))
                rows.append(row(f"status {title}: p99", p99_ms, "ms"))
            return rows
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)


def _storm() -> dict[str, Any]:
    """1,400 faults in six municipalities, of which the page shows every area."""
    now = datetime.now(UTC)
    cuts = [
        Cut(
            outage_id=number,
            municipality_code=_PLACES[number % len(_PLACES)],
            postal_code=f"{33000 + number % 97}",
            post_office="TAMPERE",
            customers=3 + number % 150,
            cause_code="STORM",
            started_at=now - timedelta(minutes=number % 300),
            updated_at=now,
            until=now + timedelta(hours=2 + number % 12),
            planned=False,
        )
        for number in range(1400)
    ]
    return build_snapshot(cuts, [], now)


def _serve(port: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "TIEDOLLA_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nowhere",
        "TIEDOLLA_REDIS_URL": "redis://127.0.0.1:1/0",
        "TIEDOLLA_STATUS_SNAPSHOT_DIR": str(folder),
    }
    words = ("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port))
    return subprocess.Popen(
        [sys.executable, *words, "--blocking-threads", "4", "--no-access-log", "wsgi:app"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _await_page(port: int) -> int:
    """Wait until the page is served; its size in bytes."""
    deadline = time.monotonic() + _STARTED_WITHIN_S
    while time.monotonic() < deadline:
        try:
            return asyncio.run(_once(port, "/status/fi"))
        except (OSError, ValueError):
            time.sleep(0.1)
    raise SystemExit("the server did not serve the page")


async def _once(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await _ask(reader, writer, _request(path))
    finally:
        writer.close()


def _measure(port: int, path: str, count: int) -> tuple[float, float]:
    """Requests per second of all clients together, and the slowest hundredth in ms."""
    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        pool.starmap(_client, [(port, path, WARM_UP)] * CLIENTS)
        started = time.perf_counter()
        found = pool.starmap(_client, [(port, path, count // CLIENTS)] * CLIENTS)
        took_s = time.perf_counter() - started
    took = sorted(one for part in found for one in part)
    return len(took) / took_s, took[int(len(took) * 0.99)] * 1000


def _client(port: int, path: str, count: int) -> list[float]:
    return asyncio.run(_ask_many(port, path, count))


async def _ask_many(port: int, path: str, count: int) -> list[float]:
    share = max(count // CONNECTIONS, 1)
    parts = await asyncio.gather(*(_visitor(port, path, share) for _ in range(CONNECTIONS)))
    return [one for part in parts for one in part]


async def _visitor(port: int, path: str, count: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = _request(path)
    took = []
    try:
        for _ in range(count):
            started = time.perf_counter()
            await _ask(reader, writer, request)
            took.append(time.perf_counter() - started)
    finally:
        writer.close()
    return took


def _request(path: str) -> bytes:
    """As browsers ask, which all take compressed pages."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """One request on a kept-alive connection; raises ValueError for anything but a whole 200."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(head[:40])
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(await reader.readexactly(int(value)))
    raise ValueError("no length")


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
