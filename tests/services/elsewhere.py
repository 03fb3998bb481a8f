"""A second session that acts while the test holds a transaction open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import text

from app.db import db


class Elsewhere:
    """Something done by another process, that is: another session, at the same time."""

    def __init__(self, app: Flask, act: Callable[[], Any]) -> None:
        self._app = app
        self._act = act
        self._thread = threading.Thread(target=self._run)
        self.result: Any = None

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def wait_until_blocked(self) -> None:
        """Until a session waits for a lock of ours."""
        deadline = time.monotonic() + 20
        with db.engine.connect() as watcher:
            while not watcher.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                )
            ):
                assert time.monotonic() < deadline
                watcher.rollback()
                time.sleep(0.01)

    def _run(self) -> None:
        with self._app.app_context():
            try:
                self.result = self._act()
            finally:
                db.session.remove()
