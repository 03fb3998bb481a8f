"""The NIS: what it gets, and what its answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from integrations.nis.client import NisClient
from integrations.nis.codec import KIND, build_device
from integrations.nis.codes import ANSWER_STATUSES, STATUSES
from integrations.nis.types import NisDevice
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

DEVICE = build_device(
    NisDevice(
        gsrn="649999000000000013",
        meter_number="65340001",
        model="6534",
        installed_at=datetime(2026, 1, 5, 9, 40, tzinfo=UTC),
        main_fuse_a=25,
        phases=3,
        version=7,
    )
)


def send(*answers: Reply | Raw | str) -> Sent | CallError:
    with StubServer(*answers) as stub:
        return outcome(lambda: NisClient(HttpTarget(stub.url, "t")), outbound(DEVICE, kind=KIND))


def test_a_device_on_the_wire() -> None:
    with StubServer(Reply(201, {"ref": "N-1"})) as stub:
        ended = outcome(
            lambda: NisClient(HttpTarget(stub.url, "t")), outbound(DEVICE, key="nis-T1-7")
        )
    assert ended == Sent(ref="N-1")
    [request] = stub.received
    assert (request.method, request.path) == ("PUT", "/devices/649999000000000013")
    assert request.headers["idempotency-key"] == "nis-T1-7"
    assert json.loads(request.body) == {
        "gsrn": "649999000000000013",
        "meterNumber": "65340001",
        "model": "6534",
        "installedAt": "2026-01-05T09:40:00Z",
        "mainFuseA": 25,
        "phases": 3,
        "version": 7,
    }


def test_what_is_not_known_is_not_on_the_wire() -> None:
    device = NisDevice(
        gsrn="1", meter_number="2", installed_at=datetime(2026, 1, 5, tzinfo=UTC), version=1
    )
    assert set(build_device(device)) == {"gsrn", "meterNumber", "installedAt", "version"}


def test_an_ignored_older_version_is_already_done() -> None:
    ended = send(Reply(200, {"ref": "N-1", "status": "IGNORED_OLDER"}))
    assert isinstance(ended, AlreadyDone)
    assert ended.ref == "N-1"


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
        ended = outcome(lambda: NisClient(HttpTarget(stub.url, "t")), outbound({"version": 1}))
    assert isinstance(ended, Rejected)
    assert stub.received == []
