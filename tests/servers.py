"""Fixtures of real servers for the tests: PostgreSQL, Valkey, OpenSSH's sshd and Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from deploy import processes
from deploy.ports import free_port
from deploy.postgres import PrivatePostgres
from deploy.tether import start_tethered
from deploy.valkey import PrivateValkey

SSHD = Path("/usr/sbin/sshd")
PRIVILEGE_SEPARATION_DIR = Path("/run/sshd")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FOLDERS = ("inbox", "processing", "archive", "quarantine", "returns", "snapshots")


@dataclass(frozen=True)
class SftpServer:
    """A running sshd and what it takes to log in; the folders are paths as the client sees them."""

    host: str
    port: int
    user: str
    private_key_file: Path
    host_key: str
    root: Path
    pid: int

    def folder(self, name: str) -> Path:
        """One of inbox, processing, archive, quarantine and returns."""
        return self.root / name

    def as_settings(self) -> dict[str, object]:
        """The settings of a product whose CIS has this server, and whose files are whole at once."""
        return {
            "cis_sftp_host": self.host,
            "cis_sftp_port": self.port,
            "cis_sftp_user": self.user,
            "cis_sftp_key_file": Path(self.private_key_file),
            "cis_sftp_host_key": self.host_key,
            "cis_quiet_s": 0.0,
        }


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """A private PostgreSQL for this session, without fsync: it loses nothing with a killed process."""
    server = PrivatePostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh empty database, on the server of TIEDOLLA_DATABASE_URL when that is set."""
    given = os.environ.get("TIEDOLLA_DATABASE_URL")
    address = given or request.getfixturevalue("postgres_server").url
    name = f"tiedolla_test_{uuid.uuid4().hex[:12]}"
    admin = make_url(address)
    conninfo = admin.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )
    yield admin.set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateValkey]:
    """A private Valkey for this session."""
    server = PrivateValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis for this session, that of TIEDOLLA_REDIS_URL when that is set.

    Tests that run side by side each have their own, since one empties it under the other.
    """
    given = None if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("TIEDOLLA_REDIS_URL")
    return given or str(request.getfixturevalue("valkey_server").url)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SftpServer]:
    """OpenSSH's own server with key login and SFTP only, on a free port, in a folder of this test."""
    if not SSHD.exists():
        pytest.skip("the package openssh-server is not installed")
    home = tmp_path / "sshd"
    root = home / "files"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in ("host_key", "client_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(home / name)],
            check=True,
        )
    shutil.copy(home / "client_key.pub", home / "authorized_keys")
    port = free_port()
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    config = home / "sshd_config"
    config.write_text(_sshd_config(home, port), encoding="utf-8")
    if os.geteuid() == 0:
        # Debian makes this folder when its own service starts, which never happens in a container.
        PRIVILEGE_SEPARATION_DIR.mkdir(mode=0o755, exist_ok=True)
    with (home / "log").open("wb") as log:
        tether = start_tethered(
            [str(SSHD), "-D", "-e", "-f", str(config)],
            stop_signal=signal.SIGTERM,
            grace_s=2,
            output=log,
            cwd=home,
        )
    pid_file = home / "pid"
    try:
        processes.wait_until(lambda: _has_text(pid_file) or tether.poll() is not None, 20)
        assert _has_text(pid_file), (home / "log").read_text(encoding="utf-8")
        host_key = " ".join((home / "host_key.pub").read_text(encoding="utf-8").split()[:2])
        yield SftpServer(
            host="127.0.0.1",
            port=port,
            user=user,
            private_key_file=home / "client_key",
            host_key=host_key,
            root=root,
            pid=int(pid_file.read_text(encoding="ascii")),
        )
    finally:
        # Sessions outlive the listener, and a test may have frozen any of them.
        family = (
            psutil.Process(tether.pid).children(recursive=True) if tether.poll() is None else []
        )
        processes.end(family, first=signal.SIGKILL)
        tether.wait()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium that browser tests may drive."""
    for name in CHROMIUM_NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("the package chromium is not installed")


def _has_text(path: Path) -> bool:
    """The file is there before what is written into it."""
    return path.exists() and bool(path.read_text(encoding="ascii").strip())


def _sshd_config(home: Path, port: int) -> str:
    return f"""\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
PidFile {home}/pid
AuthorizedKeysFile {home}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding no
MaxStartups 100
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {home}/files
"""
