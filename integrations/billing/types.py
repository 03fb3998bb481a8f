"""What the billing system gets and answers (camelCase on the wire).

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


class Reading(_Wire, frozen=True, kw_only=True):
    register: str
    value: float
    unit: str
    read_at: At
    source: str


class OldMeter(_Wire, frozen=True, kw_only=True):
    number: str | None = None
    final_readings: list[Reading] = []


class NewMeter(_Wire, frozen=True, kw_only=True):
    number: str
    start_readings: list[Reading] = []
    multiplier: float | None = None


class MeterChange(_Wire, frozen=True, kw_only=True):
    """One meter change with the readings that close the old account and open the new one."""

    order_id: str
    gsrn: str
    changed_at: At
    old_meter: OldMeter | None = None
    new_meter: NewMeter | None = None
    version: int


class Stored(msgspec.Struct, frozen=True):
    """The answer: its own name for what it stored, and a status when it did not store it."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    status: str | None = None
