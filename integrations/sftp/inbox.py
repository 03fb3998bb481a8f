"""Folders that we share with somebody on an SFTP server: what has come, whose it is, where it goes.

It moves files and hands out their bytes; what is in them is for others to say. Every step may be
repeated: after a death at any point the file is in exactly one folder, and the same step goes on
from there.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Final

from integrations.outcomes import (
    AlreadyDone,
    ContractBroken,
    Finding,
    LaneDown,
    Rejected,
    Retryable,
)
from integrations.sftp.client import WINDOW_BYTES, SftpClient, Status
from integrations.sftp.file_names import (
    is_candidate,
    is_upload,
    numbered_name,
    safe_name,
    shown_name,
)
from integrations.sftp.session import SftpPlace, SftpSession

__all__ = [
    "ClaimLost",
    "FileChanged",
    "FileGone",
    "FileTooLarge",
    "LeftAlone",
    "Reason",
    "RemoteFile",
    "SftpInbox",
    "SftpPlace",
]

FILE_TOO_LARGE: Final = "FILE_TOO_LARGE"
_CLASHES_MOST = 1000


class ClaimLost(Retryable):
    """Somebody else has it, or a file of this name is still being processed: look again later."""


class FileChanged(Retryable):
    """The file moved under our eyes, so what was read is not to be trusted: fetch it again later."""


class FileGone(Retryable):
    """There is no such file to fetch: look where it is now."""


class FileTooLarge(Rejected):
    """The file is larger than allowed and was not read: quarantine it."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the server lists it; mtime in whole seconds since 1970."""

    name: str
    size: int
    mtime: int


