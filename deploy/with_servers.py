"""Runs a command beside a private PostgreSQL and Valkey that exist only for it.

`python -m deploy.with_servers flask db upgrade`: the command finds every setting in its
environment; when it ends, nothing is left.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.environment import Rehearsal, clean_environment, keep_secrets, product_settings
from deploy.postgres import PrivatePostgres
from deploy.supervisor import ROOT
from deploy.tether import bound
from deploy.valkey import PrivateValkey


def main(command: Sequence[str]) -> int:
    """Run the command and answer its exit code; a leading `flask` is this installation's."""
    if not command:
        print(__doc__)
        return 2
    # Asked to end, it still has its servers to stop and its folder to remove.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="td-") as name:
        home = Path(name)
        simulators = home / "simulators"
        environment = clean_environment()
        subprocess.run(
            [sys.executable, "-m", "simulators", "init", "--dir", str(simulators)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        postgres = PrivatePostgres(home / "postgres", durable=False)
        with postgres, PrivateValkey(home / "valkey") as valkey:
            # Nobody listens at these two ports: the command needs the settings, not the systems.
            settings = product_settings(
                base_url="http://127.0.0.1:9",
                database_url=postgres.url,
                redis_url=valkey.url,
                own_secrets=keep_secrets(home / "secrets.json"),
                rehearsal=Rehearsal(simulators, http_port=9, sftp_port=9),
            )
            code = _run(command, {**environment, **settings})
        postgres.remove()
        return code


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    if command[0] == "flask":
        command = [sys.executable, "-m", *command]
    try:
        return subprocess.run(bound(command), cwd=ROOT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        # The terminal has sent the same signal to the command, which has ended by now.
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
