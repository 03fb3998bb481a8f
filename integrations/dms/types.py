"""What the DMS gets and answers (camelCase on the wire).

Units: times are aware and travel with their offset.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

At = Annotated[datetime, msgspec.Meta(tz=True)]


class _Wire(
    msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True, gc=False
):
    """What is not known stays away from the wire instead of travelling as null."""


class SwapOutage(_Wire, frozen=True, kw_only=True):
    """When the power was off for a swap, and the meter that hangs there now; without times when the swap made no outage."""

    order_id: str
    gsrn: str
    meter_number: str | None = None
    off_at: At | None = None
    on_at: At | None = None
    version: int


class Stored(msgspec.Struct, frozen=True):
    """The answer: its own name for what it stored, and a status when it did not store it."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    status: str | None = None
