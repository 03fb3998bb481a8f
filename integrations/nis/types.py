"""What the NIS gets and answers (camelCase on the wire).

Units: times are aware and travel with their offset; fuses in ampere.
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


class NisDevice(_Wire, frozen=True, kw_only=True):
    """The device at one metering point from `installed_at` on; none from `removed_at` on."""

    gsrn: str
    meter_number: str | None = None
    model: str | None = None
    installed_at: At | None = None
    removed_at: At | None = None
    main_fuse_a: float | None = None
    phases: int | None = None
    version: int


class Stored(msgspec.Struct, frozen=True):
    """The answer: its own name for what it stored, and a status when it did not store it."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    status: str | None = None
