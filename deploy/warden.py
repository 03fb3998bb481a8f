"""Waits for the supervisor's death and then ends every process that carries its mark.

The kernel tells direct children of their parent's death, but not the children of those: this is
for them. Run as `python -m deploy.warden PID MARK [FILE]`; the file said that the supervisor runs.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from deploy import processes

GRACE_S = 5.0
POLL_S = 0.5


def main(owner: int, mark: str, record: Path | None) -> None:
    """Wait until the owner is gone, then end what it started; asked politely first."""
    # A terminal that closes or an over-broad signal must not end the one that cleans up.
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    _wait_for_end(owner)
    if record is not None:
        record.unlink(missing_ok=True)
    # A child that was just being started may show up a moment later.
    for _ in range(3):
        processes.end(processes.find_marked("TIEDOLLA_SUPERVISED_BY", mark), grace_s=GRACE_S)
        time.sleep(POLL_S)


def _wait_for_end(owner: int) -> None:
    try:
        watch = os.pidfd_open(owner)
    except (AttributeError, OSError):
        watch = None
    while os.getppid() == owner:
        if watch is None:
            time.sleep(POLL_S)
        else:
            select.select([watch], [], [], 60.0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if sys.argv[3:] else None)
