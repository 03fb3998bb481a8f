"""A stand-in for an outside system on a real socket: it answers, is silent or hangs up as told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer; body is JSON unless it is bytes already."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} As told", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, then the connection closes."""

    wire: bytes


class Behaviour:
    """The ways of not answering."""

    DROP_BEFORE = "closes the connection without reading"
    DROP_AFTER = "reads the request, then closes the connection"
    HANG = "reads the request and never answers"
    DRIP = "sends one byte of an answer now and then"


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class StubServer:
    """Plays its answers one after the other; the last one goes on for ever."""

    def __init__(self, *answers: Reply | Raw | str, tls: ssl.SSLContext | None = None) -> None:
        self._answers = list(answers)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self.received: list[Received] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._port}"

    def __enter__(self) -> StubServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def wait_for_connection(self) -> None:
        """Return when somebody has connected; a server must not stop while it accepts."""
        deadline = time.monotonic() + 10
        while not self.connections and time.monotonic() < deadline:
            time.sleep(0.005)

    def hang_up(self) -> None:
        """Close every connection that is open, as a server does with idle ones."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)

    async def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.close()
            await writer.wait_closed()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._writers):
            writer.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Play one answer; True when the connection may be used again."""
        if self._answers[0] == Behaviour.DROP_BEFORE:
            self._next()
            return False
        received = await _read(reader)
        self.received.append(received)
        answer = self._next()
        if answer == Behaviour.HANG:
            await self._stop.wait()
        if answer == Behaviour.DRIP:
            await self._drip(writer)
        if isinstance(answer, str):
            return False
        writer.write(answer.wire() if isinstance(answer, Reply) else answer.wire)
        await writer.drain()
        return isinstance(answer, Reply)

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        for byte in Reply(200, b"x" * 3600).wire():
            if self._stop.is_set():
                return
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    def _next(self) -> Reply | Raw | str:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


class NobodyThere:
    """An address that refuses every connection."""

    def __enter__(self) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        return None


class NeverAccepts:
    """An address whose queue of connections is full, so that a new one waits for ever."""

    def __enter__(self) -> str:
        self._sockets = [socket.socket()]
        listener = self._sockets[0]
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
            self._sockets.append(waiting)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()
