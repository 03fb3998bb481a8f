"""A process beside ours answers, survives what is wrong with a question, and never outlives us."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import active_children

import pytest

from tests.simulators.running import eventually
from workers.beside import Beside, Exchange, Stream, WorkFailed

# As a worker is: a process without threads of its own, and not one that may have no children.
_SERVER = multiprocessing.get_context("forkserver")


def test_it_answers_one_question_after_the_other_from_another_process() -> None:
    with Beside(_pid_and_length) as beside:
        pids = {beside.ask(b"x" * length).split()[0] for length in (0, 1, 200_000)}
        assert beside.ask(b"four").split()[1] == b"4"
    assert len(pids) == 1
    assert pids != {str(os.getpid()).encode()}
    assert active_children() == []


def test_an_error_over_there_is_told_and_the_next_question_is_answered() -> None:
    with Beside(_pid_and_length) as beside:
        with pytest.raises(WorkFailed, match="ZeroDivisionError"):
            beside.ask(b"bad")
        assert beside.ask(b"good").split()[1] == b"4"


def test_its_death_is_an_error_to_whoever_asks() -> None:
    with Beside(_die_of_bad) as beside, pytest.raises((EOFError, OSError)):
        beside.ask(b"bad")


def test_a_signal_to_the_whole_group_leaves_the_end_to_whoever_asks() -> None:
    with Beside(_pid_and_length) as beside:
        pid = int(beside.ask(b"").split()[0])
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
        assert int(beside.ask(b"").split()[0]) == pid


def test_a_stream_makes_results_of_pieces_in_their_order() -> None:
    with Stream(_lengths) as stream:
        assert list(stream.results([b"a", b"", b"bcd"])) == [b"1", b"3"]
    assert active_children() == []


def test_what_is_wrong_with_the_pieces_is_told_to_whoever_hears_the_results() -> None:
    def _break_off() -> Iterator[bytes]:
        yield b"a"
        raise ArithmeticError

    heard = []
    with Stream(_lengths) as stream, pytest.raises(ArithmeticError):
        heard += stream.results(_break_off())
    assert active_children() == []


def test_the_death_of_a_stream_is_an_error_although_more_is_being_handed_over() -> None:
    pieces = itertools.repeat(b"x" * 200_000)
    with Stream(_die_of_any) as stream, pytest.raises(EOFError):
        list(stream.results(pieces))


def test_whoever_has_heard_enough_waits_for_nothing_more() -> None:
    with Stream(_lengths) as stream:
        assert next(stream.results(itertools.repeat(b"x" * 200_000))) == b"200000"
    assert active_children() == []


def test_both_end_when_whoever_asks_is_killed() -> None:
    ours, theirs = multiprocessing.Pipe()
    asker = _SERVER.Process(target=_ask_and_wait, args=(theirs,))
    asker.start()
    pids = ours.recv()
    assert all(map(_lives, pids))
    asker.kill()
    asker.join()
    eventually(lambda: not any(map(_lives, pids)), "the processes beside to end")


def _pid_and_length(question: bytes) -> bytes:
    if question == b"bad":
        raise ZeroDivisionError
    return f"{os.getpid()} {len(question)}".encode()


def _die_of_bad(_question: bytes) -> bytes:
    os._exit(1)


def _lengths(exchange: Exchange) -> None:
    for piece in exchange.pieces():
        exchange.tell(str(len(piece)).encode())


def _die_of_any(exchange: Exchange) -> None:
    for _ in exchange.pieces():
        os._exit(1)


def _pid_first(exchange: Exchange) -> None:
    exchange.tell(str(os.getpid()).encode())
    exchange.word()


def _ask_and_wait(pipe: Connection) -> None:
    with Beside(_pid_and_length) as beside, Stream(_pid_first) as stream:
        pid = next(stream.results([b"x"]))
        pipe.send([int(beside.ask(b"").split()[0]), int(pid)])
        signal.pause()


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
