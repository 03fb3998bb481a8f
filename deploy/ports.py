"""Free ports below the ephemeral range, remembered from one start to the next."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

# Above 32768 the kernel hands ports to outgoing connections, which then collide with listeners.
LOWEST, HIGHEST = 10_000, 32_000


def free_port(taken: Iterable[int] = ()) -> int:
    """A port that nothing on this machine listens on now."""
    avoided = set(taken)
    for _ in range(1000):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - spreads neighbours apart, no secret
        if port not in avoided and is_free(port):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - tried and closed at once
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((address, port))
            except OSError:
                return False
    return True


def keep_ports(record: Path, names: Iterable[str], fixed: dict[str, int]) -> dict[str, int]:
    """The ports of the last time where they are still free, new ones elsewhere; written down.

    A fixed port is taken as given, free or not: whoever set it wants to hear when it is in use.
    """
    known = _read(record)
    ports = dict(fixed)
    for name in names:
        if name in ports:
            continue
        port = known.get(name)
        if port is None or port in ports.values() or not is_free(port):
            port = free_port(ports.values())
        ports[name] = port
    record.write_text(json.dumps(ports, indent=2) + "\n", encoding="utf-8")
    return ports


def _read(record: Path) -> dict[str, int]:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return {str(name): int(port) for name, port in known.items()}
    except (OSError, ValueError, AttributeError):
        return {}
