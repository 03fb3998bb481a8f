"""Outages as the DMS states them to us (camelCase on the wire), with their bounds.

One record is one version of one outage, whole: what it does not say is not so. Faults and planned
cuts have the same form; `kind` tells them apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

At = Annotated[datetime, Meta(tz=True)]
Ref = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[!-~]+$")]
Name = Annotated[str, Meta(min_length=1, max_length=40)]
Gsrn = Annotated[str, Meta(pattern=r"^[0-9]{18}$")]
Code = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{1,39}$")]

POINTS_MOST = 200_000


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Fields that are not known to us are passed over."""


class DmsPoint(_Wire, frozen=True, kw_only=True):
    """One metering point: when its power went, else with the outage, and when it came back."""

    gsrn: Gsrn
    off_at: At | None = None
    on_at: At | None = None


class DmsOutage(_Wire, frozen=True, kw_only=True):
    """One version of one outage.

    stated_at: when the DMS made this version; etr_set_at: when somebody last set the estimate.
    started_at: when the power really went; a fault always has it, a planned cut once it has begun.
    points, or a feeder or transformer whose points are all meant. parent: the outage that this one
    became part of; split_from: the one that it was part of. planned_from and planned_to: of planned
    cuts, which always have them.
    """

    source_ref: Ref
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    kind: Literal["FAULT", "PLANNED"]
    state: Literal["DETECTED", "CONFIRMED", "FALSE_ALARM", "CLOSED", "CANCELLED"] = "CONFIRMED"
    stated_at: At
    started_at: At | None = None
    cause_code: Code | None = None
    etr_at: At | None = None
    etr_confidence: Literal["LOW", "MEDIUM", "HIGH"] | None = None
    etr_set_at: At | None = None
    restored_at: At | None = None
    planned_from: At | None = None
    planned_to: At | None = None
    points: Annotated[list[DmsPoint], Meta(max_length=POINTS_MOST)] = []
    feeder: Name | None = None
    transformer: Name | None = None
    parent: Ref | None = None
    split_from: Ref | None = None


class DmsMessage(_Wire, frozen=True, kw_only=True):
    """Outages that travel together; each is weighed by itself."""

    message_id: Ref | None = None
    sent_at: At | None = None
    outages: Annotated[list[DmsOutage], Meta(max_length=10_000)]
