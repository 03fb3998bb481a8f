"""A planned cut as a planner's system asks for it (camelCase on the wire), with its bounds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

At = Annotated[datetime, Meta(tz=True)]
Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=120)]
Code = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{1,39}$")]
# Not checked further here: a wrong number becomes a finding and stops none of the others.
Number = Annotated[str, Meta(max_length=60)]
Part = Annotated[str, Meta(min_length=1, max_length=80)]
POINTS_MOST = 50_000


class PlannedCutRequest(
    msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True
):
    """One plan: reference is the planner's name of it, version grows with every change.

    Points are named by number, by feeder, by transformer, or by all of them. Fields that are not
    known to us are passed over.
    """

    reference: Reference
    version: Version
    name: Name
    from_: At = msgspec.field(name="from")
    to: At
    cause_code: Code
    points: Annotated[list[Number], Meta(max_length=POINTS_MOST)] = []
    feeder: Part | None = None
    transformer: Part | None = None
