"""A lane runner that kills itself, as the power would go, at one of its steps.

`python -m tests.workers.killed_runner <options of the lane runner>`; KILL_AT says which step: each
write to the journal has one before and one after it, and so has each word with the centre.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from integrations.runner_api.client import Central
from workers.lane_runner.cli import lane_runner_command
from workers.lane_runner.journal import Journal

_WRITES = ("begin_claim", "take", "begin", "end", "forget")
_WORDS = ("claim", "settle", "file")


class _Steps:
    """Counts what is done, and ends it all at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._left = kill_at

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = method(*args, **kwargs)
            self.step()
            return result

        return stepped

    def around_word(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        async def stepped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = await method(*args, **kwargs)
            self.step()
            return result

        return stepped


if __name__ == "__main__":
    steps = _Steps(int(os.environ["KILL_AT"]))
    for name in _WRITES:
        setattr(Journal, name, steps.around(getattr(Journal, name)))
    for name in _WORDS:
        setattr(Central, name, steps.around_word(getattr(Central, name)))
    lane_runner_command(prog_name="lane-runner")
