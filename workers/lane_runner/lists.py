"""Lists for reconciliation of systems near the runner: fetched, handed on packed, put away.

Nothing is kept here: a list that was laid down stays where it lies until the centre has it, one by HTTP
is asked for again, and the centre knows one that it has by its bytes.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from integrations.outcomes import CallError, HttpTarget, Rejected
from integrations.runner_api.types import FILE_MOST_BYTES, FileTaken, ListAsked, ListFolder
from integrations.sftp.inbox import FileChanged, FileGone, SftpInbox, SftpPlace
from integrations.sftp.left_alone import SHOWN
from integrations.snapshots.client import fetch

# A partner's list of its stock has an address of its own.
_STOCK = "stock."
_BLOCK_BYTES = 256 * 1024

# Tells the centre of one list: its name, its size, and its packed bytes unless they are too many.
HandList = Callable[[str, int, bytes | None], Awaitable[FileTaken]]


class ListLook:
    """Looks into the folder of one system again and again; its connection lives as long."""

    def __init__(self, folder: ListFolder, place: SftpPlace) -> None:
        self.folder = folder
        self._inbox = SftpInbox(
            replace(
                place,
                inbox=folder.inbox,
                processing=folder.inbox,
                max_bytes=folder.most_bytes,
            )
        )

    async def look(self, hand: HandList) -> str | None:
        """Hand over what lies there; what kept some of it from us, in words.

        Raises whatever hand raises: the list stays where it is.
        """
        troubles: list[str] = []
        try:
            for file in await asyncio.to_thread(self._inbox.list_inbox):
                try:
                    body = await asyncio.to_thread(self._packed, file.name)
                except (FileChanged, FileGone):
                    # Somebody is at it; the next look finds it as it is then.
                    continue
                taken = await hand(file.name, file.size, body)
                good = taken.result != "REFUSED"
                away = self._inbox.archive if good else self._inbox.quarantine
                await asyncio.to_thread(away, file.name)
        except CallError as error:
            troubles.append(f"{type(error).__name__}: {error.why}")
        return "; ".join(troubles[:SHOWN]) or None

    def close(self) -> None:
        """Drop the connection."""
        self._inbox.close()

    def _packed(self, name: str) -> bytes | None:
        """The list packed as it streams by; None when it is too large, packed or not."""
        try:
            return _pack(self._inbox.fetch(name))
        except Rejected:
            return None


async def ask(asked: ListAsked, target: HttpTarget) -> tuple[int, bytes | None]:
    """Ask a system for its list: how many bytes it has, and the list packed, None when it is too large.

    Raises: CallError.
    """
    if asked.system.startswith(_STOCK):
        target = replace(target, base_url=target.base_url + "/stock")
    with tempfile.TemporaryFile() as file:
        await fetch(target, asked.since, file, asked.most_bytes)
        size = file.tell()
        file.seek(0)
        return size, await asyncio.to_thread(_pack, iter(partial(file.read, _BLOCK_BYTES), b""))


def _pack(chunks: Iterable[bytes]) -> bytes | None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            file.write(packer.compress(chunk))
            if file.tell() > FILE_MOST_BYTES:
                return None
        file.write(packer.flush())
        if file.tell() > FILE_MOST_BYTES:
            return None
        file.seek(0)
        return file.read()
