"""What a maker's or a warehouse's word about a meter does to what we know of it.

Deliveries come late, twice and in any order, beside reports from the field that are newer. So a
word never moves a meter back: what it tells of a meter that has gone further is kept as details.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode, Severity
from app.domain.states import METER_MOVES, MeterState, check_move


class DeliveryKind(StrEnum):
    """What one delivery says of all its meters; the names are those of the states it leads to."""

    ORDERED = "ORDERED"
    DELIVERED = "DELIVERED"
    RETURNED = "RETURNED"
    SCRAPPED = "SCRAPPED"
    FAULTY = "FAULTY"
    LOST = "LOST"


class ItemVerdict(StrEnum):
    """What became of one meter of a delivery.

    TAKEN: it counts. KNOWN: we had it so. LATE: the meter has gone further, its details are kept.
    REJECTED: it contradicts what we know, or cannot be read.
    """

    TAKEN = "TAKEN"
    KNOWN = "KNOWN"
    LATE = "LATE"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class StockItem:
    """One meter as a delivery names it; stock: whose stock it goes to, None is our own."""

    number: str
    serial: str | None
    stock: str | None
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class KnownMeter:
    """One meter as our register has it; told_at: of the latest delivery that spoke of it."""

    serial: str | None
    state: MeterState
    stock: str | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class StockChange:
    """What to do: the verdict, the states entered in order, and what was found.

    wrong_serial: the meter hangs under a serial number that its maker does not know.
    """

    verdict: ItemVerdict
    path: tuple[MeterState, ...] = ()
    findings: tuple[Finding, ...] = ()
    wrong_serial: bool = False


def decide_item(kind: DeliveryKind, item: StockItem, known: KnownMeter | None) -> StockChange:
    """Say what one meter of a delivery changes."""
    if known is None:
        return _first_word(kind, item)
    wrong = _differs(item.serial, known.serial)
    if wrong and known.told_at is not None:
        # A maker's own two words contradict each other; the first stays until a person looks.
        text = f"Meter {item.number} is known with serial {known.serial}."
        return _refused(RejectCode.METER_SERIAL_MISMATCH, "serial", text)
    text = f"It was reported with serial {known.serial}, its maker says {item.serial}."
    told = (find(RejectCode.METER_SERIAL_MISMATCH, "serial", text),) if wrong else ()
    incoming = kind in _INCOMING
    path = _path(kind, item, known)
    if path:
        return StockChange(ItemVerdict.TAKEN, path, told, wrong_serial=wrong)
    if path is None and not incoming:
        text = f"Meter {item.number} is {known.state} and cannot become {_target(kind, item)}."
        return _refused(RejectCode.METER_STATE, "number", text)
    if known.told_at is not None:
        return StockChange(ItemVerdict.KNOWN)
    return StockChange(ItemVerdict.LATE, (), told, wrong_serial=wrong)


def _path(kind: DeliveryKind, item: StockItem, known: KnownMeter) -> tuple[MeterState, ...] | None:
    """The states to enter; an older word than the last one enters none."""
    if known.told_at is not None and item.issued_at < known.told_at:
        return ()
    if kind in _INCOMING and known.state not in _STOCKED:
        return None
    target = _target(kind, item)
    if target is known.state is MeterState.ALLOCATED and item.stock != known.stock:
        # From one partner's stock to another's.
        return (MeterState.DELIVERED, MeterState.ALLOCATED)
    return path_to(known.state, target)


def path_to(from_state: str, target: MeterState) -> tuple[MeterState, ...] | None:
    """The states to enter on the way, none when it is there, None when there is no way forward.

    Only what lies in a stock goes through states by the way; nothing is hung or taken down by word.
    """
    if from_state == target:
        return ()
    ways: list[tuple[MeterState, ...]] = [()]
    seen = {from_state}
    while ways:
        way = ways.pop(0)
        here = way[-1] if way else from_state
        if METER_MOVES.allow(here, target):
            _check(from_state, (*way, target))
            return (*way, target)
        for state in _BY_THE_WAY:
            if state not in seen and METER_MOVES.allow(here, state) and here in _STOCKED:
                seen.add(state)
                ways.append((*way, state))
    return None


def _first_word(kind: DeliveryKind, item: StockItem) -> StockChange:
    if kind not in _INCOMING:
        text = f"Meter {item.number} is not in our register."
        return _refused(RejectCode.METER_NOT_IN_STOCK, "number", text)
    path = (MeterState.ORDERED,) if kind is DeliveryKind.ORDERED else (MeterState.DELIVERED,)
    target = _target(kind, item)
    return StockChange(ItemVerdict.TAKEN, path if path[-1] is target else (*path, target))


def _target(kind: DeliveryKind, item: StockItem) -> MeterState:
    if kind is DeliveryKind.DELIVERED and item.stock is not None:
        return MeterState.ALLOCATED
    return MeterState(kind.value)


def _check(state: str, path: tuple[MeterState, ...]) -> None:
    for step in path:
        check_move(METER_MOVES, state, step)
        state = step


def _differs(told: str | None, known: str | None) -> bool:
    return told is not None and known is not None and told != known


def _refused(code: RejectCode, path: str, text: str) -> StockChange:
    finding = find(code, path, text, severity=Severity.ERROR)
    return StockChange(ItemVerdict.REJECTED, (), (finding,))


_INCOMING = frozenset({DeliveryKind.ORDERED, DeliveryKind.DELIVERED})
_STOCKED = frozenset({MeterState.ORDERED, MeterState.DELIVERED, MeterState.ALLOCATED})
_BY_THE_WAY = (MeterState.DELIVERED,)
