"""Owners of private servers in processes of their own, so that a test can kill them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

POSTGRES_OWNER = """
import sys, time
from pathlib import Path
from deploy.postgres import PrivatePostgres
server = PrivatePostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""

VALKEY_OWNER = """
import sys, time
from pathlib import Path
from deploy.valkey import PrivateValkey
server = PrivateValkey(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""

# The kernel takes the death of a starting thread for the death of a parent; a server must not.
THREAD_OWNER = """
import sys, threading, time
from pathlib import Path
from deploy.postgres import PrivatePostgres
server = PrivatePostgres(Path(sys.argv[1]), durable=False)
thread = threading.Thread(target=server.start)
thread.start()
thread.join()
print(server.pid, flush=True)
time.sleep(600)
"""


def start_owner(code: str, home: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Run the owner until its server is up; answer the owner and its server."""
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        pid = owner.stdout.readline().strip()
    assert pid.isdigit(), pid
    return owner, psutil.Process(int(pid))
