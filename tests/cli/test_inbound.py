"""`flask inbound read-again` gives a held message back to its lane."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from app.db import transaction
from app.doorbell import lanes_ringing
from app.services import inbound
from tests.services.world import scalar


def test_a_held_message_is_read_again_from_the_start_and_that_is_audited(app: Flask) -> None:
    number = _hold(app)
    answer = app.test_cli_runner().invoke(args=["inbound", "read-again", str(number)])
    assert answer.exit_code == 0, answer.output
    with app.app_context():
        assert scalar("SELECT state FROM inbound_message") == "STORED"
        assert scalar("SELECT attempts FROM inbound_message") == 0
        assert scalar("SELECT reason_code FROM inbound_message") is None
        assert scalar("SELECT action FROM audit_entry") == "INBOUND_READ_AGAIN"
        assert lanes_ringing(["acks"]) == {"acks": 1}
    again = app.test_cli_runner().invoke(args=["inbound", "read-again", str(number)])
    assert again.exit_code == 1
    assert f"message {number} is not held" in again.output


def _hold(app: Flask) -> int:
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        stored = inbound.store_small(
            session, source="ack:voima", kind="ACK", name="WO-1 ACCEPTED", body=b"{}", now=now
        )
        for _ in range(5):
            state = inbound.postpone(session, stored.id, "ValueError", now)
        assert state == "HELD"
    return stored.id