class Reason(StrEnum):
    """Why something in the inbox is no file for us."""

    LINK = "LINK"
    FOLDER = "FOLDER"
    NO_FILE = "NO_FILE"
    HIDDEN = "HIDDEN"
    UPLOADING = "UPLOADING"


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Something in the inbox that is never taken; mtime in whole seconds since 1970."""

    name: str
    reason: Reason
    mtime: int


class SftpInbox:
    """One user of the folders; threads take turns on its one connection.

    Raises of every method: Retryable (try again later), LaneDown (the host key, our key or the
    folders are not as agreed: tell an operator).
    """

    def __init__(self, config: SftpPlace) -> None:
        self._config = config
        self._session = SftpSession(config)
        # Names that are not plain text, as they were last listed.
        self._raw_names: dict[str, bytes] = {}
        # What lay in the inbox beside the files when it was last listed, by name.
        self.left_alone: list[LeftAlone] = []

    def list_inbox(self) -> list[RemoteFile]:
        """The files that have come, oldest first; links, folders and unfinished uploads are not files."""
        files, self.left_alone = self._list(self._config.inbox)
        return files

    def list_processing(self) -> list[RemoteFile]:
        """The files that were claimed and not put away, oldest first."""
        files, _ = self._list(self._config.processing)
        return files

    def claim(self, name: str) -> str:
        """Take a file out of the inbox; the result is its name in processing.

        Raises: ClaimLost.
        """
        raw = self._raw(name)
        if not is_candidate(raw):
            raise ClaimLost(f"{name} is not the name of a file for us")
        source = self._path(self._config.inbox, raw)
        claimed = safe_name(name)
        target = self._path(self._config.processing, claimed.encode())
        with self._refusals("claim"), self._session.calling() as client:
            status = client.status(source)
            if status is None or not status.regular:
                raise ClaimLost(f"{name} is not in the inbox any more, or not a file")
            # Not every server refuses to rename onto an existing name.
            if client.status(target) is not None:
                raise ClaimLost(f"{claimed} is still being processed")
            try:
                client.rename(source, target)
            except FileNotFoundError:
                if client.status(source) is not None:
                    raise
                raise ClaimLost(f"{name} was claimed by somebody else") from None
            except OSError:
                if client.status(target) is None:
                    raise
                raise ClaimLost(f"{claimed} is still being processed") from None
        return claimed

    def fetch(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a claimed file; they are good only when the iterator ends by itself.

        Raises: FileTooLarge (nothing was read), FileGone, FileChanged (what came is worthless).
        """
        path = self._path(self._config.processing, self._plain(name))
        with self._refusals("fetch"), self._session.calling() as client:
            before = self._check_fetchable(name, client.status(path))
            file = client.open(path, "rb")
        try:
            offset = 0
            while offset < before.size:
                with self._refusals("fetch"), self._same_connection(client):
                    data = client.read_window(file, offset, before.size - offset)
                if not data:
                    raise FileChanged(f"{name} became shorter while it was read")
                offset += len(data)
                yield data
            with self._refusals("fetch"), self._same_connection(client):
                after = client.status(path)
                read = file.stat()
            if before != after or (before.size, before.mtime) != (read.st_size, read.st_mtime):
                raise FileChanged(f"{name} changed while it was read")
        finally:
            with contextlib.suppress(Exception), self._same_connection(client):
                file.close()

    def archive(self, name: str) -> str | None:
        """Put a claimed file away for good; gives its name there.

        A name that is taken gets the file's time added and both stay. None when the file is no
        longer in processing nor under its own name in the archive: it was put away before.
        """
        return self._put_away(self._config.processing, name, self._config.archive)

    def quarantine(self, name: str) -> str | None:
        """Put a claimed file where somebody looks at it; otherwise like `archive`."""
        return self._put_away(self._config.processing, name, self._config.quarantine)

    def quarantine_archived(self, name: str) -> str | None:
        """Move an archived file on to the quarantine, once it is known that it cannot be read.

        name is the one that `archive` gave.
        """
        return self._put_away(self._config.archive, name, self._config.quarantine)

    def give_back_grown(self, name: str, size: int) -> int | None:
        """Put a file that was put away with `size` bytes back into the inbox if it has more by now.

        Its sender paused for so long that it seemed finished. Gives the present size, or None when
        nothing was moved; the file then comes again like any other.
        """
        path = self._plain(name)
        for folder in (self._config.archive, self._config.quarantine):
            with self._refusals("look again"), self._session.calling() as client:
                status = client.status(self._path(folder, path))
            if status is None or not status.regular or status.size <= size:
                continue
            if self._put_away(folder, name, self._config.inbox) is not None:
                return status.size
        return None

    def put_return(self, name: str, data: bytes) -> str:
        """Leave a file for them, whole or not at all; gives its name there.

        Raises: AlreadyDone (it is there with this very content), ContractBroken (it is there with
        another).
        """
        placed = safe_name(name)
        final = self._path(self._config.returns, placed.encode())
        part = self._path(self._config.returns, f"{placed}.{secrets.token_hex(4)}.tmp".encode())
        with self._refusals("put_return"), self._session.calling() as client:
            self._check_not_there(client, placed, final, data)
            try:
                _write(client, part, data)
                _replace(client, part, final)
            except OSError:
                with contextlib.suppress(OSError):
                    client.remove(part)
                raise
        return placed

    @property
    def connected(self) -> bool:
        """Whether the server is there; an error that left it so was about one file only."""
        return self._session.alive

    def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        self._session.close()

    def _list(self, folder: str) -> tuple[list[RemoteFile], list[LeftAlone]]:
        with self._refusals("list"), self._session.calling() as client:
            entries = client.list_folder(self._path(folder))
        files, others = [], []
        for raw, status in entries:
            name = shown_name(raw)
            if status.regular and is_candidate(raw):
                if name.encode() != raw:
                    self._raw_names[name] = raw
                files.append(RemoteFile(name, status.size, status.mtime))
            elif raw not in (b".", b".."):
                others.append(LeftAlone(name, _reason(raw, status), status.mtime))
        files.sort(key=lambda file: (file.mtime, file.name))
        return files, sorted(others, key=lambda other: other.name)

    def _check_fetchable(self, name: str, status: Status | None) -> Status:
        if status is None:
            raise FileGone(f"{name} is not in processing")
        if not status.regular:
            raise FileGone(f"{name} in processing is not a file")
        most = self._config.max_bytes
        if status.size > most:
            text = f"The file has {status.size} bytes; at most {most} are taken."
            raise FileTooLarge(f"{name} is too large", (Finding("", FILE_TOO_LARGE, text),))
        return status

    def _put_away(self, source_folder: str, name: str, folder: str) -> str | None:
        source = self._path(source_folder, self._plain(name))
        placed = safe_name(name)
        with self._refusals("put away"), self._session.calling() as client:
            status = client.status(source)
            if status is None:
                there = client.status(self._path(folder, placed.encode()))
                return placed if there is not None else None
            for candidate in _free_names(placed, status):
                target = self._path(folder, candidate.encode())
                if client.status(target) is not None:
                    continue
                try:
                    client.rename(source, target)
                except FileNotFoundError:
                    if client.status(source) is not None:
                        raise
                    return None
                except OSError:
                    # Somebody took the name in between, or the server has a reason of its own.
                    if client.status(target) is None:
                        raise
                    continue
                return candidate
        raise Retryable(f"{name} finds no free name in {folder}")

    def _check_not_there(self, client: SftpClient, name: str, path: bytes, data: bytes) -> None:
        status = client.status(path)
        if status is None:
            return
        if status.regular and status.size == len(data) and _read(client, path, len(data)) == data:
            raise AlreadyDone(f"{name} is there already", ref=name)
        raise ContractBroken(f"{name} is there already with another content")

    def _raw(self, name: str) -> bytes:
        return self._raw_names.get(name, name.encode("utf-8", "surrogateescape"))

    def _plain(self, name: str) -> bytes:
        """The bytes of a name in processing; one that is a path is none of ours.

        Raises: FileGone.
        """
        raw = self._raw(name)
        if raw in (b"", b".", b"..") or b"/" in raw or b"\0" in raw:
            raise FileGone(f"{name} is not the name of a file")
        return raw

    @contextlib.contextmanager
    def _same_connection(self, client: SftpClient) -> Iterator[None]:
        """An open file lives only as long as the connection that it was opened on."""
        with self._session.calling() as current:
            if current is not client:
                raise Retryable("sftp: connection lost while reading")
            yield

    @contextlib.contextmanager
    def _refusals(self, step: str) -> Iterator[None]:
        """What no step could explain: a missing folder is for an operator, the rest may pass."""
        try:
            yield
        except FileNotFoundError:
            raise LaneDown(f"sftp: {step}: a folder is missing on the server") from None
        except OSError:
            raise Retryable(f"sftp: {step}: refused by the server") from None

    def _path(self, folder: str, name: bytes = b"") -> bytes:
        return folder.rstrip("/").encode() + (b"/" + name if name else b"")


