"""However a day's acknowledgements arrive, shuffled and repeated, the same rows are left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import db, transaction
from tests.field_work import NEW_METER, add_order, arrive, at, gsrn, make_ack

Ack = dict[str, Any]

DONE = (
    make_ack("ACCEPTED", -300),
    make_ack("SCHEDULED", -200),
    make_ack("STARTED", 0),
    make_ack("COMPLETED", 20),
)
CORRECTED = make_ack("CORRECTED", 40)
CORRECTED["oldMeter"]["readings"][0]["value"] = 41_756
WITH_CORRECTION = (*DONE[2:], CORRECTED)
OTHER_METER = make_ack("CORRECTED", 40)
OTHER_METER["newMeter"]["number"] = "6534-99"
OTHER_METER["oldMeter"]["number"] = "5530-mistyped"
WITH_OTHER_METERS = (*DONE[2:], OTHER_METER)
TWO_VISITS = (
    make_ack("STARTED", 0),
    make_ack("FAILED", 10, outage={"onAt": at(10).isoformat()}),
    make_ack("STARTED", 200),
    make_ack("COMPLETED", 220, outage={"onAt": at(220).isoformat()}),
)
SECOND_VISIT_WITHOUT_CUT = (
    make_ack("STARTED", 0),
    make_ack("FAILED", 10, outage={"onAt": at(10).isoformat()}),
    make_ack("STARTED", 200, outage={"noOutage": True}),
    make_ack("COMPLETED", 220, outage={"noOutage": True}),
)
TAKEN_BACK = (
    make_ack("STARTED", 0),
    make_ack("COMPLETED", 20),
    make_ack("CORRECTED", 40, failure={"reasonCode": "TECH_BOARD"}, newMeter=None),
)


@pytest.mark.parametrize(
    "day",
    [DONE, WITH_CORRECTION, WITH_OTHER_METERS, TWO_VISITS, SECOND_VISIT_WITHOUT_CUT, TAKEN_BACK],
    ids=["done", "corrected", "other meters", "two visits", "no second cut", "taken back"],
)
def test_every_order_of_arrival_ends_in_the_same_rows(tables: Flask, day: tuple[Ack, ...]) -> None:
    straight = _rows_after(day)
    for order in permutations(day):
        assert _rows_after(order) == straight


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_shuffled_and_repeated_at_random_they_end_in_the_same_rows(
    tables: Flask, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from([DONE, WITH_CORRECTION, TWO_VISITS, TAKEN_BACK]))
    repeats = data.draw(st.lists(st.sampled_from(day), max_size=6))
    assert _rows_after(data.draw(st.permutations([*day, *repeats]))) == _rows_after(day)


def test_swaps_of_one_point_reported_in_any_order_leave_the_same_register(tables: Flask) -> None:
    chain = {
        order_id: _swap(order_id, minutes, old, new)
        for order_id, minutes, old, new in (
            ("WO-1", 20, "5530-77", "m1"),
            ("WO-2", 80, "m1", "m2"),
            ("WO-3", 140, "m2", "m3"),
        )
    }
    ends = []
    for order in permutations(chain):
        _clear()
        with transaction() as session:
            for order_id in chain:
                add_order(session, order_id, old_meter_number=chain[order_id]["oldMeter"]["number"])
        for minute, order_id in enumerate(order):
            arrive(chain[order_id], 230 + minute)
        rows = _compared()
        ends.append((rows["meter"], rows["placement"]))
        # The NIS knows the point alone: the newest version must name the meter that hangs there.
        devices = _devices()
        versions = [version for version, _ in devices]
        assert versions == sorted(set(versions))
        assert devices[-1][1] == "m3"
    assert all(end == ends[0] for end in ends)
    meters, placements = ends[0]
    states = {number: (state, gsrn_) for number, state, gsrn_, *_ in meters}
    assert states == {
        "5530-77": ("REMOVED", None),
        "m1": ("REMOVED", None),
        "m2": ("REMOVED", None),
        "m3": ("INSTALLED", gsrn()),
    }
    assert [row[0] for row in placements] == ["5530-77", "m1", "m2", "m3"]


def _devices() -> list[tuple[int, str]]:
    """Version and meter of what the NIS gets, in the order in which it leaves."""
    with transaction() as session:
        rows = session.execute(
            text(
                "SELECT version, payload->>'meterNumber' FROM outbox_item"
                " WHERE lane = 'nis' AND state <> 'CANCELLED' ORDER BY id"
            )
        )
        return [(version, number) for version, number in rows]


def _swap(order_id: str, minutes: float, old: str, new: str) -> Ack:
    ack = make_ack("COMPLETED", minutes, order_id=order_id)
    ack["oldMeter"]["number"] = old
    ack["newMeter"]["number"] = new
    return ack


def test_the_rows_that_are_compared_say_what_they_should(tables: Flask) -> None:
    rows = _rows_after(WITH_CORRECTION)
    assert rows["order"] == [("CORRECTED", 1)]
    assert rows["outage"] == [("CLOSED", at(-1), at(40))]
    assert [lane for lane, _ in rows["outbox"]] == ["billing", "cis", "dms", "nis"]
    assert [number for number, *_ in rows["meter"]] == ["5530-77", NEW_METER]
    assert rows["notice"] == [("METER_SWAP_DONE",), ("METER_SWAP_STARTED",)]


_COMPARED = {
    "order": "SELECT state, attempts FROM work_order",
    "outage": "SELECT o.state, p.off_at, p.on_at FROM outage o"
    " JOIN outage_point p ON p.outage_id = o.id",
    "meter": "SELECT number, state, gsrn, serial, installed_at, removed_at FROM meter"
    " ORDER BY number",
    "placement": "SELECT meter_number, gsrn, installed_at, removed_at, installed_by_order,"
    " removed_by_order FROM meter_placement ORDER BY meter_number, removed_at",
    "reading": "SELECT meter_number, register, value, read_at FROM meter_reading"
    " ORDER BY meter_number, register, read_at",
    # The newest message to each system counts. Under which version it leaves depends on what that
    # system had been told before: what is the same to it is not told again.
    "outbox": "SELECT DISTINCT ON (lane) lane, payload - 'version' FROM outbox_item"
    " WHERE lane IN ('cis', 'nis', 'dms', 'billing') AND state <> 'CANCELLED'"
    " ORDER BY lane, version DESC",
    "notice": "SELECT DISTINCT type FROM notice ORDER BY type",
    "alarm": "SELECT kind FROM alarm WHERE closed_at IS NULL ORDER BY kind",
}


def _rows_after(acks: Sequence[Ack]) -> dict[str, list[tuple[Any, ...]]]:
    """Begin the day anew, let the acknowledgements arrive one a minute after all happened, look."""
    _clear()
    with transaction() as session:
        add_order(session)
    for minute, ack in enumerate(acks):
        arrive(ack, 230 + minute)
    return _compared()


def _clear() -> None:
    with transaction() as session:
        # Some hundred times over, deleting a few rows is much quicker than truncating.
        for table in _TOUCHED:
            session.execute(text(f"DELETE FROM {table}"))


def _compared() -> dict[str, list[tuple[Any, ...]]]:
    with transaction() as session:
        return {
            name: [tuple(row) for row in session.execute(text(statement))]
            for name, statement in _COMPARED.items()
        }


_TOUCHED = (
    "ack",
    "alarm",
    "audit_entry",
    "preference",
    "contact",
    "occupancy",
    "customer",
    "inbound_message",
    "meter",
    "meter_placement",
    "meter_reading",
    "metering_point",
    "notice",
    "outage_point",
    "outage",
    "outbox_item",
    "step",
    "visit",
    "run",
    "work_order",
    "work_order_change",
)


@pytest.fixture
def tables(app: Flask) -> Iterator[Flask]:
    """The application's context; the rows are made anew for each arrival."""
    with app.app_context():
        yield app
        db.session.remove()
