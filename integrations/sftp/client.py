"""An SFTP client that takes names as bytes and reads ahead in bounded windows.

paramiko's own listing fails on the first name that is not UTF-8, and its read-ahead holds a whole
file when the reader is slow, so both are done here with its request primitives.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_DATA, CMD_OPENDIR, CMD_READ, CMD_READDIR, SFTP_EOF, int64

# 32 kB is what every server answers in one piece; a window of them hides the round trips.
_READ_BYTES = 32 * 1024
WINDOW_BYTES = 32 * _READ_BYTES


class Status(NamedTuple):
    """What the server tells of a file, itself and not what it may point to."""

    regular: bool
    size: int
    mtime: int
    link: bool = False
    folder: bool = False


class SftpClient(paramiko.SFTPClient):
    """Adds what the inbox needs to paramiko's client; every path is bytes."""

    _request: Callable[..., tuple[int, paramiko.Message]]
    _async_request: Callable[..., int]
    _read_response: Callable[[], object]

    def list_folder(self, path: bytes) -> list[tuple[bytes, Status]]:
        """Names and status of everything in a folder, in no order."""
        _, answer = self._request(CMD_OPENDIR, path)
        handle = answer.get_binary()
        entries = []
        while True:
            try:
                _, answer = self._request(CMD_READDIR, handle)
            except EOFError:
                break
            for _ in range(answer.get_int()):
                name = answer.get_binary()
                answer.get_binary()
                entries.append((name, _status(_attributes(answer))))
        self._request(CMD_CLOSE, handle)
        return entries

    def status(self, path: bytes) -> Status | None:
        """The status of a name, without following links; None when there is none."""
        try:
            return _status(self.lstat(path))
        except FileNotFoundError:
            return None

    def read_window(self, file: paramiko.SFTPFile, offset: int, size: int) -> bytes:
        """Read up to a window from an open file; empty at its end.

        It may be shorter than asked for: a server answers as much as it likes.
        """
        window = _Window()
        ends = range(offset, offset + min(size, WINDOW_BYTES), _READ_BYTES)
        wanted = [min(_READ_BYTES, offset + size - start) for start in ends]
        numbers = [
            self._async_request(window, CMD_READ, file.handle, int64(start), length)
            for start, length in zip(ends, wanted, strict=True)
        ]
        while len(window.parts) < len(numbers):
            self._read_response()
        if window.refused:
            raise OSError("the server refused to read")
        whole = []
        for number, length in zip(numbers, wanted, strict=True):
            whole.append(window.parts[number])
            if len(whole[-1]) < length:
                # What follows a short answer does not join it.
                break
        return b"".join(whole)


class _Window:
    """Collects the answers to one window's requests, which may come in any order."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.refused = False

    def _async_response(self, kind: int, answer: paramiko.Message, number: int) -> None:
        """Called by paramiko for each answer."""
        if kind == CMD_DATA:
            self.parts[number] = answer.get_string()
            return
        self.parts[number] = b""
        self.refused = self.refused or answer.get_int() != SFTP_EOF


def _attributes(answer: paramiko.Message) -> paramiko.SFTPAttributes:
    read = cast("Any", paramiko.SFTPAttributes)._from_msg
    return cast("paramiko.SFTPAttributes", read(answer, "", ""))


def _status(attributes: paramiko.SFTPAttributes) -> Status:
    mode = attributes.st_mode or 0
    return Status(
        stat.S_ISREG(mode),
        attributes.st_size or 0,
        int(attributes.st_mtime or 0),
        stat.S_ISLNK(mode),
        stat.S_ISDIR(mode),
    )
