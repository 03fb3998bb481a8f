"""An IMAP server in a thread of the test: the server of the package pymap, with its memory."""

from __future__ import annotations

import asyncio
import imaplib
import threading
from argparse import Namespace
from contextlib import AsyncExitStack
from types import TracebackType

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer

USER, PASSWORD = "tiedolla", "salasana/ä"


class ImapServer:
    """Runs from `with` to its end; address is what the settings of a mailbox want."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop: asyncio.Event | None = None

    @property
    def address(self) -> str:
        """The mailbox as TIEDOLLA_MAILBOXES names it."""
        return f"imap://{USER}:salasana%2F%C3%A4@127.0.0.1:{self.port}/INBOX"

    def __enter__(self) -> ImapServer:
        self._thread.start()
        assert self._ready.wait(10), "the IMAP server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def deliver(self, raw: bytes) -> None:
        """Put a message into the inbox."""
        with self._open() as imap:
            status, answer = imap.append("INBOX", "", "", raw)
            assert status == "OK", answer

    def names(self, folder: str) -> list[bytes]:
        """The Message-IDs of a folder's messages; empty also where there is no such folder."""
        with self._open() as imap:
            if imap.select(folder, readonly=True)[0] != "OK":
                return []
            numbers = imap.search(None, "ALL")[1][0].split()
            found = []
            for number in numbers:
                data = imap.fetch(number.decode(), "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
                found += [part[1].strip() for part in data if isinstance(part, tuple)]
            return found

    def seen(self, folder: str) -> list[bytes]:
        """The numbers of the messages that somebody has marked as read."""
        with self._open() as imap:
            imap.select(folder, readonly=True)
            return list(imap.search(None, "SEEN")[1][0].split())

    def _open(self) -> imaplib.IMAP4:
        imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        imap.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
        return imap

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        args = Namespace(
            host=None,
            port=0,
            debug=False,
            cert=None,
            key=None,
            tls=False,
            proxy_protocol=None,
            passlib_cfg=None,
            inherited_sockets=None,
            demo_data=False,
            demo_user=USER,
            demo_password=PASSWORD,
        )
        backend, config = await DictBackend.init(args, secure_auth=False)
        config.apply_context()
        reader = ProxyProtocolReader(config.proxy_protocol)
        call = reader.get_callback(IMAPServer(backend.login, config))
        async with AsyncExitStack() as stack:
            await backend.start(stack)
            server = await asyncio.start_server(call, host="127.0.0.1", port=0)
            self.port = server.sockets[0].getsockname()[1]
            async with server:
                self._ready.set()
                await self._stop.wait()
        mine = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not mine]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
