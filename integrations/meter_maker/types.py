"""A delivery of meters as its maker tells of it (camelCase in JSON), with its bounds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

At = Annotated[datetime, Meta(tz=True)]
# In Python `$` would let a line feed pass behind the last sign, and no control character is stored.
Name = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^\x00-\x20\x7f]+$(?!\n)")]
Number = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[0-9A-Za-z./_-]+$(?!\n)")]
Word = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
Maker = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
Kind = Literal["ORDERED", "DELIVERED", "RETURNED", "SCRAPPED", "FAULTY", "LOST"]
ITEMS_MOST = 50_000


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Fields that are not known to us are passed over."""


class DeliveredMeter(_Wire, frozen=True, kw_only=True):
    """One meter: the number on its face, and the maker's own serial number."""

    number: Number
    serial: Number
    model: Word | None = None
    firmware: Word | None = None


class DeliveryHead(_Wire, frozen=True, kw_only=True):
    """What a delivery says once about all its meters.

    kind: what has become of them. partner: the code of the partner to whose stock they go; without
    one they go to our own. issued_at: an older word never undoes a newer one.
    """

    delivery_id: Name
    kind: Kind
    issued_at: At
    maker: Maker | None = None
    partner: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")] | None = None


class MeterDelivery(DeliveryHead, frozen=True, kw_only=True):
    """A delivery as one JSON object; described here for whoever sends, read item by item."""

    items: Annotated[list[DeliveredMeter], Meta(min_length=1, max_length=ITEMS_MOST)]
