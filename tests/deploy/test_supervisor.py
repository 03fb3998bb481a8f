"""The supervisor: readable output, restarts, and nothing left behind however it ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deploy import processes
from deploy.supervisor import MARK, Child, Supervisor
from tests.deploy.owners import ROOT

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
# A program that forks, whose child leaves its group and shuts its ears: the worst kind to end.
STUBBORN = """
import os, signal, sys, time
for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
os.write(1, b'up\\n')  # in one piece: both write into the same pipe
time.sleep(600)
"""
SUPERVISED = """
import sys
from pathlib import Path
from deploy.supervisor import Child, Supervisor
supervisor = Supervisor(Path(sys.argv[1]), grace_s=1.0)
supervisor.listen_for_signals()
for number, code in enumerate(sys.argv[2:]):
    supervisor.start(Child(f"child{number}", (sys.executable, "-c", code)))
while not supervisor.stop_asked:
    supervisor.turn()
supervisor.stop()
"""


def test_each_line_of_output_carries_the_name_of_its_process(
    supervisor: Supervisor, stream: io.StringIO
) -> None:
    code = "import sys; print('one'); print('två', file=sys.stderr); sys.stdout.write('no end')"
    assert supervisor.run_once(python("talker", code)) == 0
    turn_until(supervisor, lambda: "no end" in stream.getvalue())
    lines = stream.getvalue().splitlines()
    assert all(line.startswith("talker ") and " | " in line for line in lines)
    assert {line.split(" | ")[1] for line in lines} == {"one", "två", "no end"}


def test_a_crashed_process_is_started_again_with_a_growing_pause(
    supervisor: Supervisor, stream: io.StringIO
) -> None:
    supervisor.start(python("weak", "import sys; sys.exit(3)"))
    turn_until(supervisor, lambda: stream.getvalue().count("exit code 3") == 3)
    pauses = [line.split("again in ")[1] for line in stream.getvalue().splitlines()]
    assert pauses == ["0.2 s", "0.4 s", "0.8 s"]


def test_a_killed_process_comes_back_and_what_it_had_started_is_ended(
    supervisor: Supervisor,
) -> None:
    code = "import os, time; os.fork(); time.sleep(600)"
    supervisor.start(python("family", code))
    first = psutil.Process(supervisor.pids()["family"])
    turn_until(supervisor, lambda: len(first.children()) == 1)
    grandchild = first.children()[0]
    first.kill()
    turn_until(supervisor, lambda: supervisor.pids().get("family", first.pid) != first.pid)
    assert not processes.is_alive(grandchild)


def test_a_process_that_runs_once_is_not_started_again(supervisor: Supervisor) -> None:
    assert supervisor.run_once(python("once", "raise SystemExit(7)")) == 7
    supervisor.turn()
    assert supervisor.pids() == {}


def test_later_stages_stop_before_earlier_ones(supervisor: Supervisor, stream: io.StringIO) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    supervisor.start(python("ground", code, stage=0))
    supervisor.start(python("roof", code, stage=1))
    turn_until(supervisor, lambda: stream.getvalue().count("up") == 2)
    supervisor.stop()
    goodbyes = [line.split()[0] for line in stream.getvalue().splitlines() if "bye" in line]
    assert goodbyes == ["roof", "ground"]


def test_stopping_ends_even_those_that_shut_their_ears(
    supervisor: Supervisor, stream: io.StringIO, tmp_path: Path
) -> None:
    supervisor.start(python("stubborn", STUBBORN))
    turn_until(supervisor, lambda: stream.getvalue().count("up") == 2)
    assert len(marked(tmp_path)) == 2
    supervisor.stop()
    assert marked(tmp_path) == []


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_exits_cleanly(tmp_path: Path, wanted: int) -> None:
    with supervised(tmp_path, SLEEPER, STUBBORN) as process:
        process.send_signal(wanted)
        assert process.wait(20) == 0
        assert marked(tmp_path) == []


def test_killing_the_supervisor_ends_children_and_grandchildren(tmp_path: Path) -> None:
    with supervised(tmp_path, SLEEPER, STUBBORN) as process:
        process.kill()
        process.wait()
        assert processes.wait_until(lambda: marked(tmp_path) == [], 20)


def test_killing_supervisor_and_warden_ends_what_can_hear_and_the_next_start_ends_the_rest(
    tmp_path: Path,
) -> None:
    with supervised(tmp_path, SLEEPER, STUBBORN) as process:
        wardens = [
            child
            for child in psutil.Process(process.pid).children()
            if "deploy.warden" in child.cmdline()
        ]
        assert len(wardens) == 1
        wardens[0].suspend()
        process.kill()
        wardens[0].kill()
        process.wait()
        assert processes.wait_until(lambda: len(marked(tmp_path)) == 2, 20)
        assert Supervisor(tmp_path, stream=io.StringIO()).end_left_over() == 2
        assert marked(tmp_path) == []


def test_a_killed_warden_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path, SLEEPER) as process:
        supervisor = psutil.Process(process.pid)
        warden = next(one for one in supervisor.children() if "deploy.warden" in one.cmdline())
        warden.kill()
        assert processes.wait_until(
            lambda: any(
                "deploy.warden" in one.cmdline() and one.pid != warden.pid
                for one in supervisor.children()
                if processes.is_alive(one)
            ),
            20,
        )
        process.terminate()
        assert process.wait(20) == 0


def test_left_overs_of_another_home_are_left_alone(tmp_path: Path) -> None:
    with supervised(tmp_path / "one", SLEEPER) as process:
        assert Supervisor(tmp_path / "on", stream=io.StringIO()).end_left_over() == 0
        assert len(marked(tmp_path / "one")) == 1
        process.terminate()
        assert process.wait(20) == 0


def test_a_reader_that_goes_away_stops_everything(tmp_path: Path) -> None:
    chatty = "import time\nprint('up')\nwhile True: print('x' * 100, flush=True); time.sleep(0.01)"
    with supervised(tmp_path, chatty) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(20) == 0
        assert marked(tmp_path) == []


def python(name: str, code: str, stage: int = 0) -> Child:
    return Child(name, (sys.executable, "-c", code), stage=stage)


def marked(home: Path) -> list[psutil.Process]:
    return processes.find_marked(MARK, f"{home}#")


def turn_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    def turn_and_look() -> bool:
        supervisor.turn()
        return condition()

    assert processes.wait_until(turn_and_look, 30)


@contextmanager
def supervised(home: Path, *codes: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor in a process of its own, with every process that the codes make running."""
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, str(home), *codes],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != MARK},
    ) as process:
        try:
            assert process.stdout is not None
            expected = sum(code.count("fork()") for code in codes) + len(codes)
            heard = 0
            while heard < expected:
                heard += "up" in process.stdout.readline()
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(tmp_path: Path, stream: io.StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path, stream=stream, grace_s=1.0)
    yield supervisor
    supervisor.stop()
