"""Files that leave with a seal of ours, so that whoever gets them back can tell they are unchanged.

The seal is an HMAC-SHA-256 with a key derived from the installation's secret. A CSV carries it in
its last line, an XLSX in the comment of its ZIP archive, which spreadsheets pass over.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import BinaryIO

_PURPOSE = b"tiedolla signed file 1"
_MARK = b"tiedolla-hmac-sha256:"
_LINE = b"#signature,hmac-sha256,"
_HEX = 64
# How the directory at the end of a ZIP archive begins, and how long it is without a comment.
_END_OF_ZIP = b"PK\x05\x06"
_END_BYTES = 22
# What a spreadsheet may take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BLOCK = 1 << 20


def key_of(secret_key: str) -> bytes:
    """The key of the seals of this installation."""
    return hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256)


def safe_cell(value: object) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_line(cells: Iterable[object]) -> bytes:
    """One line of a CSV, every cell quoted and none of them a formula."""
    quoted = (safe_cell(cell).replace('"', '""') for cell in cells)
    return (",".join(f'"{cell}"' for cell in quoted) + "\r\n").encode()


class SealedCsv:
    """Makes the lines of a CSV and, at the end, the line with the seal over all of them."""

    def __init__(self, key: bytes) -> None:
        self._seal = hmac.new(key, digestmod=hashlib.sha256)

    def line(self, cells: Iterable[object]) -> bytes:
        """One more line."""
        data = csv_line(cells)
        self._seal.update(data)
        return data

    def last(self) -> bytes:
        """The line that seals what was before it."""
        return _LINE + self._seal.hexdigest().encode() + b"\r\n"


def seal_xlsx(file: BinaryIO, key: bytes) -> None:
    """Write the seal over a finished XLSX into its archive's comment; file is open to read and write."""
    file.seek(0)
    seal = hmac.new(key, digestmod=hashlib.sha256)
    while block := file.read(_BLOCK):
        seal.update(block)
    comment = _MARK + seal.hexdigest().encode()
    # The last two bytes of an archive without a comment are the length of one.
    file.seek(-2, 2)
    file.write(len(comment).to_bytes(2, "little") + comment)


def is_sealed(file: BinaryIO, key: bytes) -> bool | None:
    """Whether a file has kept its seal; None when it never had one."""
    file.seek(0, 2)
    size = file.tell()
    tail_bytes = len(_MARK) + _HEX
    if size >= _END_BYTES + tail_bytes:
        file.seek(size - tail_bytes - _END_BYTES)
        tail = file.read()
        if tail.startswith(_END_OF_ZIP) and tail[_END_BYTES:].startswith(_MARK):
            seal = _digest(file, size - tail_bytes - 2, key)
            seal.update(b"\0\0")
            return hmac.compare_digest(seal.hexdigest().encode(), tail[-_HEX:])
    line_bytes = len(_LINE) + _HEX + 2
    if size >= line_bytes:
        file.seek(size - line_bytes)
        line = file.read()
        if line.startswith(_LINE):
            seal = _digest(file, size - line_bytes, key)
            return hmac.compare_digest(seal.hexdigest().encode(), line[len(_LINE) : -2])
    return None


def _digest(file: BinaryIO, length: int, key: bytes) -> hmac.HMAC:
    seal = hmac.new(key, digestmod=hashlib.sha256)
    file.seek(0)
    while length:
        block = file.read(min(length, _BLOCK))
        seal.update(block)
        length -= len(block)
    return seal
