"""Partners, rules and orders for the tests of routing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.gsrn import check_digit
from app.models import Lane, Partner
from app.services import intake, outbox, rule_sets, runs
from app.services.outbox import Settlement
from app.services.rule_sets import RuleValues
from app.services.slices import Slice, SliceResult
from integrations.cis.types import CisWorkOrder, ParsedOrder

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
AGO = datetime(2020, 1, 1, tzinfo=UTC)
KEY = "partner-key"


def add_partner(session: Session, code: str = "piiri", **changes: Any) -> None:
    """A second contractor with a lane of its own."""
    facts = {
        "code": code,
        "name": f"{code.title()} Oy",
        "transport": "REST",
        "base_url": "http://127.0.0.1:9/piiri",
        "order_types": [],
        "created_at": NOW,
        **changes,
    }
    session.add(Partner(**facts))
    session.add(
        Lane(
            name=f"partner.{code}",
            sends=True,
            mode="idempotent",
            in_flight_count=10,
            max_attempts=60,
        )
    )
    session.flush()


def values(name: str = "uusi", partner: str = "piiri", **more: Any) -> RuleValues:
    """A rule before everything else."""
    return RuleValues(name, more.pop("priority", 10), partner, more.pop("active_from", AGO), **more)


def draft_with(*rules: RuleValues, by: str = "staff:aino", now: datetime = NOW) -> int:
    """A draft of the rules in force and these."""
    with transaction() as session:
        number = rule_sets.begin_draft(session, by=by, now=now).number
        for one in rules:
            rule_sets.save_rule(session, number, None, one, by=by, now=now)
    return number


def put_in_force(*rules: RuleValues, now: datetime = NOW) -> int:
    """The same, activated by a second person."""
    number = draft_with(*rules, now=now)
    with transaction() as session:
        rule_sets.submit(session, number, "uusi urakoitsija", by="staff:aino", now=now)
        rule_sets.activate(session, number, by="staff:otso", now=now)
    return number


def gsrn_of(number: int) -> str:
    """A valid GSRN of the test range."""
    first = f"6499990{number:010d}"
    return first + check_digit(first)


def an_order(number: int = 1, **changes: Any) -> ParsedOrder:
    """An order that no default rule takes, as the CIS sends it."""
    facts = {
        "order_id": f"A-{number}",
        "revision": 1,
        "action": "NEW",
        "order_type_code": "HUO",
        "gsrn": gsrn_of(number),
        "physical_status": "AE01",
        "street_name": "Koivutie",
        "house_number": "12",
        "postal_code": "33100",
        "municipality_code": "837",
        "language": "fi",
        **changes,
    }
    return ParsedOrder(number, CisWorkOrder(**facts), facts["order_id"])


def a_swap(number: int = 1, **changes: Any) -> ParsedOrder:
    """A mass installer's order: the default rules send it to voima."""
    facts = {"order_type_code": "MVM", "required_model": "6534", "old_meter_number": "5530-1"}
    return an_order(number, **{**facts, **changes})


def take(orders: Sequence[ParsedOrder], message_id: int = 1, now: datetime = NOW) -> SliceResult:
    """Take orders as intake does."""
    with transaction() as session:
        run_id = runs.start_run(session, "intake", "test", now)
        lists = intake.load_lists(session, KEY, now)
        session.execute(
            text(
                "INSERT INTO inbound_message (id, source, kind, name, body_hash, size_bytes, state,"
                " counts, attempts, next_at, received_at) OVERRIDING SYSTEM VALUE"
                " VALUES (:id, 'cis', 'CIS_FILE', 'f', :hash, 1, 'INTERPRETED', '{}', 0, :now, :now)"
                " ON CONFLICT DO NOTHING"
            ),
            {"id": message_id, "hash": str(message_id), "now": now},
        )
        return intake.take_slice(session, Slice(message_id, run_id, now, lists), orders)


def deliver(lane: str) -> None:
    """What waits in the lane of a partner arrives there."""
    with transaction() as session:
        items = outbox.claim(session, lane, 1, 10, NOW, 120)
        done = [Settlement(item, None, "SENT", "SENT", NOW, NOW) for item in items]
        outbox.settle(session, 1, done, NOW, 60)
