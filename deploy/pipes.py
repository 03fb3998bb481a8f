"""Reads what many children write, as it comes, and passes it on with their names."""

from __future__ import annotations

import os
import selectors
import socket
import time
from typing import IO

from deploy.output import Output

READ_BYTES = 65536


class Pipes:
    """The reading ends of the children's output; a socket can be added to end a wait early."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._selector = selectors.DefaultSelector()

    def add(self, name: str, pipe: IO[bytes]) -> None:
        """Read this pipe until it ends."""
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, selectors.EVENT_READ, (name, pipe))

    def watch(self, told: socket.socket) -> None:
        """Let what arrives here end a wait; somebody else reads it."""
        self._selector.register(told, selectors.EVENT_READ, None)

    def forget(self, told: socket.socket) -> None:
        """Watch this socket no more."""
        self._selector.unregister(told)

    def pass_on(self, patience_s: float) -> None:
        """Pass on what there is; wait for it no longer than this."""
        if not self._selector.get_map():
            time.sleep(patience_s)
            return
        for key, _ in self._selector.select(patience_s):
            if key.data is None:
                continue
            name, pipe = key.data
            try:
                data = os.read(key.fd, READ_BYTES)
            except BlockingIOError:
                continue
            self._output.feed(name, data)
            if not data:
                self._close(name, pipe)

    def close(self) -> None:
        """Pass on what is left and close every pipe."""
        self.pass_on(0.0)
        for key in list(self._selector.get_map().values()):
            self._close(*key.data)

    def _close(self, name: str, pipe: IO[bytes]) -> None:
        self._output.feed(name, b"", last=True)
        self._selector.unregister(pipe)
        pipe.close()
