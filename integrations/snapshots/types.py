"""A list's head and its records, as they stand on the wire (camelCase there)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

At = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$(?!\n)")]
Word = Annotated[str, msgspec.Meta(max_length=120, pattern=r"^[^\x00-\x1f]*$(?!\n)")]
WorkState = Literal["OPEN", "DONE", "FAILED", "CANCELLED"]


class Head(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """What the list is of, when it was taken, and what follows: count records with this digest."""

    snapshot: Name
    list: Name
    kind: Literal["FULL", "DELTA"]
    taken_at: At
    since: At | None = None
    count: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Record(msgspec.Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """One thing that the system has; which fields it has depends on the list."""

    id: Name
    version: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    meter_number: Word | None = None
    old_meter_number: Word | None = None
    new_meter_number: Word | None = None
    final_state: Word | None = None
    state: WorkState | None = None
    changed_at: At | None = None

    def facts(self, list_name: str) -> str | None:
        """What is compared beside the version, in one text; None where nothing is."""
        match list_name:
            case "orders":
                return self.state
            case "stock":
                return None
            case "meter-changes":
                return f"{self.old_meter_number or ''}>{self.new_meter_number or ''}"
            case "completions":
                return f"{self.final_state or ''} {self.meter_number or ''}".strip()
            case _:
                return self.meter_number or ""
