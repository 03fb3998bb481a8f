"""The messages between a lane runner and the centre, as they stand on the wire (camelCase there).

Each request names its act inside the signed body, so that none can be used for another. Times are
aware; *WithinS are seconds from the answer on, so that no clock has to be right.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

At = Annotated[datetime, msgspec.Meta(tz=True)]
Short = Annotated[str, msgspec.Meta(max_length=200)]
Words = Annotated[str, msgspec.Meta(max_length=2000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]

ErrorName = Literal["Retryable", "Rejected", "LaneDown", "UnknownOutcome", "ContractBroken"]

CLAIM_MOST = 1_000
REPORTS_MOST = 500
# The largest file that a runner hands over; in base64 it is a third larger.
FILE_MOST_BYTES = 24 * 1024 * 1024
# The answer to a process whose journal another process has taken over.
REPLACED = "RUNNER_REPLACED"


class _Wire(msgspec.Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """Unknown fields are passed over: a newer side may say more."""


class Heartbeat(_Wire, frozen=True, kw_only=True, tag_field="act", tag="heartbeat"):
    """I am here; boot names the process, and first makes it the only one that may claim.

    ended: it stops by itself and holds nothing. missing: lanes of the zone that it cannot serve.
    """

    runner: UUID
    boot: UUID
    first: bool
    host: Short
    version: Short
    started_at: At
    clock_offset_ms: int
    open: Count
    unreported: Count
    missing: list[Short] = []
    # Lanes of whose folders nothing can be fetched now, and why.
    troubles: Annotated[dict[Short, Words], msgspec.Meta(max_length=200)] = {}
    # What lies in folders of lanes and is never taken.
    left_alone: Annotated[dict[Short, Words], msgspec.Meta(max_length=200)] = {}
    # Systems whose lists cannot be fetched now, and why.
    list_troubles: Annotated[dict[Short, Words], msgspec.Meta(max_length=200)] = {}
    error: Words | None = None
    ended: bool = False


class ClaimAsked(_Wire, frozen=True, kw_only=True, tag_field="act", tag="claim"):
    """Give me up to `most` items of a lane; the same claim again is answered with the same items."""

    runner: UUID
    boot: UUID
    claim: UUID
    lane: Short
    most: Annotated[int, msgspec.Meta(ge=1, le=CLAIM_MOST)]


class Fault(_Wire, frozen=True, kw_only=True):
    """One thing that the receiver did not accept."""

    path: Words
    code: Words
    text: Words


class Report(_Wire, frozen=True, kw_only=True, omit_defaults=True):
    """How one attempt ended; error is the class of the error, see integrations/outcomes.py."""

    attempt: UUID
    end: Literal["SENT", "FAILED", "NOT_BEGUN", "DIED"]
    error: ErrorName | None = None
    why: Words | None = None
    ref: Words | None = None
    after_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None
    findings: Annotated[list[Fault], msgspec.Meta(max_length=50)] = []
    started_at: At | None = None
    finished_at: At | None = None


class Settlements(_Wire, frozen=True, kw_only=True, tag_field="act", tag="settle"):
    """Ends of attempts; each is judged alone, so a bad one keeps no other from being taken."""

    runner: UUID
    boot: UUID
    reports: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=REPORTS_MOST)]


class Standing(_Wire, frozen=True, kw_only=True):
    """What every answer says: our clock, and for how long what was claimed may still begin.

    Whatever was claimed under another lease than this one must not be begun any more.
    """

    now: At
    lease: int
    lease_within_s: float


class LaneState(_Wire, frozen=True, kw_only=True):
    """A lane of the zone; due: it has something that may leave now.

    paused: nothing of it may begin, whatever was claimed before.
    """

    name: str
    mode: Literal["once", "idempotent"]
    width: int
    due: bool
    paused: bool = False


class Folder(_Wire, frozen=True, kw_only=True):
    """Folders on the server of a lane's partner into which it lays files for us.

    quiet_s: how long a file has to look the same before it is taken. Larger ones than most_bytes are
    told without their content.
    """

    lane: str
    document: Literal["ack", "delivery"]
    inbox: str
    processing: str
    archive: str
    quarantine: str
    quiet_s: float
    most_bytes: int


class ListFolder(_Wire, frozen=True, kw_only=True):
    """A folder on the server of a lane in which a system lays down its lists for reconciliation.

    A list has its name only once it is whole, so it is taken at once.
    """

    lane: str
    system: str
    inbox: str
    most_bytes: int


class ListAsked(_Wire, frozen=True, kw_only=True):
    """The list of a system that gives one by HTTP, wanted now; since: only what changed after that."""

    lane: str
    system: str
    most_bytes: int
    since: At | None = None


class Beat(_Wire, frozen=True, kw_only=True):
    """The answer to a heartbeat."""

    standing: Standing
    lanes: list[LaneState]
    folders: list[Folder] = []
    lists: list[ListFolder] = []
    asked: list[ListAsked] = []


class FileTold(_Wire, frozen=True, kw_only=True, tag_field="act", tag="file"):
    """A file that lay in a partner's folder, byte for byte; without a body it was too large to read.

    The same file again changes nothing. A list is packed by gzip, and says whose it is.
    """

    runner: UUID
    boot: UUID
    lane: Short
    document: Literal["ack", "delivery", "list"]
    name: Short
    size: Annotated[int, msgspec.Meta(ge=0)]
    body: bytes | None = None
    system: Short | None = None


class FileTaken(_Wire, frozen=True, kw_only=True):
    """What became of a file: STORED and DUPLICATE go to the archive, REFUSED to the quarantine."""

    standing: Standing
    result: Literal["STORED", "DUPLICATE", "REFUSED"]


class Item(_Wire, frozen=True, kw_only=True, omit_defaults=True):
    """One item to send; begin_within_s: later than that it must not be begun.

    adapter and account name the way to the recipient where a lane has several.
    """

    attempt: UUID
    key: str
    version: int
    kind: str
    payload: dict[str, Any]
    begin_within_s: float | None = None
    adapter: str | None = None
    account: str | None = None


class Claim(_Wire, frozen=True, kw_only=True):
    """The answer to a claim."""

    standing: Standing
    width: int
    items: list[Item]


class Result(_Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a report: all of these mean that it need not be sent again.

    APPLIED: it moved the item. RECORDED: it was too late to move it, and is on record. ALREADY: it
    was told before. UNKNOWN: no such attempt was handed to this zone. INVALID: it cannot be read.
    """

    attempt: str
    result: Literal["APPLIED", "RECORDED", "ALREADY", "UNKNOWN", "INVALID"]
    why: str | None = None


class Settled(_Wire, frozen=True, kw_only=True):
    """The answer to settlements, in their order."""

    standing: Standing
    results: list[Result]
