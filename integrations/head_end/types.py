"""Meter events as the head-end sends them (camelCase on the wire), with their bounds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

At = Annotated[datetime, Meta(tz=True)]


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Fields that are not known to us are passed over."""


class MeterEvent(_Wire, frozen=True, kw_only=True):
    """A meter lost its power (its last gasp) or has it again.

    event_code: LAST_GASP or RESTORE, or the end-device event type of IEC 61968-9 for them.
    """

    gsrn: Annotated[str, Meta(pattern=r"^[0-9]{18}$")]
    meter: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    event_code: Literal["LAST_GASP", "RESTORE", "3.26.0.85", "3.26.0.216"]
    at: At


class MeterEvents(_Wire, frozen=True, kw_only=True):
    """Events that travel together."""

    message_id: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    events: Annotated[list[MeterEvent], Meta(min_length=1, max_length=50_000)]
