"""All simulated systems in one process: opened from one folder, run until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulators.cis.file_server import Account, start_file_server
from simulators.config_file import write_private
from simulators.settings import RUNNING_NAME, Config
from simulators.systems import Systems

# Below the range that Linux hands out to outgoing connections.
FREE_PORTS = (20_000, 32_000)


class AlreadyRunning(Exception):
    """Another process runs the rehearsal of this folder."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running rehearsal listens."""

    host: str
    port: int
    sftp_port: int

    @property
    def url(self) -> str:
        """The base address of the HTTP systems."""
        return f"http://{self.host}:{self.port}"


async def run_rehearsal(folder: Path, config: Config, address: Address) -> None:
    """Run until SIGTERM or SIGINT; says on standard output when it is ready.

    Raises: AlreadyRunning (the folder's ledgers belong to another process).
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_rehearsal(folder, config, address) as at:
        print(f"simulators ready: {at.url} and sftp {at.host}:{at.sftp_port}", flush=True)
        await stop.wait()


@asynccontextmanager
async def open_rehearsal(folder: Path, config: Config, address: Address) -> AsyncIterator[Address]:
    """Listen as long as the context lasts; port 0 means a free one."""
    with _only_one(folder):
        systems = Systems(folder, config)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(systems.close)
            await systems.start()
            runner = web.AppRunner(systems.make_app(), access_log=None, shutdown_timeout=2)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            port = address.port or free_port(address.host)
            await web.TCPSite(runner, address.host, port, backlog=1024).start()
            sftp_port = address.sftp_port or free_port(address.host)
            accounts = {
                config.sftp.user: Account(
                    config.sftp.root_dir, systems.files, systems.faults["cis"]
                ),
                config.contractor.user: Account(
                    config.contractor.root_dir, systems.contractor, systems.faults["contractor"]
                ),
            }
            server = await start_file_server(config.sftp, accounts, address.host, sftp_port)
            stack.callback(server.close)
            at = Address(address.host, port, sftp_port)
            _write_running(folder, at)
            yield at


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    for port in random.SystemRandom().sample(range(*FREE_PORTS), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port
    raise OSError("no free port was found")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """A lock that the system lets go when the process dies, however it dies."""
    descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"{folder}: another rehearsal runs here") from None
        yield
    finally:
        os.close(descriptor)


def _write_running(folder: Path, at: Address) -> None:
    """What the other commands need to find this process."""
    facts = {
        "pid": os.getpid(),
        "url": at.url,
        "sftp_host": at.host,
        "sftp_port": at.sftp_port,
    }
    write_private(folder / RUNNING_NAME, json.dumps(facts, indent=2) + "\n")
