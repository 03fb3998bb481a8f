"""The billing system: what it gets, and what its answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from integrations.billing.client import BillingClient
from integrations.billing.codec import KIND, build_meter_change
from integrations.billing.codes import ANSWER_STATUSES, STATUSES
from integrations.billing.types import MeterChange, NewMeter, OldMeter, Reading
from integrations.outcomes import (
    AlreadyDone,
    CallError,
    ContractBroken,
    HttpTarget,
    LaneDown,
    Rejected,
    Retryable,
    Sent,
)
from tests.integrations.outcome_of_call import outbound, outcome
from tests.integrations.stub_server import Behaviour, Raw, Reply, StubServer

AT = datetime(2026, 1, 5, 9, 40, tzinfo=UTC)


def reading(value: float) -> Reading:
    return Reading(register="1.8.0", value=value, unit="kWh", read_at=AT, source="DISPLAY")


CHANGE = build_meter_change(
    MeterChange(
        order_id="T1",
        gsrn="649999000000000013",
        changed_at=AT,
        old_meter=OldMeter(
            number="5530001",
            final_readings=[reading(12345.678)],
        ),
        new_meter=NewMeter(
            number="65340001",
            start_readings=[reading(0)],
            multiplier=1,
        ),
        version=7,
    )
)


def send(*answers: Reply | Raw | str) -> Sent | CallError:
    with StubServer(*answers) as stub:
        return outcome(
            lambda: BillingClient(HttpTarget(stub.url, "t")), outbound(CHANGE, kind=KIND)
        )


def test_a_meter_change_on_the_wire() -> None:
    with StubServer(Reply(201, {"ref": "B-1"})) as stub:
        ended = outcome(
            lambda: BillingClient(HttpTarget(stub.url, "t")), outbound(CHANGE, key="billing-T1-7")
        )
    assert ended == Sent(ref="B-1")
    [request] = stub.received
    assert (request.method, request.path) == ("PUT", "/meter-changes/T1")
    assert request.headers["idempotency-key"] == "billing-T1-7"
    same = {"register": "1.8.0", "unit": "kWh", "readAt": "2026-01-05T09:40:00Z"}
    assert json.loads(request.body) == {
        "orderId": "T1",
        "gsrn": "649999000000000013",
        "changedAt": "2026-01-05T09:40:00Z",
        "oldMeter": {
            "number": "5530001",
            "finalReadings": [{**same, "value": 12345.678, "source": "DISPLAY"}],
        },
        "newMeter": {
            "number": "65340001",
            "startReadings": [{**same, "value": 0, "source": "DISPLAY"}],
            "multiplier": 1,
        },
        "version": 7,
    }


def test_a_removal_has_no_new_meter() -> None:
    change = MeterChange(
        order_id="T1", gsrn="1", changed_at=AT, old_meter=OldMeter(number="5530001"), version=1
    )
    assert set(build_meter_change(change)) == {
        "orderId",
        "gsrn",
        "changedAt",
        "oldMeter",
        "version",
    }


def test_an_ignored_older_version_is_already_done() -> None:
    ended = send(Reply(200, {"ref": "B-1", "status": "IGNORED_OLDER"}))
    assert isinstance(ended, AlreadyDone)
    assert ended.ref == "B-1"


def test_the_table_of_answers_row_by_row() -> None:
    assert {
        401: LaneDown,
        403: LaneDown,
        408: Retryable,
        409: Rejected,
        422: Rejected,
        429: Retryable,
    } == STATUSES
    assert {"IGNORED_OLDER": AlreadyDone} == ANSWER_STATUSES


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_each_row_of_the_table_holds_on_the_wire(status: int, kind: type[CallError]) -> None:
    assert type(send(Reply(status, b""))) is kind


@pytest.mark.parametrize(
    "body", [b"", b"<html>", [], {}, {"ref": ""}, {"ref": 5}, {"ref": "a", "status": "WHAT"}]
)
def test_a_2xx_that_is_not_as_agreed_goes_to_an_operator(body: object) -> None:
    assert isinstance(send(Reply(200, body)), ContractBroken)


def test_an_answer_that_is_lost_may_be_tried_again() -> None:
    assert isinstance(send(Behaviour.DROP_AFTER), Retryable)


def test_a_payload_without_its_id_is_rejected_before_any_call() -> None:
    with StubServer(Reply(200)) as stub:
        ended = outcome(lambda: BillingClient(HttpTarget(stub.url, "t")), outbound({"version": 1}))
    assert isinstance(ended, Rejected)
    assert stub.received == []
