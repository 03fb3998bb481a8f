"""What the demo tells about itself: instance/demo.json for programs, a few lines for people."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.environment import SFTP_FOLDERS, Rehearsal
from deploy.private_dirs import write_private

ROLES = ("agent", "operator", "admin")


@dataclass(frozen=True)
class Login:
    """A staff account of the demo."""

    username: str
    password: str
    role: str


def keep_logins(path: Path) -> dict[str, Login]:
    """One account per role, by role, with passwords made once and readable to us alone."""
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    passwords = {role: known.get(role) or secrets.token_urlsafe(12) for role in ROLES}
    if passwords != known:
        write_private(path, json.dumps(passwords, indent=2) + "\n")
    return {role: Login(role, password, role) for role, password in passwords.items()}


def write_record(
    path: Path,
    *,
    base_url: str,
    rehearsal: Rehearsal,
    settings: Path,
    logins: Mapping[str, Login],
    pids: Mapping[str, int],
) -> None:
    """Write demo.json; it is there while the demo is ready, and says what runs where."""
    record = {
        "base_url": base_url,
        "simulator_url": rehearsal.url,
        "settings_file": str(settings),
        "sftp": {
            "host": "127.0.0.1",
            "port": rehearsal.sftp_port,
            "user": rehearsal.config["sftp"]["user"],
            "private_key_file": str(rehearsal.client_key_file),
            "host_key": rehearsal.host_key,
            **{name: name for name in SFTP_FOLDERS},
        },
        "logins": {role: asdict(login) for role, login in logins.items()},
        "pids": dict(pids),
    }
    write_private(path, json.dumps(record, indent=2) + "\n")


def _flask() -> Path:
    """The flask command of this environment, as short as it can be named from here."""
    command = Path(sys.executable).with_name("flask")
    return command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command


def describe(
    base_url: str,
    simulator_url: str,
    logins: Mapping[str, Login],
    *,
    record: Path,
    settings: Path,
) -> list[str]:
    """Where to look and who to log in as."""
    width = max(len(login.username) for login in logins.values())
    return [
        "",
        "Tiedolla is ready.",
        f"  Portal                  {base_url}",
        f"  Phones and inboxes      {simulator_url}",
        "",
        "Log in as:",
        *(f"  {login.username:<{width}}  {login.password}" for login in logins.values()),
        "",
        f"The same for programs: {record}",
        f"Commands beside it:    {_flask()} -e {settings} doctor",
        "Ctrl-C stops everything.",
        "",
    ]
