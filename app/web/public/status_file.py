"""A snapshot as the public pages read it: from its file alone, kept in memory until it changes.

Nothing here may touch the database or Redis: in a storm the page has to stand when they do not (REQ-23).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from app.domain import public_status
from app.domain.public_status import still_true
from app.services.status_snapshot import FILE_NAME

# What was made of a snapshot is made anew after this time, so that no estimate that has passed
# meanwhile and no age that is not true any more is shown for longer.
_GOOD_FOR_S = 10
# There are a few kinds of pages in three languages, and one per municipality for frames.
_KEPT_MOST = 2000


class NoSnapshot(Exception):
    """There is no snapshot, or none that this version can read."""


@dataclass(frozen=True, slots=True)
class Made:
    """A page, ready to be sent."""

    body: bytes
    gzipped: bytes
    etag: str


class StatusFile:
    """One folder's snapshot and the pages made of it.

    fresh: makes of the snapshot what is true now, the last argument's time.
    """

    def __init__(
        self,
        folder: Path,
        name: str = FILE_NAME,
        *,
        format: int = public_status.FORMAT,
        fresh: Callable[[dict[str, Any], datetime], dict[str, Any]] = still_true,
    ) -> None:
        self._path = folder / name
        self._format = format
        self._fresh = fresh
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._snapshot: dict[str, Any] = {}
        self._made: dict[tuple[object, ...], Made] = {}

    def page(
        self, key: tuple[object, ...], now: datetime, make: Callable[[dict[str, Any]], Made]
    ) -> Made:
        """The page of this key as it is true now; `make` is asked only when there is none yet.

        Raises: NoSnapshot.
        """
        self._look()
        slot = int(now.timestamp()) // _GOOD_FOR_S
        whole = (slot, self._stamp, *key)
        made = self._made.get(whole)
        if made is None:
            with self._lock:
                made = self._made.get(whole)
                if made is None:
                    made = make(self._fresh(self._snapshot, now))
                    self._forget(slot)
                    self._made[whole] = made
        return made

    def _look(self) -> None:
        """Read the file again if it has been replaced."""
        try:
            found = self._path.stat()
        except OSError:
            if self._stamp is None:
                raise NoSnapshot from None
            # Somebody took the file away; what we know is better than nothing and says its age.
            return
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._stamp:
            return
        try:
            snapshot = json.loads(self._path.read_bytes())
            usable = snapshot["format"] == self._format
        except (OSError, ValueError, KeyError, TypeError):
            usable = False
        if usable:
            self._snapshot, self._stamp = snapshot, stamp
        elif self._stamp is None:
            raise NoSnapshot

    def _forget(self, slot: int) -> None:
        """Drop what is out of date, and everything when there is far too much."""
        if len(self._made) > _KEPT_MOST:
            self._made.clear()
        for key in [key for key in self._made if key[0] != slot]:
            del self._made[key]
