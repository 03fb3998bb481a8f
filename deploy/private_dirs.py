"""Folders of a private server: readable to us alone, owned by one process at a time, and with a
place for its socket whose path is short enough for the kernel."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO

SOCKET_PATH_MAX_BYTES = 107
RECORD = "socket_dir"
LOCK = "owner.lock"
# Connection URLs and libpq's host list give other characters a meaning of their own.
PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._-]+")


class AlreadyRunning(RuntimeError):
    """Another live process owns this server; use that one or stop it first."""


def private_dir(path: Path) -> Path:
    """Make the folder, or close an existing one of ours to everybody else.

    Raises: ValueError -> the folder holds something that is not ours; name another one.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != 0o700:
        if any(path.iterdir()) and not (path / LOCK).exists():
            raise ValueError(f"{path} holds other things; a private server needs its own folder")
        path.chmod(0o700)
    return path.resolve()


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; only we may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def own(home: Path) -> IO[str]:
    """Take the folder for this process until the answer is closed or the process ends.

    Raises: AlreadyRunning -> tell the person which process has it.
    """
    handle = (home / LOCK).open("a+", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise AlreadyRunning(f"{home} is in use by process {owner}") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def socket_dir(home: Path, socket_name: str) -> Path:
    """A private folder for the socket: in the home if its path is short and plain enough, else a
    new one under the temporary directory, recorded in the home so that it is found again."""
    forget_socket_dir(home)
    inside = home / "s"
    if _fits(inside, socket_name):
        return private_dir(inside)
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it ours alone
        if _fits(Path(parent) / "td-12345678", socket_name):
            made = Path(tempfile.mkdtemp(prefix="td-", dir=parent))
            (home / RECORD).write_text(str(made), encoding="utf-8")
            return made
    raise RuntimeError("no folder with a path short enough for a socket")


def forget_socket_dir(home: Path) -> None:
    """Remove the recorded socket folder, if it is still ours and really a folder."""
    record = home / RECORD
    if not record.exists():
        return
    made = Path(record.read_text(encoding="utf-8"))
    if made.name.startswith("td-") and is_private(made):
        shutil.rmtree(made)
    record.unlink()


def is_private(path: Path) -> bool:
    """Whether the path is a folder, no link, that belongs to us and admits nobody else."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(facts.st_mode)
        and facts.st_uid == os.geteuid()
        and stat.S_IMODE(facts.st_mode) == 0o700
    )


def _fits(path: Path, socket_name: str) -> bool:
    whole = str(path / socket_name)
    return len(os.fsencode(whole)) <= SOCKET_PATH_MAX_BYTES and bool(PLAIN_PATH.fullmatch(whole))
