"""An SMS provider that accepts everything at once, as cheaply as Python can: `python -m bench.twilio_stub`.

Prints its address, answers each POST with a new message, and ends when its standard input does.
What it costs is taken out of the figures of the sender.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

HEAD_END = b"\r\n\r\n"


class Provider(asyncio.Protocol):
    """One kept-alive connection; requests come one after the other."""

    count = 0

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(HEAD_END)) >= 0:
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            length = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
            size = end + len(HEAD_END) + length
            if len(self._received) < size:
                return
            asked, self._received = self._received[:size], self._received[size:]
            self._answer(asked)

    def _answer(self, asked: bytes) -> None:
        if asked.startswith(b"GET "):
            body = b"%d" % Provider.count
        else:
            Provider.count += 1
            body = (
                b'{"sid": "SM%032x", "status": "queued", "num_segments": "1", "to": "+358501234567",'
                b' "direction": "outbound-api", "date_created": "Tue, 24 Nov 2026 10:00:00 +0000"}'
                % Provider.count
            )
        status = b"200 OK" if asked.startswith(b"GET ") else b"201 CREATED"
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


async def main() -> None:
    """Serve until nobody holds our standard input any more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
