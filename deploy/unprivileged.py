"""How to run PostgreSQL, which refuses to be root, when we are root: without a new system user and
without opening any folder to others."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.private_dirs import private_dir

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
ACCOUNTS = ("postgres", "nobody")
RECORD = "elsewhere"


@dataclass(frozen=True)
class Quarters:
    """Where a server lives and as whom it runs."""

    home: Path
    install: Path
    prefix: tuple[str, ...] = ()
    user: str = ""

    def hand_over(self, path: Path) -> Path:
        """Give a folder, with all in it, to the account that the server runs as."""
        if self.user:
            account = pwd.getpwnam(self.user)
            for found in (path, *path.rglob("*")):
                os.chown(found, account.pw_uid, account.pw_gid, follow_symlinks=False)
        return path


def choose_quarters(home: Path, install: Path, *, user_namespaces: bool = True) -> Quarters:
    """An ordinary user runs the server directly; root runs it as nobody in particular inside a
    user namespace; root without namespaces runs a copy as an existing unprivileged account."""
    if os.geteuid() != 0:
        return Quarters(home, install)
    moved = (home / RECORD).exists()
    if user_namespaces and not moved and _namespace_works(home, install):
        return Quarters(home, install, prefix=NAMESPACE)
    return _quarters_elsewhere(home, install)


def forget_quarters(home: Path) -> None:
    """Remove what choose_quarters put under the temporary directory, data included."""
    record = home / RECORD
    if not record.exists():
        return
    elsewhere = Path(record.read_text(encoding="utf-8"))
    if elsewhere.name.startswith("td-") and elsewhere.is_dir() and not elsewhere.is_symlink():
        shutil.rmtree(elsewhere)
    record.unlink()


def _namespace_works(home: Path, install: Path) -> bool:
    """Try it: the namespace may be refused, and in it root has no power over others' folders."""
    if shutil.which("unshare") is None:
        return False
    probe = 'test -w "$1" && test -x "$2"'
    program = str(install / "bin" / "postgres")
    tried = subprocess.run(
        [*NAMESPACE, "sh", "-c", probe, "probe", str(home), program],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def _quarters_elsewhere(home: Path, install: Path) -> Quarters:
    """A folder under the temporary directory that belongs to an account that already exists."""
    account = _account()
    record = home / RECORD
    if record.exists() and Path(record.read_text(encoding="utf-8")).is_dir():
        elsewhere = Path(record.read_text(encoding="utf-8"))
    else:
        elsewhere = Path(tempfile.mkdtemp(prefix="td-"))
        record.write_text(str(elsewhere), encoding="utf-8")
    copy = elsewhere / install.parent.name / install.name
    if not copy.exists():
        # The programs find their libraries by a path relative to themselves: keep the layout.
        libraries = install.parent.with_name(install.parent.name + ".libs")
        shutil.copytree(libraries, elsewhere / libraries.name, dirs_exist_ok=True)
        shutil.copytree(install, copy, ignore=shutil.ignore_patterns("include"))
    quarters = Quarters(private_dir(elsewhere / "home"), copy, user=account.pw_name)
    quarters.hand_over(elsewhere)
    return quarters


def _account() -> pwd.struct_passwd:
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL cannot run as root here: user namespaces are refused and there is no account"
        f" named {' or '.join(ACCOUNTS)}. Run as an ordinary user, or set TIEDOLLA_DATABASE_URL."
    )
