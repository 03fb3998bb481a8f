"""What is posted."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Short = Annotated[str, msgspec.Meta(max_length=200)]


class Signal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alarm that was raised or cleared, or the signal of a process; at is in UTC with offset."""

    event: Literal["ALARM_RAISED", "ALARM_CLEARED", "PROCESS_SIGNAL"]
    subject: Short
    name: Short
    text: Annotated[str, msgspec.Meta(max_length=1000)]
    at: str
    value: float | None = None
    limit: float | None = None
    occurrence: int = 1
