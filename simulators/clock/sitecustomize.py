"""A clock that runs fast: with this folder on PYTHONPATH, every Python process of a rehearsal has it.

The product's rules go by the time of day (quiet hours, one update an hour), so a storm of a night
and a day can be rehearsed in minutes only if all of it lives in that day. TIEDOLLA_FAST_CLOCK says
how: `real origin, told origin, speed`, the first two in seconds since the epoch. Waiting is not
quickened: sleeps, time-outs and PostgreSQL's own clock stay real.

For rehearsals only; nothing of the product knows of it.
"""

from __future__ import annotations

import ctypes
import datetime as datetimes
import gc
import os
import time
from typing import Any

NAME = "TIEDOLLA_FAST_CLOCK"


def install(real_origin: float, told_origin: float, speed: float) -> None:
    """Replace the clock of this process; whoever asks for the time gets the told one."""
    real_time = time.time
    moments: Any = datetimes.datetime

    def told_time() -> float:
        return told_origin + (real_time() - real_origin) * speed

    def told_time_ns() -> int:
        return int(told_time() * 1e9)

    def now(cls: Any, tz: datetimes.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(told_time(), tz)

    def utcnow(cls: Any) -> Any:
        return cls.fromtimestamp(told_time(), datetimes.UTC).replace(tzinfo=None)

    # The class is written in C and closed to assignments; its own dictionary is not.
    names: dict[str, Any] = gc.get_referents(moments.__dict__)[0]
    names["now"] = classmethod(now)
    names["utcnow"] = classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(moments))
    time.time = told_time
    time.time_ns = told_time_ns


_asked = os.environ.get(NAME)
if _asked:
    install(*(float(part) for part in _asked.split(",")))
