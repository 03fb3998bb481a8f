"""What time the pages think it is; the only place of the web that reads the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from flask import current_app

_EXTENSION = "tiedolla_clock"


def now() -> datetime:
    """This instant, aware, in UTC; a test may have put another clock on the application."""
    clock = cast("Callable[[], datetime] | None", current_app.extensions.get(_EXTENSION))
    return clock() if clock is not None else datetime.now(UTC)
