"""Reconciliation: whose lists are compared with what, and what a difference can be (REQ-35).

A system is a partner with the orders that it got, a downstream system with what it was told, the
head-end with the meters that it reads, or a partner's stock of meters.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from app.domain import lanes

HEAD_END = "head_end"
_STOCK = "stock."


class DifferenceKind(StrEnum):
    """MISSING: they lack what they had confirmed. EXTRA: they have what we never gave them.

    DIFFERENT: they have it otherwise. LATE: it is on its way, held, given up or in doubt.
    """

    MISSING = "MISSING"
    EXTRA = "EXTRA"
    DIFFERENT = "DIFFERENT"
    LATE = "LATE"


class DifferenceReason(StrEnum):
    """Why it is a difference; those of LATE are the states of the outbox item that did not arrive."""

    NOT_THERE = "NOT_THERE"
    UNKNOWN_TO_US = "UNKNOWN_TO_US"
    TWICE = "TWICE"
    OLDER_VERSION = "OLDER_VERSION"
    NEWER_VERSION = "NEWER_VERSION"
    OTHER_CONTENT = "OTHER_CONTENT"
    OTHER_STATE = "OTHER_STATE"
    ACK_MISSING = "ACK_MISSING"
    READY = "READY"
    CLAIMED = "CLAIMED"
    HELD = "HELD"
    DEAD = "DEAD"
    UNKNOWN = "UNKNOWN"


class SnapshotFault(StrEnum):
    """Why a list was not used; nothing was changed by it.

    STALE is no fault: a newer list has been compared already.
    """

    UNREACHABLE = "UNREACHABLE"
    HEAD_BAD = "HEAD_BAD"
    OTHER_LIST = "OTHER_LIST"
    RECORD_BAD = "RECORD_BAD"
    COUNT_WRONG = "COUNT_WRONG"
    DIGEST_WRONG = "DIGEST_WRONG"
    TOO_LARGE = "TOO_LARGE"
    IN_FUTURE = "IN_FUTURE"
    DELTA_GAP = "DELTA_GAP"
    STALE = "STALE"
    INTERNAL = "INTERNAL"


# A repair sends again what we had sent, so it helps where that is missing, older or given up.
REPAIRABLE = frozenset(
    {DifferenceReason.NOT_THERE, DifferenceReason.OLDER_VERSION, DifferenceReason.DEAD}
)

# What each kind of system lists; the head of a list names it, so that none is taken for another.
_LISTS = {
    lanes.NIS: "devices",
    lanes.DMS: "swap-outages",
    lanes.BILLING: "meter-changes",
    lanes.CIS: "completions",
    HEAD_END: "meters",
}


class SystemUnknown(Exception):
    """There is no system of this name to compare with."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def list_name(system: str) -> str:
    """The name of the list that a system gives. Raises: SystemUnknown."""
    if lanes.partner_of(system):
        return "orders"
    if stock_of(system):
        return "stock"
    known = _LISTS.get(system)
    if known is None:
        raise SystemUnknown(system)
    return known


def stock_of(system: str) -> str | None:
    """The partner whose stock of meters the system is, or None."""
    return system[len(_STOCK) :] or None if system.startswith(_STOCK) else None


def systems(wanted: Iterable[str], partners: Iterable[str]) -> list[str]:
    """The systems that are compared: `partners` and `stock` stand for one of each partner given."""
    found: list[str] = []
    for name in sorted(set(wanted)):
        if name == "partners":
            found += [lanes.partner_lane(code) for code in partners]
        elif name == "stock":
            found += [_STOCK + code for code in partners]
        else:
            list_name(name)
            found.append(name)
    return found


def is_repairable(kind: str, reason: str, item_id: int | None) -> bool:
    """Whether sending again what we have for them can end the difference."""
    return item_id is not None and reason in REPAIRABLE and kind != DifferenceKind.EXTRA
