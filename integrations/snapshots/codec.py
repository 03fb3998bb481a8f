"""Lines of JSON to a head and its records, in a stream, and whether they are what the head says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from integrations.snapshots.types import Head, Record

LINE_MAX_BYTES = 64 * 1024
_head = msgspec.json.Decoder(Head)
_record = msgspec.json.Decoder(Record)


class SnapshotInvalid(ValueError):
    """The list cannot be used; code is HEAD_BAD, RECORD_BAD, COUNT_WRONG or DIGEST_WRONG.

    The text names lines and fields, never their content.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def parse_head(stream: BinaryIO) -> Head:
    """Read the first line. Raises: SnapshotInvalid."""
    line = stream.readline(LINE_MAX_BYTES + 1)
    try:
        head = _head.decode(line)
    except (ValueError, RecursionError) as error:
        raise SnapshotInvalid("HEAD_BAD", _words(error)) from None
    if (head.kind == "DELTA") != (head.since is not None):
        raise SnapshotInvalid("HEAD_BAD", "since belongs to a DELTA, and to nothing else")
    return head


def parse_records(stream: BinaryIO, head: Head) -> Iterator[Record]:
    """The records behind the head; they are good only when the iterator ends by itself.

    Raises: SnapshotInvalid (whoever took any of them takes them back).
    """
    digest = hashlib.sha256()
    count = 0
    for line in iter(lambda: stream.readline(LINE_MAX_BYTES + 1), b""):
        count += 1
        digest.update(line)
        if count > head.count:
            raise SnapshotInvalid("COUNT_WRONG", f"more than {head.count} records")
        try:
            yield _record.decode(line)
        except (ValueError, RecursionError) as error:
            raise SnapshotInvalid("RECORD_BAD", f"record {count}: {_words(error)}") from None
    if count != head.count:
        raise SnapshotInvalid("COUNT_WRONG", f"{count} records of {head.count}")
    if digest.hexdigest() != head.sha256:
        raise SnapshotInvalid("DIGEST_WRONG", f"{count} records with another digest")


def _words(error: Exception) -> str:
    """What is wrong in a line, without any of its content, which the library's texts may quote."""
    if not isinstance(error, msgspec.ValidationError):
        return "not JSON"
    told, at, place = str(error).rpartition(" - at ")
    return f"not in its code list{at}{place}" if told.startswith("Invalid enum") else str(error)
