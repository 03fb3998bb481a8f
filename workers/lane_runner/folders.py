"""Files that partners near the runner lay down: fetched, handed to the centre, put away.

Nothing is kept here. A claimed file lies in processing until the centre has it, where the next look
finds it, also that of another process; and the centre knows a file that it has by its bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog

from integrations.outcomes import CallError
from integrations.runner_api.types import FileTaken, Folder
from integrations.sftp.inbox import (
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
    SftpPlace,
)
from integrations.sftp.left_alone import SHOWN, in_words, never_taken

log = structlog.get_logger()

# Tells the centre of one file: its name, its size, and its bytes unless it was too large.
Hand = Callable[[str, int, bytes | None], Awaitable[FileTaken]]


class FolderLook:
    """Looks into one folder again and again; its connection lives as long."""

    def __init__(
        self, folder: Folder, place: SftpPlace, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self._monotonic = monotonic
        # Since when each file of the inbox has looked the same.
        self._seen: dict[RemoteFile, float] = {}
        # What lay there at the last look and is never taken, in words.
        self.left_alone: str | None = None
        self._inbox = SftpInbox(
            replace(
                place,
                inbox=folder.inbox,
                processing=folder.processing,
                archive=folder.archive,
                quarantine=folder.quarantine,
                max_bytes=folder.most_bytes,
            )
        )

    async def look(self, hand: Hand, now: datetime) -> str | None:
        """Hand over what has come to rest; what kept some of it from us, in words.

        Raises whatever hand raises: the file stays in processing.
        """
        troubles: list[str] = []
        try:
            # What was claimed when somebody died comes first.
            for file in await asyncio.to_thread(self._inbox.list_processing):
                await self._one(file, hand, troubles)
            files = await asyncio.to_thread(self._inbox.list_inbox)
            self.left_alone = in_words(never_taken(self._inbox.left_alone, now))
            for file in self._rested(files):
                try:
                    name = await asyncio.to_thread(self._inbox.claim, file.name)
                except ClaimLost:
                    continue
                await self._one(RemoteFile(name, file.size, file.mtime), hand, troubles)
        except CallError as error:
            troubles.insert(0, f"{type(error).__name__}: {error.why}")
        return "; ".join(troubles[:SHOWN]) or None

    def close(self) -> None:
        """Drop the connection."""
        self._inbox.close()

    def _rested(self, files: list[RemoteFile]) -> list[RemoteFile]:
        now = self._monotonic()
        before, self._seen = self._seen, {file: self._seen.get(file, now) for file in files}
        return [
            file
            for file in files
            if file in before and now - self._seen[file] >= self.folder.quiet_s
        ]

    async def _one(self, file: RemoteFile, hand: Hand, troubles: list[str]) -> None:
        """One file; what the server does not let us have must not stand before all others."""
        try:
            try:
                body: bytes | None = await asyncio.to_thread(self._fetch, file.name)
            except FileTooLarge:
                body = None
            taken = await hand(file.name, file.size, body)
            away = self._inbox.archive if taken.result != "REFUSED" else self._inbox.quarantine
            await asyncio.to_thread(away, file.name)
        except (FileChanged, FileGone) as error:
            # It stays in processing, where the next look finds it.
            log.warning("partner_file_changed", lane=self.folder.lane, why=error.why)
        except CallError as error:
            if not self._inbox.connected:
                raise
            troubles.append(f"{file.name}: {type(error).__name__}: {error.why}")

    def _fetch(self, name: str) -> bytes:
        return b"".join(self._inbox.fetch(name))
