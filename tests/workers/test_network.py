"""The network lane reads what the DMS and meters sent; one bad record never stops the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import InboundFinding, InboundMessage, Run, Step
from app.services import feed_receipt, schedules
from app.settings import Settings
from tests.services.fault_world import A, B, at, build_network, fault, gsrn, record, times
from tests.services.world import scalar
from workers.network import interpret_network


def test_a_message_is_read_and_every_record_has_its_step(network: None) -> None:
    bad = record(ref="F-2", points={gsrn(99): None})
    number = _receive([record(points={A: None}), bad, {"sourceRef": "F-3"}])
    with transaction() as session:
        assert schedules.lanes_waiting(session, datetime.now(UTC)) == ["network"]
    _read()
    message = _message(number)
    assert (message.state, message.reason_code) == ("PARTLY", "POINTS_UNKNOWN")
    assert message.counts == {"APPLIED": 1, "REJECTED": 2}
    assert times(fault()) == {A: (0, None)}
    (run,) = db.session.execute(select(Run)).scalars()
    assert (run.process, run.state) == ("network", "PARTLY")
    steps = db.session.execute(select(Step).order_by(Step.id)).scalars().all()
    assert [(step.keys, step.state) for step in steps] == [
        (["F-1"], "APPLIED"),
        (["F-2"], "REJECTED"),
        (["F-3"], "REJECTED"),
    ]
    found = db.session.execute(select(InboundFinding.order_id, InboundFinding.code)).all()
    assert ("F-2", "POINTS_UNKNOWN") in [tuple(row) for row in found]


def test_lines_of_a_file_are_a_message_as_well(network: None) -> None:
    body = b"\n".join(
        json.dumps(one).encode()
        for one in (record(points={A: None}), record(ref="F-2", points={B: None}))
    )
    number = _store(body)
    _read()
    assert _message(number).counts == {"APPLIED": 2}


def test_reading_a_message_again_does_nothing(network: None) -> None:
    number = _receive([record(points={A: None})])
    _read()
    version = fault().version
    with transaction() as session:
        session.execute(text("UPDATE inbound_message SET state = 'STORED'"))
    _read()
    assert _message(number).counts == {"DUPLICATE": 1}
    assert fault().version == version
    assert scalar("SELECT count(*) FROM announcement") == 1


def test_what_is_no_message_is_rejected_with_its_reason(network: None) -> None:
    number = _store(b"%PDF-1.4")
    _read()
    message = _message(number)
    assert (message.state, message.reason_code) == ("REJECTED", "JSON_MALFORMED")


def test_a_fault_of_ours_leaves_only_the_culprit_and_is_tried_again(network: None) -> None:
    """Another kind of outage has taken the name, which nothing that we write does."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO outage (source, source_ref, kind, state, version, started_at,"
                " created_at, updated_at) VALUES ('DMS', 'F-2', 'METER_SWAP', 'OPEN', 1, now(),"
                " now(), now())"
            )
        )
    number = _receive(
        [
            record(points={A: None}),
            record(ref="F-2", points={A: None}),
            record(ref="F-3", points={B: None}),
        ]
    )
    _read()
    message = _message(number)
    assert (message.state, message.attempts) == ("STORED", 1)
    assert message.next_at > datetime.now(UTC)
    assert (times(fault()), times(fault("F-3"))) == ({A: (0, None)}, {B: (0, None)})


def test_meter_events_are_read(network: None) -> None:
    events = [
        {"gsrn": one, "eventCode": "LAST_GASP", "at": datetime.now(UTC).isoformat()}
        for one in (A, B, gsrn(99))
    ]
    number = _store(json.dumps({"events": events}).encode(), feed_receipt.METER_EVENTS)
    _read()
    assert _message(number).counts == {"APPLIED": 2, "REJECTED": 1}
    assert _message(number).state == "PARTLY"
    assert scalar("SELECT count(*) FROM outage WHERE source = 'METER'") == 1


def _receive(records: Sequence[dict[str, Any]]) -> int:
    return _store(json.dumps({"outages": list(records)}).encode())


def _store(body: bytes, kind: str = feed_receipt.DMS_OUTAGES) -> int:
    with transaction() as session:
        return feed_receipt.keep(
            session, source="dms", kind=kind, name="test", body=body, now=at(0)
        ).id


def _message(number: int) -> InboundMessage:
    with transaction() as session:
        return session.get_one(InboundMessage, number, populate_existing=True)


def _read() -> None:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    interpret_network(settings, 1, "test")


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points on one transformer."""
    with app.app_context():
        build_network()
        yield
        db.session.remove()
