"""An acknowledgement as it arrives from an installer (camelCase on the wire), with its bounds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

AckType = Literal[
    "ACCEPTED",
    "REJECTED",
    "SCHEDULED",
    "RESCHEDULED",
    "EN_ROUTE",
    "STARTED",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CORRECTED",
]

At = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=40)]
Word = Annotated[str, Meta(max_length=60)]
Text = Annotated[str, Meta(max_length=200)]
Notes = Annotated[str, Meta(max_length=500)]
Register = Annotated[str, Meta(min_length=1, max_length=20)]
Unit = Annotated[str, Meta(min_length=1, max_length=10)]
ReasonCode = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{1,39}$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
# A reading has at most nine digits before the point; more is a slip of the finger.
ReadingValue = Annotated[float, Meta(ge=0, lt=1e9)]
Factor = Annotated[float, Meta(gt=0, le=1e6)]
Minutes = Annotated[int, Meta(ge=0, le=7 * 24 * 60)]


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Fields that are not known to us are passed over."""


class AckSchedule(_Wire, frozen=True, kw_only=True):
    from_: At = msgspec.field(name="from")
    to: At
    agreed_with_customer: bool | None = None


class AckOutage(_Wire, frozen=True, kw_only=True):
    off_at: At | None = None
    on_at: At | None = None
    planned_minutes: Minutes | None = None
    no_outage: bool | None = None


class AckFailure(_Wire, frozen=True, kw_only=True):
    reason_code: ReasonCode
    text: Notes | None = None
    next_try: At | None = None


class Reading(_Wire, frozen=True, kw_only=True):
    register: Register
    value: ReadingValue
    unit: Unit
    read_at: At
    source: Literal["DISPLAY", "PHOTO", "ESTIMATE"]


Readings = Annotated[list[Reading], Meta(max_length=32)]


class AckOldMeter(_Wire, frozen=True, kw_only=True):
    number: Name | None = None
    readings: Readings = []
    seal_broken: bool | None = None
    condition: Word | None = None
    disposal: Word | None = None


class AckNewMeter(_Wire, frozen=True, kw_only=True):
    number: Name | None = None
    serial: Word | None = None
    model: Name | None = None
    firmware: Word | None = None
    readings: Readings = []
    multiplier: Factor | None = None
    ct_ratio: Word | None = None
    seals: Annotated[list[Name], Meta(max_length=20)] = []
    breaker_state: Word | None = None
    han_state: Word | None = None


class AckSite(_Wire, frozen=True, kw_only=True):
    meter_place: Word | None = None
    main_fuse: Word | Annotated[float, Meta(ge=0, le=10_000)] | None = None
    phases: Literal[1, 2, 3] | None = None
    access_note: Notes | None = None
    address_fix: Text | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=1e6)] | None = None


class Photo(_Wire, frozen=True, kw_only=True):
    kind: Literal["OLD_READING", "NEW_METER", "BOARD", "SEAL"]
    sha256: Sha256
    taken_at: At | None = None
    ref: Text | None = None


class CommTest(_Wire, frozen=True, kw_only=True):
    ok: bool
    at: At | None = None
    signal: Word | Annotated[float, Meta(ge=-1000, le=1000)] | None = None


class InstallerAck(_Wire, frozen=True, kw_only=True):
    """One fact that an installer reports about one order, exactly as reported."""

    ack_id: UUID
    order_id: Name
    revision: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    type: AckType
    occurred_at: At
    reported_at: At
    partner_ref: Text | None = None
    installer_id: Word | None = None
    crew: Word | None = None
    schedule: AckSchedule | None = None
    outage: AckOutage | None = None
    failure: AckFailure | None = None
    old_meter: AckOldMeter | None = None
    new_meter: AckNewMeter | None = None
    site: AckSite | None = None
    photos: Annotated[list[Photo], Meta(max_length=40)] = []
    comm_test: CommTest | None = None
    customer_present: bool | None = None
    notes: Notes | None = None
