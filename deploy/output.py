"""The output of many processes on one screen: whole lines, each with the name of its process."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
NAME_WIDTH = 14
LINE_MAX_BYTES = 65536


class Output:
    """Prefixes lines with names, in colour when a person watches."""

    def __init__(self, stream: TextIO) -> None:
        self.is_closed = False
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ
        self._colours: dict[str, int] = {}
        self._unfinished: dict[str, bytes] = {}

    def line(self, name: str, text: str) -> None:
        """Write one line."""
        if self.is_closed:
            return
        prefix = f"{name:<{NAME_WIDTH}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        try:
            self._stream.write(f"{prefix} {text}\n")
            self._stream.flush()
        except BrokenPipeError:
            self._silence()

    def feed(self, name: str, data: bytes, *, last: bool = False) -> None:
        """Take output as it comes; write the lines that are whole, at the end also the rest."""
        *lines, rest = (self._unfinished.pop(name, b"") + data).split(b"\n")
        if rest and (last or len(rest) > LINE_MAX_BYTES):
            lines.append(rest)
            rest = b""
        if rest:
            self._unfinished[name] = rest
        for line in lines:
            for text in readable(line.decode("utf-8", "replace").rstrip("\r")):
                self.line(name, text)

    def _silence(self) -> None:
        """Write nothing from now on, because nobody reads."""
        self.is_closed = True
        with contextlib.suppress(OSError, ValueError):
            # The interpreter flushes the stream at its end and must not meet the closed pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def readable(line: str) -> list[str]:
    """A log line of the product as a person reads it; any other line as it is.

    The product logs one JSON object per event, which suits machines.
    """
    try:
        event = json.loads(line) if line.startswith("{") else None
    except ValueError:
        event = None
    if not isinstance(event, dict) or "event" not in event:
        return [line]
    level, what = str(event.pop("level", "info")), str(event.pop("event"))
    event.pop("timestamp", None)
    event.pop("process", None)
    trace = str(event.pop("exception", "")).splitlines()
    facts = " ".join(f"{key}={value}" for key, value in event.items())
    shown = what if level == "info" else f"{level.upper()} {what}"
    return [f"{shown}  {facts}".rstrip(), *trace]
