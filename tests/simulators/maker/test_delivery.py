"""The simulated maker delivers the very meters that the simulated installer hangs."""

from __future__ import annotations

from datetime import UTC, datetime

from simulators.installer.ack_body import make_ack_body
from simulators.installer.job import Job
from simulators.maker.delivery import MODELS, make_meters

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_what_the_installer_hangs_was_delivered() -> None:
    delivered = {one["number"]: one["serial"] for one in make_meters("1234", 1, 5)}
    for model in MODELS:
        order = {"newMeter": {"allowedModels": [model]}}
        body = make_ack_body(Job("WO-1", "VM-1", order=order), "COMPLETED", NOW, "1234000003")
        hung = body["newMeter"]
        assert delivered[hung["number"]] == hung["serial"]


def test_the_forgotten_box_is_what_the_first_delivery_left_out() -> None:
    whole = [one["number"] for one in make_meters("1234", 1, 30)]
    first = [one["number"] for one in make_meters("1234", 1, 30, without_every=12)]
    rest = [
        one["number"] for one in make_meters("1234", 1, 30, without_every=12, only_without=True)
    ]
    assert sorted(first + rest) == sorted(whole)
    assert len(rest) == 2 * len(MODELS)
