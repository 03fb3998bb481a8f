"""A partner that has lost an order hears of it, whatever becomes of the order before the word has left."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from app.db import transaction
from app.models import OutboxItem
from app.services.outbox import claim
from tests.services.routing_world import NOW, a_swap, deliver, put_in_force, take, values

LATER = NOW + timedelta(hours=1)
ELSEWHERE = {"municipality_code": "091"}


def test_req_33_it_is_called_off_there_although_a_newer_revision_comes_first(piiri: None) -> None:
    _move_to_piiri()
    take([a_swap(1, revision=3, action="UPDATE", priority=1, **ELSEWHERE)], 3)
    assert _leaving() == [("voima", 2, "CANCEL"), ("piiri", 3, "NEW")]


def test_it_is_called_off_there_although_the_cis_calls_it_off_altogether(piiri: None) -> None:
    _move_to_piiri()
    take([a_swap(1, revision=3, action="CANCEL")], 3)
    # The other one has never heard of it.
    assert _leaving() == [("voima", 2, "CANCEL")]


def test_one_that_comes_back_is_new_there_behind_its_calling_off(piiri: None) -> None:
    _move_to_piiri()
    take([a_swap(1, revision=3, action="UPDATE")], 3)
    assert _leaving() == [("voima", 2, "CANCEL"), ("voima", 3, "NEW")]
    with transaction() as session:
        # One after the other, since both are about one metering point.
        assert [item.version for item in claim(session, "partner.voima", 2, 10, LATER, 60)] == [2]


def _move_to_piiri() -> None:
    """Voima has the order, and the next revision is for the other one."""
    take([a_swap(1)])
    deliver("partner.voima")
    put_in_force(values("piiri", municipality_codes=["091"]))
    take([a_swap(1, revision=2, action="UPDATE", **ELSEWHERE)], 2)
    assert _leaving() == [("voima", 2, "CANCEL"), ("piiri", 2, "NEW")]


def _leaving() -> list[tuple[str, int, str]]:
    with transaction() as session:
        items = session.scalars(
            select(OutboxItem).where(OutboxItem.state == "READY").order_by(OutboxItem.id)
        )
        return [
            (one.lane.removeprefix("partner."), one.version, str(one.payload["action"]))
            for one in items
        ]
