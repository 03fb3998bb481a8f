"""Intake takes good orders, keeps bad ones visible, and changes nothing when it reads again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.models import InboundFinding, MeteringPoint, OutboxItem, Run, WorkOrder, WorkOrderChange
from app.services import inbound, intake, runs, work_orders
from app.services.outbox import Claimed, Settlement, claim, give_back, settle
from app.services.slices import Slice, SliceResult
from integrations.cis.types import CisFinding, CisWorkOrder, ParsedOrder
from tests.services.world import add_customer, add_point

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
GSRN = "649999000000000013"
OTHER_GSRN = "649999000000000020"


def test_a_new_order_is_stored_routed_and_on_its_way_in_one_transaction(app: Flask) -> None:
    with app.app_context():
        result = _take(_order())
        assert dict(result.counts) == {"NEW": 1}
        with transaction() as session:
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert (order.state, order.partner_code) == ("ROUTED", "voima")
            assert "Mass replacement" in str(order.route_reason)
            item = session.scalars(select(OutboxItem)).one()
            assert (item.lane, item.dedupe_key, item.state) == ("partner.voima", "A-1-1", "READY")
            assert item.payload["site"]["gsrn"] == GSRN
            change = session.scalars(select(WorkOrderChange)).one()
            assert change.states == ["RECEIVED", "VALIDATED", "ROUTED"]
            assert session.get(MeteringPoint, GSRN) is not None


def test_reading_the_same_orders_again_writes_nothing(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        before = _everything()
        assert dict(_take(_order(), message_id=1).counts) == {"TAKEN_BEFORE": 1}
        assert dict(_take(_order(), message_id=2).counts) == {"DUPLICATE": 1}
        assert _everything() == before


def test_the_same_revision_with_other_content_is_a_conflict_and_changes_nothing(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        before = _everything()
        result = _take(_order(priority=1), message_id=2)
        assert dict(result.counts) == {"CONFLICT": 1}
        assert [str(r.finding.code) for r in result.refusals] == ["REVISION_CONFLICT"]
        assert _everything() == before


def test_a_newer_revision_replaces_what_has_not_left_yet(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        assert dict(_take(_order(revision=2, priority=1), message_id=2).counts) == {"UPDATE": 1}
        with transaction() as session:
            rows = session.scalars(select(OutboxItem).order_by(OutboxItem.id)).all()
            assert [(r.dedupe_key, r.state) for r in rows] == [
                ("A-1-1", "CANCELLED"),
                ("A-1-2", "READY"),
            ]
            # The partner never heard of the first revision, so this one is new to it.
            assert rows[1].payload["action"] == "NEW"
        assert dict(_take(_order(), message_id=3).counts) == {"STALE": 1}


def test_a_partner_that_has_the_order_hears_of_an_update_and_of_a_cancellation(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        _deliver()
        _take(_order(revision=2, priority=1), message_id=2)
        _deliver()
        result = _take(_order(revision=3, action="CANCEL"), message_id=3)
        assert dict(result.counts) == {"CANCEL": 1}
        with transaction() as session:
            rows = session.scalars(select(OutboxItem).order_by(OutboxItem.id)).all()
            assert [row.payload["action"] for row in rows] == ["NEW", "UPDATE", "CANCEL"]
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert order.state == "CANCELLED"
            # What a cancellation leaves out is not wiped from the order.
            assert order.partner_ref == "REF"


def test_an_order_that_never_left_is_cancelled_without_a_word_to_the_partner(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        _take(_order(revision=2, action="CANCEL"), message_id=2)
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).all() == ["CANCELLED"]


def test_an_order_whose_answer_was_lost_goes_again_before_its_cancellation(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        with transaction() as session:
            (item,) = claim(session, "partner.voima", 1, 10, NOW, 120)
            lost = Settlement(item, uuid4(), "NOT_SENT", "READY", NOW, NOW, next_at=NOW)
            settle(session, 1, [lost], NOW, 60)
        _take(_order(revision=2, action="CANCEL"), message_id=2)
        assert _leaving() == [("NEW", "READY"), ("CANCEL", "READY")]


def test_an_order_whose_sender_died_goes_again_before_its_cancellation(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        with transaction() as session:
            claim(session, "partner.voima", 1, 10, NOW, 120)
        with transaction() as session:
            give_back(session, 1, NOW, 60)
        _take(_order(revision=2, action="CANCEL"), message_id=2)
        assert _leaving() == [("NEW", "READY"), ("CANCEL", "READY")]


def test_an_order_that_a_living_sender_put_back_has_not_left(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        with transaction() as session:
            claim(session, "partner.voima", 1, 10, NOW, 120)
            give_back(session, 1, NOW, 60, untouched=True)
        _take(_order(revision=2, action="CANCEL"), message_id=2)
        assert _leaving() == [("NEW", "CANCELLED")]


def test_a_change_of_an_order_in_doubt_is_an_update_behind_it(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        with transaction() as session:
            claim(session, "partner.voima", 1, 10, NOW, 120)
        with transaction() as session:
            give_back(session, 1, NOW, 60)
        _take(_order(revision=2, priority=1), message_id=2)
        _take(_order(revision=3, action="CANCEL"), message_id=3)
        assert _leaving() == [("NEW", "READY"), ("UPDATE", "CANCELLED"), ("CANCEL", "READY")]


def test_one_bad_order_never_stops_its_neighbours(app: Flask) -> None:
    with app.app_context():
        bad = _order(order_id="B-1", gsrn="649999000000000014")
        broken = ParsedOrder(
            3, None, "C-1", (CisFinding("FIELD_MISSING", "Revision", "Revision is missing.", 3),)
        )
        result = _take(_order(), bad, broken, _order(order_id="D-1"))
        assert dict(result.counts) == {"NEW": 2, "REJECTED": 2}
        assert {(r.order_id, str(r.finding.code)) for r in result.refusals} == {
            ("B-1", "GSRN_INVALID"),
            ("C-1", "FIELD_MISSING"),
        }
        with transaction() as session:
            states = {o.order_id: o.state for o in session.scalars(select(WorkOrder))}
            assert states == {"A-1": "ROUTED", "B-1": "REJECTED", "D-1": "ROUTED"}
            assert (
                session.scalars(
                    select(InboundFinding.line).where(InboundFinding.order_id == "C-1")
                ).one()
                == 3
            )


def test_a_rejected_order_may_come_again_under_the_same_revision(app: Flask) -> None:
    with app.app_context():
        _take(_order(required_model="9999"))
        assert dict(_take(_order(), message_id=2).counts) == {"NEW": 1}
        with transaction() as session:
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert order.state == "ROUTED"


def test_an_order_without_a_route_is_parked_with_the_reason(app: Flask) -> None:
    with app.app_context():
        assert dict(_take(_order(order_type_code="HUO", required_model=None)).counts) == {
            "NO_ROUTE": 1
        }
        with transaction() as session:
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert order.state == "NO_ROUTE"
            assert "No rule fits" in str(order.route_reason)
            assert session.scalars(select(OutboxItem)).all() == []


def test_an_order_that_comes_twice_in_one_slice_is_weighed_against_itself(app: Flask) -> None:
    with app.app_context():
        result = _take(_order(), _order(revision=2, priority=1), _order())
        assert dict(result.counts) == {"NEW": 1, "UPDATE": 1, "STALE": 1}


def test_key_information_goes_neither_into_the_facts_nor_to_a_partner_without_the_right(
    app: Flask,
) -> None:
    with app.app_context():
        _take(_order(key_info="door code 4711"))
        with transaction() as session:
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert order.key_info == "door code 4711"
            assert "4711" not in str(order.facts)
            assert "4711" not in str(session.scalars(select(OutboxItem.payload)).one())


def test_a_safety_ban_that_only_the_master_data_knows_keeps_the_name_from_the_partner(
    app: Flask,
) -> None:
    with app.app_context():
        with transaction() as session:
            add_point(session, GSRN)
            add_customer(session, "C-BAN", gsrn=GSRN, safety_ban=True)
        name = {"customer_name": "Aino Esimerkki", "phone": "+358401234567"}
        assert dict(_take(_order(**name)).counts) == {"NEW": 1}
        _take(_order(order_id="A-2", gsrn=OTHER_GSRN, customer_id="C-BAN", **name))
        _take(_order(order_id="A-3", gsrn=OTHER_GSRN, customer_id="C-FREE", **name))
        with transaction() as session:
            payloads = session.scalars(select(OutboxItem.payload).order_by(OutboxItem.id)).all()
            assert [payload.get("contact") is None for payload in payloads] == [True, True, False]
        # The ban is ours, not a change of what the CIS sent.
        assert dict(_take(_order(**name), message_id=2).counts) == {"DUPLICATE": 1}


def test_a_cancellation_of_an_unknown_order_is_kept_and_blocks_the_late_order(app: Flask) -> None:
    with app.app_context():
        result = _take(_order(revision=2, action="CANCEL"))
        assert dict(result.counts) == {"CANCEL_UNKNOWN": 1}
        assert dict(_take(_order(), message_id=2).counts) == {"STALE": 1}


def test_an_acknowledgement_that_waited_for_its_order_is_read_again(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            stored = inbound.store_small(
                session,
                source="ack:voima",
                kind="ACK",
                name="ack",
                body=b"{}",
                now=NOW,
                business_key="A-1",
                state="HELD",
                reason_code="ACK_UNKNOWN_ORDER",
            )
        _take(_order(), message_id=2)
        with transaction() as session:
            assert [m.id for m in inbound.waiting(session, "ACK", NOW)] == [stored.id]


def test_an_answer_for_an_older_revision_moves_nothing(app: Flask) -> None:
    with app.app_context():
        _take(_order())
        with transaction() as session:
            (item,) = claim(session, "partner.voima", 1, 10, NOW, 120)
        _take(_order(revision=2, priority=1), message_id=2)
        with transaction() as session:
            _settle_sent(session, item)
            order = session.get(WorkOrder, "A-1")
            assert order is not None
            assert (order.revision, order.state) == (2, "ROUTED")


def _order(**changes: Any) -> ParsedOrder:
    facts: dict[str, Any] = {
        "order_id": "A-1",
        "revision": 1,
        "action": "NEW",
        "order_type_code": "MVM",
        "gsrn": GSRN,
        "physical_status": "AE01",
        "street_name": "Koivutie",
        "house_number": "12",
        "postal_code": "00100",
        "municipality_code": "091",
        "due_on": date(2027, 1, 31),
        "window_from": NOW + timedelta(days=7),
        "window_to": NOW + timedelta(days=7, hours=2),
        "required_model": "6534",
        "old_meter_number": "5530-1",
        "language": "fi",
        "phone": "+358501234567",
    }
    return ParsedOrder(2, CisWorkOrder(**{**facts, **changes}), None)


def _take(*parsed: ParsedOrder, message_id: int = 1) -> SliceResult:
    with transaction() as session:
        run_id = session.scalars(select(Run.id)).first() or runs.start_run(
            session, "intake", "test", NOW
        )
        session.execute(
            text(
                "INSERT INTO inbound_message (id, source, kind, name, body_hash, size_bytes, state,"
                " counts, received_at, attempts, next_at) OVERRIDING SYSTEM VALUE VALUES (:id, 'cis',"
                " 'CIS_FILE', 'f', :hash, 1, 'INTERPRETED', '{}', :now, 0, :now)"
                " ON CONFLICT DO NOTHING"
            ),
            {"id": message_id + 1000, "hash": str(message_id), "now": NOW},
        )
        lists = intake.load_lists(session, "k" * 32, NOW)
        return intake.take_slice(session, Slice(message_id + 1000, run_id, NOW, lists), parsed)


def _deliver() -> None:
    with transaction() as session:
        for item in claim(session, "partner.voima", 1, 10, NOW, 120):
            _settle_sent(session, item)


def _leaving() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.scalars(select(OutboxItem).order_by(OutboxItem.id)).all()
        return [(row.payload["action"], row.state) for row in rows]


def _settle_sent(session: Any, item: Claimed) -> None:
    done = [Settlement(item, None, "SENT", "SENT", NOW, NOW, ref="REF")]
    settle(session, 1, done, NOW, 60)
    work_orders.note_settled(session, "voima", done, NOW)


def _everything() -> list[Any]:
    with transaction() as session:
        return [
            session.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all()
            for table in ("work_order", "work_order_change", "outbox_item", "metering_point")
        ]
