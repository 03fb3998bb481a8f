"""What the phone bulletin tells of each municipality: how many, until when, and how old that is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app.db import db, transaction
from app.queries.area_outages import AreaOutages, areas
from app.services import storms
from tests.services.fault_world import A, B, C, at, build_network, gsrn, meters, record, state

INKOO = gsrn(9)


def test_req_22_each_area_has_its_counts_estimate_and_time(network: None) -> None:
    state(record(points={A: None, B: 3}, etrAt=120), record(ref="F-2", points={C: None}, etrAt=90))
    state(record(ref="F-3", points={INKOO: None}))
    tampere, inkoo = _areas(10)
    assert (tampere.name.sv, tampere.fault_count, tampere.off_count) == ("Tammerfors", 2, 2)
    assert (tampere.etr_at, tampere.started_at) == (at(120), at(0))
    # One fault without an estimate leaves the area without one.
    assert (inkoo.name.sv, inkoo.etr_at) == ("Ingå", None)
    assert tampere.updated_at == at(6)


def test_req_22_what_nobody_has_updated_for_half_an_hour_is_marked(network: None) -> None:
    state(record(points={A: None}))
    assert [area.is_stale for area in _areas(36)] == [False]
    assert [area.is_stale for area in _areas(37)] == [True]


def test_req_06_a_past_estimate_and_req_08_one_kept_back_are_not_spoken(network: None) -> None:
    state(record(points={A: None}, etrAt=120))
    assert _areas(119)[0].etr_at == at(120)
    assert _areas(120)[0].etr_at is None
    with transaction() as session:
        number = storms.open_storm(session, "Jari", ["837"], at(20), by="staff:otso")
    assert (_areas(30)[0].etr_at, _areas(30)[0].storm_name) == (None, "Jari")
    with transaction() as session:
        storms.assess(session, number, at(40), by="staff:otso")
    assert (_areas(41)[0].etr_at, _areas(41)[0].storm_name) == (at(120), None)


def test_what_is_over_or_only_suspected_is_not_spoken(network: None) -> None:
    state(record(points={A: 5}, stated=6), minutes=7)
    meters((B, "LAST_GASP", 1), minutes=2)
    assert _areas(10) == []


def _areas(minutes: float) -> list[AreaOutages]:
    with transaction() as session:
        return areas(session, at(minutes))


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points in Tampere and one in Inkoo."""
    with app.app_context():
        build_network()
        build_network([INKOO], transformer="M149-0001", municipality="149")
        yield
        db.session.remove()
