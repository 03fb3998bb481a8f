"""Warm children: forks of a process that has imported what they need, and as mortal as others."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy import processes
from deploy.supervisor import MARK, Child, Supervisor

SLEEPER = """
import os, time
if os.environ.get("WITH_CHILD"):
    os.fork()
print("up", flush=True)
time.sleep(600)
"""
COUNTER = """
import sys
print("imported", flush=True)
"""


def test_a_short_command_gets_its_input_and_answers_output_and_code(
    planted: Supervisor,
) -> None:
    answer = planted.ask(("json.tool", "--compact"), given='{"a": 1}')
    assert (answer.code, answer.output) == (0, '{"a":1}\n')
    refused = planted.ask(("json.tool",), given="no json")
    assert refused.code == 1
    assert "Expecting value" in refused.errors


def test_what_the_stem_imported_is_not_imported_again(
    planted: Supervisor, stream: io.StringIO
) -> None:
    for _ in range(2):
        assert planted.ask(("user_of_counter",)).code == 0
    assert stream.getvalue().count("imported") == 1


def test_a_killed_fork_comes_back_and_what_it_had_started_is_ended(
    planted: Supervisor, stream: io.StringIO
) -> None:
    planted.start(warm("sleeper"))
    turn_until(planted, lambda: "sleeper" in planted.pids())
    first = psutil.Process(planted.pids()["sleeper"])
    assert first.ppid() == planted.pids()["stem"]
    turn_until(planted, lambda: len(first.children()) == 1)
    grandchild = first.children()[0]
    first.kill()
    turn_until(planted, lambda: planted.pids().get("sleeper", first.pid) != first.pid)
    assert not processes.is_alive(grandchild)
    assert "ended (SIGKILL)" in stream.getvalue()


def test_when_the_stem_is_killed_its_forks_come_back_from_a_new_one(planted: Supervisor) -> None:
    planted.start(warm("sleeper"))
    turn_until(planted, lambda: "sleeper" in planted.pids())
    stem, fork = (psutil.Process(planted.pids()[name]) for name in ("stem", "sleeper"))
    stem.kill()
    turn_until(planted, lambda: planted.pids().get("sleeper", fork.pid) != fork.pid)
    assert not processes.is_alive(fork)
    assert psutil.Process(planted.pids()["sleeper"]).ppid() == planted.pids()["stem"]


def test_stopping_leaves_neither_fork_nor_stem(planted: Supervisor, tmp_path: Path) -> None:
    planted.start(warm("sleeper"))
    turn_until(planted, lambda: "sleeper" in planted.pids())
    planted.stop()
    assert processes.find_marked(MARK, f"{tmp_path}#") == []


def test_a_module_that_cannot_be_imported_is_told_and_shown(
    supervisor: Supervisor, stream: io.StringIO
) -> None:
    supervisor.plant("no_such_module")
    answer = supervisor.ask(("json.tool",))
    assert answer.code == 1
    assert "no_such_module" in answer.errors
    turn_until(supervisor, lambda: "ModuleNotFoundError" in stream.getvalue())


def test_without_a_stem_a_warm_child_starts_from_nothing(supervisor: Supervisor) -> None:
    supervisor.start(warm("sleeper"))
    assert psutil.Process(supervisor.pids()["sleeper"]).ppid() == os.getpid()


def warm(module: str) -> Child:
    return Child(module, (sys.executable, "-m", module), warm=True)


def turn_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    def turn_and_look() -> bool:
        supervisor.turn()
        return condition()

    assert processes.wait_until(turn_and_look, 30)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(tmp_path: Path, stream: io.StringIO) -> Iterator[Supervisor]:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sleeper.py").write_text(SLEEPER)
    (modules / "counter.py").write_text(COUNTER)
    (modules / "user_of_counter.py").write_text("import counter\n")
    environment = {**os.environ, "PYTHONPATH": str(modules), "WITH_CHILD": "1"}
    supervisor = Supervisor(tmp_path, environment=environment, stream=stream, grace_s=1.0)
    yield supervisor
    supervisor.stop()


@pytest.fixture
def planted(supervisor: Supervisor) -> Supervisor:
    supervisor.plant("counter")
    return supervisor
