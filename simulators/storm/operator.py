"""The operator's part of a storm, played over Tiedolla's command line where that is configured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from simulators.storm.script import Act

_PATIENCE_S = 300


class OperatorFailed(Exception):
    """A command did not succeed; the text is what it said."""


class Operator:
    """Opens, assesses and ends one storm, at his own pace: the DMS does not wait for him."""

    def __init__(self, municipalities: Sequence[str]) -> None:
        self._municipalities = municipalities
        self._storm = ""
        self._hand = ThreadPoolExecutor(1)
        self._done: list[Future[None]] = []

    def act(self, act: Act) -> None:
        """Begin to do what the script says, after what was begun before."""
        self._done.append(self._hand.submit(self._do, act))

    def finish(self) -> None:
        """Wait until all is done. Raises: OperatorFailed."""
        for one in self._done:
            one.result()
        self._hand.shutdown()

    def _do(self, act: Act) -> None:
        if act.what == "open":
            areas = [word for code in self._municipalities for word in ("--municipality", code)]
            self._storm = _flask("storms", "open", "Rehearsal", *areas).split()[-1]
        else:
            _flask("storms", act.what, self._storm)

    def readings(self, since: datetime) -> dict[tuple[str, int], datetime]:
        """When Tiedolla had read which version. Raises: OperatorFailed."""
        lines = _flask("storms", "readings", "--since", _wire(since)).splitlines()
        words = (line.split() for line in lines)
        return {(ref, int(version)): datetime.fromisoformat(at) for ref, version, at in words}

    def figures(self, since: datetime) -> dict[str, Any]:
        """What Tiedolla says of its own decisions. Raises: OperatorFailed."""
        told: dict[str, Any] = json.loads(_flask("storms", "figures", "--since", _wire(since)))
        return told


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _flask(*words: str) -> str:
    command = [sys.executable, "-m", "flask", *words]
    try:
        done = subprocess.run(  # noqa: S603 - our own words.
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise OperatorFailed(f"flask {' '.join(words[:2])} took too long") from None
    if done.returncode != 0:
        raise OperatorFailed(f"flask {' '.join(words[:2])}: {done.stderr[-2000:]}")
    return done.stdout.strip()
