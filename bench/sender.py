"""A worker of a lane for the benches: `python -m bench.sender LANE URL [BATCHES]`, and how to run several.

It says that it is ready, waits for a line, drains what is there, and tells what that cost it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, cast

import psutil
from sqlalchemy import text

from app.clients import channel_for, client_for
from app.db import transaction
from app.factory import create_app
from app.settings import Settings
from deploy.tether import bound
from workers import jobs
from workers.drain import Drain, drain

_PROVIDER = {"sms": "twilio", "email": "sendgrid"}


@dataclass(slots=True)
class Cost:
    """What a stretch of work took: seconds on the clock, and of the processor by whom."""

    wall_s: float = 0.0
    ours_s: float = 0.0
    postgres_s: float = 0.0
    stub_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stub:
    """A running provider."""

    url: str
    process: psutil.Process

    def received(self) -> int:
        """How many messages it has taken."""
        with urllib.request.urlopen(self.url, timeout=5) as answer:  # noqa: S310 - our own stub.
            return int(answer.read())


def make_ready(settings: Settings, lane: str, url: str) -> Drain:
    """A drain of this process with everything built that the first message would wait for."""
    worker = jobs.begin(lane)
    provider = _PROVIDER.get(lane)
    work = Drain(
        lane=lane,
        lease=worker.holder.lease(datetime.now(UTC)),
        settings=settings.model_copy(update={f"{provider}_url": url} if provider else {}),
        loop=worker.loop,
    )
    if provider:
        channel_for(provider, provider, work.settings, work.loop)
    else:
        # A partner's address stands in its row.
        client_for(lane, work.settings, work.loop)
    return work


def main(lane: str, url: str, batches: int | None = None) -> None:
    """Be one worker, once; of so many batches, if told."""
    app = create_app(background=True)
    with app.app_context():
        work = make_ready(app.extensions["tiedolla_settings"], lane, url)
        work.batches = batches
        print("ready", flush=True)
        sys.stdin.readline()
        before = time.process_time()
        counts: Counter[str] = drain(work)
        print(json.dumps({"cpu_s": time.process_time() - before, "counts": counts}), flush=True)
        jobs.end()


@contextmanager
def stub(delay_s: float = 0.0) -> Iterator[Stub]:
    """The provider in a process of its own."""
    command = bound([sys.executable, "-m", "bench.provider_stub", str(delay_s)])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Stub(line_of(process), psutil.Process(process.pid))


@contextmanager
def workers(count: int, *words: str) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes of `python -m WORDS` that each wait for the word to begin."""
    command = bound([sys.executable, "-m", *words])
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        for worker in started:
            line_of(worker)
        yield started


def go(started: Sequence[subprocess.Popen[str]]) -> None:
    """Let all of them begin."""
    for worker in started:
        told_to = cast("IO[str]", worker.stdin)
        told_to.write("go\n")
        told_to.flush()


def told_by(started: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What each says when it is done."""
    return [json.loads(line_of(worker)) for worker in started]


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a process writes."""
    return cast("IO[str]", process.stdout).readline().strip()


@contextmanager
def measured(provider: Stub) -> Iterator[Cost]:
    """What happens inside, on the clock and on the processor."""
    cost = Cost()
    postmaster = _postmaster()
    began = (
        time.perf_counter(),
        time.process_time(),
        _cpu_of(postmaster),
        _cpu_of(provider.process),
    )
    yield cost
    cost.wall_s = time.perf_counter() - began[0]
    cost.ours_s = time.process_time() - began[1]
    cost.postgres_s = _cpu_of(postmaster) - began[2]
    cost.stub_s = _cpu_of(provider.process) - began[3]


def _postmaster() -> psutil.Process:
    with transaction() as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return cast("psutil.Process", psutil.Process(pid).parent())


def _cpu_of(process: psutil.Process) -> float:
    """Seconds of the processor that it and its children, living and dead, have used."""
    used = process.cpu_times()
    return sum(used[:4]) + sum(sum(child.cpu_times()[:4]) for child in process.children())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
