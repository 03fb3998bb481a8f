"""What a delivery does to a meter: forward only, along the table, whatever came before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.meter_stock import (
    DeliveryKind,
    ItemVerdict,
    KnownMeter,
    StockItem,
    decide_item,
    path_to,
)
from app.domain.states import METER_MOVES, MeterState

K, S, V = DeliveryKind, MeterState, ItemVerdict
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def known(
    state: MeterState,
    *,
    serial: str | None = "AID1",
    stock: str | None = None,
    told_at: datetime | None = NOON,
) -> KnownMeter:
    return KnownMeter(serial, state, stock, told_at)


def item(
    *, serial: str = "AID1", stock: str | None = None, issued_at: datetime = NOON + HOUR
) -> StockItem:
    return StockItem("6534-1", serial, stock, issued_at)


@pytest.mark.parametrize(
    ("kind", "stock", "before", "path"),
    [
        (K.ORDERED, None, None, (S.ORDERED,)),
        (K.DELIVERED, None, None, (S.DELIVERED,)),
        (K.DELIVERED, "voima", None, (S.DELIVERED, S.ALLOCATED)),
        (K.DELIVERED, None, known(S.ORDERED), (S.DELIVERED,)),
        (K.DELIVERED, "voima", known(S.ORDERED), (S.DELIVERED, S.ALLOCATED)),
        (K.DELIVERED, "voima", known(S.DELIVERED), (S.ALLOCATED,)),
        (K.DELIVERED, "voima", known(S.ALLOCATED, stock="itä"), (S.DELIVERED, S.ALLOCATED)),
        (K.DELIVERED, None, known(S.ALLOCATED, stock="voima"), (S.DELIVERED,)),
        (K.RETURNED, None, known(S.REMOVED), (S.RETURNED,)),
        (K.SCRAPPED, None, known(S.RETURNED), (S.SCRAPPED,)),
        (K.FAULTY, None, known(S.ALLOCATED), (S.FAULTY,)),
        (K.LOST, None, known(S.DELIVERED), (S.LOST,)),
    ],
)
def test_a_delivery_moves_a_meter_along_its_table(
    kind: DeliveryKind, stock: str | None, before: KnownMeter | None, path: tuple[str, ...]
) -> None:
    change = decide_item(kind, item(stock=stock), before)
    assert (change.verdict, change.path) == (V.TAKEN, path)


@pytest.mark.parametrize("state", [S.INSTALLED, S.COMMUNICATING, S.REMOVED, S.RETURNED, S.SCRAPPED])
@pytest.mark.parametrize("stock", [None, "voima"])
def test_a_delivery_that_comes_after_the_work_never_takes_a_meter_down(
    state: MeterState, stock: str | None
) -> None:
    late = decide_item(K.DELIVERED, item(stock=stock), known(state, told_at=None))
    assert (late.verdict, late.path) == (V.LATE, ())
    again = decide_item(K.DELIVERED, item(stock=stock), known(state))
    assert (again.verdict, again.path) == (V.KNOWN, ())


def test_the_same_word_again_is_known_and_an_older_word_moves_nothing() -> None:
    allocated = known(S.ALLOCATED, stock="voima", told_at=NOON + HOUR)
    assert decide_item(K.DELIVERED, item(stock="voima"), allocated).verdict is V.KNOWN
    older = item(stock=None, issued_at=NOON)
    assert decide_item(K.DELIVERED, older, allocated) == decide_item(K.ORDERED, older, allocated)
    assert decide_item(K.LOST, older, allocated).verdict is V.KNOWN


@pytest.mark.parametrize(
    ("kind", "state"),
    [(K.SCRAPPED, S.INSTALLED), (K.RETURNED, S.INSTALLED), (K.SCRAPPED, S.DELIVERED)],
)
def test_what_the_table_does_not_allow_is_refused_with_its_code(
    kind: DeliveryKind, state: MeterState
) -> None:
    change = decide_item(kind, item(), known(state))
    assert change.verdict is V.REJECTED
    assert [str(finding.code) for finding in change.findings] == ["METER_STATE"]


def test_a_makers_second_serial_is_refused_and_an_installers_is_put_right() -> None:
    refused = decide_item(K.DELIVERED, item(serial="AID2"), known(S.DELIVERED))
    assert refused.verdict is V.REJECTED
    assert [str(finding.code) for finding in refused.findings] == ["METER_SERIAL_MISMATCH"]
    hung = known(S.INSTALLED, serial="WRONG", told_at=None)
    late = decide_item(K.DELIVERED, item(serial="AID2"), hung)
    assert (late.verdict, late.wrong_serial) == (V.LATE, True)


@pytest.mark.parametrize("kind", [K.RETURNED, K.SCRAPPED, K.FAULTY, K.LOST])
def test_nothing_can_be_said_of_a_meter_that_nobody_knows(kind: DeliveryKind) -> None:
    change = decide_item(kind, item(), None)
    assert [str(finding.code) for finding in change.findings] == ["METER_NOT_IN_STOCK"]


@given(
    st.sampled_from(list(K)),
    st.sampled_from([None, "voima", "itä"]),
    st.sampled_from(list(S)),
    st.sampled_from([None, "voima"]),
    st.sampled_from([None, NOON - HOUR, NOON, NOON + 2 * HOUR]),
)
def test_every_step_of_every_way_is_in_the_table(
    kind: DeliveryKind,
    stock: str | None,
    state: MeterState,
    known_stock: str | None,
    told_at: datetime | None,
) -> None:
    change = decide_item(kind, item(stock=stock), known(state, stock=known_stock, told_at=told_at))
    for before, after in pairwise((state, *change.path)):
        assert METER_MOVES.allow(before, after)
    assert (change.verdict is V.TAKEN) == bool(change.path)


def test_no_way_leads_through_a_wall() -> None:
    assert path_to(S.INSTALLED, S.SCRAPPED) is None
    assert path_to(S.DELIVERED, S.DELIVERED) == ()
