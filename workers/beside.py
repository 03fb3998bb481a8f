"""Processes beside ours that do pure work: they are given bytes and give bytes.

They are forks, so they have what we have loaded, and they speak to nobody but us: neither the
database nor the network. Their death, or ours, at any moment therefore leaves nothing behind and
nothing undone. Make them before threads are started: a fork has only the thread that forked, and
every lock as it was then.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, Self

import structlog

log = structlog.get_logger()

_DONE, _FAILED = b"+", b"-"
# One that nobody asks any more has nothing to do; this is for a machine that stands still.
_END_WITHIN_S = 10.0
_forks = multiprocessing.get_context("fork")


class WorkFailed(Exception):
    """The work raised an error over there; it stands in the log, and the process goes on."""


class Beside:
    """Calls `work` with every question, in a process of its own; for one asking thread."""

    def __init__(self, work: Callable[[bytes], bytes]) -> None:
        self._pipe, theirs = _forks.Pipe()
        self._process = _fork(_serve, self._pipe, theirs, work)
        theirs.close()

    def ask(self, question: bytes) -> bytes:
        """Wait for the answer.

        Raises: WorkFailed, EOFError or OSError (the process is gone).
        """
        self._pipe.send_bytes(question)
        answer = self._pipe.recv_bytes()
        if answer[:1] == _FAILED:
            raise WorkFailed(answer[1:].decode())
        return answer[1:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        _end(self._process)


def _serve(ours: Connection, theirs: Connection, work: Callable[[bytes], bytes]) -> None:
    """Answer until nobody can ask any more."""
    # Else we would keep open what tells us that they are gone.
    ours.close()
    while True:
        try:
            question = theirs.recv_bytes()
        except EOFError:
            return
        try:
            answer = _DONE + work(question)
        except Exception as error:
            log.exception("work_beside_failed")
            answer = _FAILED + type(error).__name__.encode()
        try:
            theirs.send_bytes(answer)
        except OSError:
            return


class Exchange:
    """What the work of a `Stream` has over there: pieces to read, words to ask for, and an ear."""

    def __init__(self, pieces: Connection, words: Connection, told: Connection) -> None:
        self._pieces, self._words, self._told = pieces, words, told

    def pieces(self) -> Iterator[bytes]:
        """What is given, piece by piece, until its end."""
        while piece := self._pieces.recv_bytes():
            yield piece

    def word(self) -> bytes:
        """Wait for what `Stream.say` says."""
        return self._words.recv_bytes()

    def tell(self, what: bytes) -> None:
        """Hand over one result."""
        self._told.send_bytes(what)


class Stream:
    """Lets `work` make results of pieces, in a process of its own, while we do other things."""

    def __init__(self, work: Callable[[Exchange], None]) -> None:
        pipes = [_forks.Pipe(duplex=False) for _ in range(3)]
        (pieces, self._give), (words, self._say), (self._hear, told) = pipes
        ours = (self._give, self._say, self._hear)
        self._process = _fork(_stream, ours, Exchange(pieces, words, told), work)
        for theirs in (pieces, words, told):
            theirs.close()
        self._fault: Exception | None = None
        self._feeder: threading.Thread | None = None

    def results(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What the work tells of these pieces, which a thread hands over.

        Raises: whatever the pieces raise, or EOFError (the process is gone).
        """
        self._feeder = threading.Thread(target=self._feed, args=(pieces,), daemon=True)
        self._feeder.start()
        while True:
            try:
                told = self._hear.recv_bytes()
            except EOFError:
                self._feeder.join()
                if self._fault is not None:
                    raise self._fault from None
                raise
            if not told:
                return
            yield told

    def say(self, word: bytes) -> None:
        """Answer what the work waits for."""
        self._say.send_bytes(word)

    def _feed(self, pieces: Iterable[bytes]) -> None:
        try:
            for piece in filter(None, pieces):
                self._give.send_bytes(piece)
            self._give.send_bytes(b"")
        except OSError:
            # They are gone, or have read enough; whoever hears them knows.
            pass
        except Exception as error:
            self._fault = error
        finally:
            # Without the end that was not reached, this ends the work over there.
            self._give.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hear.close()
        self._say.close()
        if self._feeder is None:
            self._give.close()
        _end(self._process)
        if self._feeder is not None:
            self._feeder.join()


def _stream(
    ours: Iterable[Connection], exchange: Exchange, work: Callable[[Exchange], None]
) -> None:
    for connection in ours:
        connection.close()
    try:
        work(exchange)
        exchange.tell(b"")
    except (EOFError, OSError):
        # Nobody gives or hears any more.
        return
    except Exception:
        log.exception("work_beside_failed")


def _fork(target: Callable[..., None], *args: Any) -> ForkProcess:
    # What is alive now is shared with the fork until one of us writes to it, as a collector does. What
    # the last fork left frozen may be garbage by now.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    process = _forks.Process(target=_alone, args=(target, *args), daemon=True)
    process.start()
    return process


def _alone(target: Callable[..., None], *args: Any) -> None:
    # Whoever asks decides when it is over; a signal to the group is for them.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(*args)


def _end(process: ForkProcess) -> None:
    process.join(_END_WITHIN_S)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
