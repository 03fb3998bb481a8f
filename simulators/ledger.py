"""The append-only record of what one simulated system accepted, outside the product's database.

One JSON line per entry in one file. An entry counts only once it is on the disk: appends that
arrive while a write is under way share the next one, so that many requests cost one fsync.
"""

from __future__ import annotations

import asyncio
import json
import os
from array import array
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

READ_CHUNK_BYTES = 1 << 20
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class LedgerError(Exception):
    """The entry could not be written: answer the caller that nothing was accepted."""


class Ledger:
    """One system's ledger. Entries are numbered from 1 without gaps and are never changed."""

    def __init__(self, system: str, path: Path, remember: Callable[[Entry], None]) -> None:
        """Open or create the file, cut a line that a crash left half written, replay the rest."""
        self.system = system
        self._remember = remember
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _sync_folder(path.parent)
        self._starts = array("Q")
        self._durable_bytes = self._replay()
        self._queued: list[tuple[str, Entry, asyncio.Future[int] | None]] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many entries are on the disk."""
        return len(self._starts)

    async def append(self, kind: str, facts: Entry) -> int:
        """Write one entry and return its number once it is on the disk.

        Raises: LedgerError (nothing was written; the request must be refused).
        """
        return await self.add(kind, facts)

    def add(self, kind: str, facts: Entry) -> asyncio.Future[int]:
        """Queue one entry in order; the future is done when it is on the disk."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue(kind, facts, done)
        return done

    def note(self, kind: str, facts: Entry) -> None:
        """Queue one entry that no answer waits for."""
        self._queue(kind, facts, None)

    async def close(self) -> None:
        """Write what is queued, then let the file go."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])
        os.close(self._fd)

    async def lines(self, after: int, limit: int | None) -> AsyncIterator[bytes]:
        """The raw lines with a number above `after`, in slices of about a mebibyte."""
        last = self.count if limit is None else min(self.count, after + limit)
        if after >= last:
            return
        position, end = self._starts[after], self._end_of(last)
        while position < end:
            wanted = min(READ_CHUNK_BYTES, end - position)
            data = await asyncio.to_thread(os.pread, self._fd, wanted, position)
            position += len(data)
            yield data

    def _end_of(self, number: int) -> int:
        return self._starts[number] if number < self.count else self._durable_bytes

    def _queue(self, kind: str, facts: Entry, done: asyncio.Future[int] | None) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._queued.append((at, {"kind": kind, **facts}, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_queued())

    async def _write_queued(self) -> None:
        """Write and fsync whatever has gathered, again and again until nothing is left."""
        while self._queued:
            batch, self._queued = self._queued, []
            entries = [
                {"n": number, "at": at, **facts}
                for number, (at, facts, _) in enumerate(batch, self.count + 1)
            ]
            lines = [_line(entry) for entry in entries]
            try:
                await asyncio.to_thread(self._write, b"".join(lines))
            except OSError as error:
                self._refuse(batch, LedgerError(f"{self.system}: {error.strerror}"))
                continue
            for entry, line, (_, _, done) in zip(entries, lines, batch, strict=True):
                self._starts.append(self._durable_bytes)
                self._durable_bytes += len(line)
                self._remember(entry)
                if done is not None and not done.done():
                    done.set_result(entry["n"])

    def _write(self, data: bytes) -> None:
        """All of data on the disk, or nothing of it."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._durable_bytes)
            raise

    def _refuse(
        self, batch: list[tuple[str, Entry, asyncio.Future[int] | None]], error: LedgerError
    ) -> None:
        for _, _, done in batch:
            if done is not None and not done.done():
                done.set_exception(error)

    def _replay(self) -> int:
        """Hand every whole line to `remember`; the tail of a broken line was never answered."""
        position = 0
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._fd, position)
                    break
                self._starts.append(position)
                position += len(line)
                self._remember(json.loads(line))
        return position


def _line(entry: Entry) -> bytes:
    """A lone surrogate is not UTF-8; its backslash escape is the same character in JSON."""
    return _encode(entry).encode("utf-8", "backslashreplace") + b"\n"


def _sync_folder(folder: Path) -> None:
    """A new file's name survives a power cut only when its folder has been synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
