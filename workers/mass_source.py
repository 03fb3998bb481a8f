"""A mass order file as batches of items: read here, or for a large file in a process beside ours."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import msgspec

from app.services.mass_deciding import Batch, Numbered
from integrations.cis.mass_order_codec import MassReader
from integrations.cis.types import (
    CisFinding,
    FileRejected,
    IncompleteFile,
    MassHead,
    MessageHeader,
    ParsedItem,
    SameItem,
)
from workers.beside import Exchange, Stream

# Items per batch, and so per transaction.
BATCH_ROWS = 500

Part = MessageHeader | MassHead | Batch


class MassSource(Protocol):
    """Gives the header, the head and then batches; told what is known once it has given the head.

    Raises: FileRejected, IncompleteFile (what it gave before stays good).
    """

    def __iter__(self) -> Iterator[Part]: ...

    def know(self, hashes: Sequence[int]) -> None:
        """The source hashes of the items in force, in rising order."""


class ReadHere:
    """Reads in our own process."""

    def __init__(self, chunks: Iterable[bytes], rows: int) -> None:
        self._reader = MassReader(chunks)
        self._rows = rows

    def know(self, hashes: Sequence[int]) -> None:
        self._reader.known = hashes

    def __iter__(self) -> Iterator[Part]:
        items: list[Numbered] = []
        same: list[int] = []
        seq = 0
        try:
            for part in self._reader:
                if isinstance(part, ParsedItem):
                    seq += 1
                    items.append((seq, part))
                elif isinstance(part, SameItem):
                    seq += 1
                    same.append(part.place)
                else:
                    yield part
                if len(items) + len(same) == self._rows:
                    yield Batch.of(items, same)
                    items, same = [], []
        except FileRejected:
            # What was read before the break is as good as it was.
            if items or same:
                yield Batch.of(items, same)
            raise
        if items or same:
            yield Batch.of(items, same)


class ReadBeside:
    """Has a process beside ours read, which keeps a processor busy."""

    def __init__(self, stream: Stream, chunks: Iterable[bytes]) -> None:
        self._stream = stream
        self._chunks = chunks

    def know(self, hashes: Sequence[int]) -> None:
        self._stream.say(array("q", hashes).tobytes())

    def __iter__(self) -> Iterator[Part]:
        for told in self._stream.results(self._chunks):
            kind, body = told[:1], memoryview(told)[1:]
            if kind in _FAULTS:
                raise _FAULTS[kind](*_findings.decode(body))
            yield _DECODERS[kind].decode(body)


@contextmanager
def open_source(chunks: Iterable[bytes], *, beside: bool, rows: int) -> Iterator[MassSource]:
    """A source of these chunks; beside: read by another process, which ends with it."""
    if not beside:
        yield ReadHere(chunks, rows)
        return
    with Stream(partial(_read, rows=rows)) as stream:
        yield ReadBeside(stream, chunks)


_KINDS: dict[type[Part], bytes] = {MessageHeader: b"M", MassHead: b"H", Batch: b"B"}
_DECODERS: dict[bytes, msgspec.msgpack.Decoder[Part]] = {
    kind: msgspec.msgpack.Decoder(part) for part, kind in _KINDS.items()
}
_FAULTS: dict[bytes, type[FileRejected]] = {b"R": FileRejected, b"I": IncompleteFile}
_findings = msgspec.msgpack.Decoder(tuple[CisFinding, ...])


def _read(exchange: Exchange, rows: int) -> None:
    source = ReadHere(exchange.pieces(), rows)
    try:
        for part in source:
            exchange.tell(_KINDS[type(part)] + msgspec.msgpack.encode(part))
            if isinstance(part, MassHead):
                known = array("q")
                known.frombytes(exchange.word())
                source.know(known)
    except FileRejected as error:
        kind = b"I" if isinstance(error, IncompleteFile) else b"R"
        exchange.tell(kind + msgspec.msgpack.encode(error.findings))
