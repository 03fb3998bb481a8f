"""The order that goes to an installer, as it stands on the wire (camelCase there).

Units: times are aware and travel with their offset; dueDate is a day in Europe/Helsinki.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

At = Annotated[datetime, msgspec.Meta(tz=True)]
Action = Literal["NEW", "UPDATE", "CANCEL"]


class _Wire(
    msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True, gc=False
):
    """What is not known stays away from the wire instead of travelling as null."""


class Address(_Wire, frozen=True, kw_only=True):
    street_name: str | None = None
    house_number: str | None = None
    staircase: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    post_office: str | None = None
    municipality_code: str | None = None


class Location(_Wire, frozen=True, kw_only=True):
    lat: float
    lon: float


class Site(_Wire, frozen=True, kw_only=True):
    gsrn: str
    local_code: str | None = None
    address: Address | None = None
    location: Location | None = None
    meter_place: str | None = None
    access_note: str | None = None
    # Only for partners that have the right to keys and door codes.
    key_info: str | None = None
    presence_required: bool | None = None
    dwelling: str | None = None


class Contact(_Wire, frozen=True, kw_only=True):
    name: str | None = None
    phone: str | None = None
    language: Literal["fi", "sv", "en"] | None = None
    preferred_channel: str | None = None


class LastReading(_Wire, frozen=True, kw_only=True):
    value: float
    unit: str
    at: At | None = None


class OldMeter(_Wire, frozen=True, kw_only=True):
    number: str | None = None
    model: str | None = None
    phases: int | None = None
    last_reading: LastReading | None = None
    multiplier: float | None = None
    seals: list[str] | None = None


class NewMeter(_Wire, frozen=True, kw_only=True):
    allowed_models: list[str] | None = None
    comm_type: str | None = None
    multiplier: float | None = None


class Schedule(_Wire, frozen=True, kw_only=True):
    window_from: At | None = None
    window_to: At | None = None
    due_date: date | None = None
    booked_by: str | None = None


class Callbacks(_Wire, frozen=True, kw_only=True):
    ack_url_name: str
    ack_token: str


class InstallerOrder(_Wire, frozen=True, kw_only=True):
    """One revision of one order; a cancellation may leave out everything that is optional."""

    # Always on the wire, also when it is what a reader would assume.
    action: Action
    order_id: str
    revision: int
    order_type: str
    mass_order_id: str | None = None
    wave: str | None = None
    priority: int | None = None
    site: Site | None = None
    contact: Contact | None = None
    old_meter: OldMeter | None = None
    new_meter: NewMeter | None = None
    schedule: Schedule | None = None
    callbacks: Callbacks | None = None


class Accepted(msgspec.Struct, rename="camel", frozen=True):
    """The installer's answer: its own name for the order."""

    partner_ref: Annotated[
        str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
    ]