def _reason(raw: bytes, status: Status) -> Reason:
    if status.link:
        return Reason.LINK
    if status.folder:
        return Reason.FOLDER
    if not status.regular:
        return Reason.NO_FILE
    return Reason.UPLOADING if is_upload(raw) else Reason.HIDDEN


def _free_names(name: str, status: Status) -> Iterator[str]:
    """The name, then the name with the file's own time, then with a number as well."""
    yield name
    stamp = datetime.fromtimestamp(status.mtime, UTC).strftime("%Y%m%dT%H%M%SZ")
    yield numbered_name(name, stamp)
    for number in count(2):
        if number > _CLASHES_MOST:
            return
        yield numbered_name(name, f"{stamp}-{number}")


def _read(client: SftpClient, path: bytes, size: int) -> bytes:
    whole = b""
    with client.open(path, "rb") as file:
        while len(whole) < size:
            data = client.read_window(file, len(whole), min(WINDOW_BYTES, size - len(whole)))
            if not data:
                break
            whole += data
    return whole


def _write(client: SftpClient, path: bytes, data: bytes) -> None:
    with client.open(path, "wb") as file:
        file.set_pipelined(True)
        file.write(data)
    status = client.status(path)
    if status is None or status.size != len(data):
        raise OSError("the server kept less than it was given")


def _replace(client: SftpClient, part: bytes, final: bytes) -> None:
    """Give the finished file its name; never half of it is to be seen under that."""
    try:
        client.posix_rename(part, final)
    except FileNotFoundError:
        raise
    except OSError:
        # Not every server has the POSIX rename; nobody else writes under this name.
        client.rename(part, final)
