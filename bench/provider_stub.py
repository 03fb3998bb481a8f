"""A provider that accepts everything, as cheaply as Python can: `python -m bench.provider_stub [DELAY_S]`.

Speaks for the SMS provider, on /v3/mail/send for the e-mail provider, and on /orders for a partner. Prints its address,
answers each POST after the delay, and ends when its standard input does. GET tells how many
messages it has taken. What it costs is taken out of the figures of the sender.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

HEAD_END = b"\r\n\r\n"
PERSON = b'"custom_args"'


class Provider(asyncio.Protocol):
    """One kept-alive connection; requests come one after the other."""

    count = 0
    delay_s = 0.0

    def __init__(self) -> None:
        self._received = bytearray()
        self._size = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= (self._size or 1):
            if not self._size:
                end = self._received.find(HEAD_END)
                if end < 0:
                    return
                head = bytes(self._received[:end]).lower()
                at = head.find(b"content-length:")
                length = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
                self._size = end + len(HEAD_END) + length
                continue
            asked = bytes(self._received[: self._size])
            del self._received[: self._size]
            self._size = 0
            self._answer(asked)

    def _answer(self, asked: bytes) -> None:
        if asked.startswith(b"GET "):
            self._write(b"200 OK", b"%d" % Provider.count)
            return
        if b"/v3/mail/send" in asked[:60]:
            Provider.count += asked.count(PERSON)
            answer = b"202 ACCEPTED", b"", b"X-Message-Id: call-%d\r\n" % Provider.count
        elif b"/orders" in asked[:60]:
            Provider.count += 1
            answer = b"201 CREATED", b'{"partnerRef": "P-%d"}' % Provider.count, b""
        else:
            Provider.count += 1
            body = (
                b'{"sid": "SM%032x", "status": "queued", "num_segments": "1", "to": "+358501234567",'
                b' "direction": "outbound-api", "date_created": "Tue, 24 Nov 2026 10:00:00 +0000"}'
                % Provider.count
            )
            answer = b"201 CREATED", body, b""
        if Provider.delay_s:
            asyncio.get_running_loop().call_later(Provider.delay_s, self._write, *answer)
        else:
            self._write(*answer)

    def _write(self, status: bytes, body: bytes, more: bytes = b"") -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, more, len(body)) + body)


async def main(delay_s: float) -> None:
    """Serve until nobody holds our standard input any more."""
    Provider.delay_s = delay_s
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
