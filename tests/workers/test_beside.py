"""A process beside ours answers, survives what is wrong with a question, and never outlives us."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import active_children

import pytest

from tests.simulators.running import eventually
from workers.beside import Beside, WorkFailed

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


def test_it_ends_when_whoever_asks_is_killed() -> None:
    ours, theirs = multiprocessing.Pipe()
    asker = _SERVER.Process(target=_ask_and_wait, args=(theirs,))
    asker.start()
    pid = ours.recv()
    assert _lives(pid)
    asker.kill()
    asker.join()
    eventually(lambda: not _lives(pid), "the process beside to end")


def _pid_and_length(question: bytes) -> bytes:
    if question == b"bad":
        raise ZeroDivisionError
    return f"{os.getpid()} {len(question)}".encode()


def _die_of_bad(_question: bytes) -> bytes:
    os._exit(1)


def _ask_and_wait(pipe: Connection) -> None:
    with Beside(_pid_and_length) as beside:
        pipe.send(int(beside.ask(b"").split()[0]))
        signal.pause()


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
