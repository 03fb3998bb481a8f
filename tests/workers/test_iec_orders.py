"""Another CIS: work orders in IEC 61968-100's envelope, taken like our own and answered by replies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from flask import Flask
from lxml import etree
from sqlalchemy import select, text

from app.db import transaction
from app.models import (
    BundleDifference,
    InboundFinding,
    InboundMessage,
    OutboxItem,
    PartnerBundle,
    UnmappedField,
    WorkOrder,
)
from app.services import bundle_versions, inbound
from app.services.bundle_content import shipped, shipped_content
from integrations.cis.reply_codec import build_reply
from integrations.cis.types import CisReply
from simulators.cis.iec_orders import write_iec_orders
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from workers import intake as worker

GOLDEN = shipped()["cis_iec"].folder / "golden" / "order-in-1"
CREATE = (GOLDEN / "create.in.xml").read_bytes()
NS = {"m": "http://iec.ch/TC57/2011/schema/message"}


def test_an_order_is_taken_like_one_of_our_own_profile_and_the_request_is_answered(
    app: Flask,
) -> None:
    with app.app_context():
        _store(CREATE, "request.xml")
        _interpret(app)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.document, message.counts) == (
                "INTERPRETED",
                "IEC_REQUEST",
                {"NEW": 1},
            )
            order = session.scalars(select(WorkOrder)).one()
            assert (order.order_id, order.state, order.partner_code) == (
                "MVY-2026-0042",
                "ROUTED",
                "voima",
            )
            assert order.window_from == datetime(2026, 12, 1, 6, tzinfo=UTC)
            assert order.facts["seals"] == ["S1", "S2"]
            assert order.facts["customer_name"] == "Aino Äkäslompolo"
            sent = session.scalars(select(OutboxItem).where(OutboxItem.kind == "WORK_ORDER")).one()
            assert sent.payload["site"]["address"]["streetName"] == "Koivutie"
            reply = _reply(session)
    root = etree.fromstring(reply)
    assert _at(root, "m:Header/m:Verb") == "reply"
    assert _at(root, "m:Header/m:CorrelationID") == "1f0b0f8e-3c0e-4a53-9a34-8f6a2f4f2a11"
    assert _at(root, "m:Reply/m:Result") == "OK"
    assert _at(root, "m:Reply/m:Error/m:code") == "0.0"


def test_a_bad_order_is_named_by_the_senders_own_words_and_its_neighbour_is_taken(
    app: Flask,
) -> None:
    good, _, end = CREATE.partition(b"    </WorkOrders>")
    _, _, order = CREATE.partition(b'<WorkOrders xmlns="urn:example:cis:work-orders">\n')
    bad = order.partition(b"    </WorkOrders>")[0]
    bad = bad.replace(b"MVY-2026-0042", b"MVY-2026-0043").replace(
        b"649999000000000013</mRID>", b"649999000000000020</mRID>"
    )
    bad = bad.replace(b"<rank>2</rank>", b"<rank>9</rank>").replace(b"<ctRatio>1</ctRatio>", b"")
    with app.app_context():
        _store(good + bad + b"    </WorkOrders>" + end, "request.xml")
        _interpret(app)
        with transaction() as session:
            assert session.scalars(select(WorkOrder.order_id)).all() == ["MVY-2026-0042"]
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.reason_code) == ("PARTLY", "XML_SCHEMA")
            root = etree.fromstring(_reply(session))
    assert _at(root, "m:Reply/m:Result") == "PARTIAL"
    assert _at(root, "m:Reply/m:Error/m:code") == "1.8"
    assert _at(root, "m:Reply/m:Error/m:ID") == "MVY-2026-0043"
    assert _at(root, "m:Reply/m:Error/m:xpath") == "priority.rank"
    assert "priority.rank" in str(_at(root, "m:Reply/m:Error/m:reason"))


def test_a_shadow_reads_them_too_and_where_it_differs_is_counted(app: Flask) -> None:
    content = shipped_content("cis_iec", "order", "in")
    rules = [one for one in content.mapping["rules"] if one["target"] != "street_name"]
    other = msgspec.structs.replace(content, version=2, mapping={**content.mapping, "rules": rules})
    now = datetime.now(UTC)
    with app.app_context():
        with transaction() as session:
            row = bundle_versions.add(session, "cis", other, by="staff:aino", now=now)
            bundle_versions.start_shadow(session, row, by="staff:aino", now=now)
        _store(CREATE, "request.xml")
        _interpret(app)
        with transaction() as session:
            beside = session.get_one(PartnerBundle, row.id, populate_existing=True)
            assert (beside.shadow_count, beside.shadow_differing) == (1, 1)
            seen = session.scalars(select(BundleDifference)).one()
            assert (seen.path, seen.kind, seen.examples) == (
                "street_name",
                "MISSING",
                ["MVY-2026-0042"],
            )
            assert session.scalars(select(WorkOrder)).one().facts["street_name"] == "Koivutie"


def test_a_cancellation_calls_the_order_off(app: Flask) -> None:
    with app.app_context():
        _store(CREATE, "request.xml")
        _store((GOLDEN / "cancel.in.xml").read_bytes(), "cancel.xml")
        _interpret(app)
        with transaction() as session:
            assert session.scalars(select(WorkOrder.state)).all() == ["CANCELLED"]


@pytest.mark.parametrize("action", ["NEW", "UPDATE", "CANCEL"])
def test_the_simulated_other_cis_says_the_same_as_the_first(
    app: Flask, tmp_path: Any, action: str
) -> None:
    """Two envelopes, one order: whatever they say of it ends in the same facts."""
    points, now = list(make_points(1, 1, 12)), datetime.now(UTC)
    facts = []
    for write in (write_work_orders, write_iec_orders):
        name = f"{write.__name__}.xml"
        write(tmp_path / name, points, Wish("MVM", action, 1, name[6:9]), now)
        with app.app_context():
            _store((tmp_path / name).read_bytes(), name)
            _interpret(app)
            with transaction() as session:
                rows = session.execute(
                    select(WorkOrder.facts, WorkOrder.key_info, WorkOrder.state)
                    .where(WorkOrder.order_id.like(f"{name[6:9]}%"))
                    .order_by(WorkOrder.gsrn)
                ).all()
                facts.append([{**row.facts, "state": row.state} for row in rows])
    assert len(facts[0]) == len(points)
    schema = etree.XMLSchema(etree.parse(GOLDEN.parents[1] / "schema" / "order-in-1.xsd"))
    schema.assertValid(etree.parse(tmp_path / "write_iec_orders.xml"))
    unlike = {
        name
        for one, other in zip(*facts, strict=True)
        for name in {*one, *other}
        if one.get(name) != other.get(name)
    }
    # What the other CIS has no word for.
    assert unlike <= {"order_id", "comm_type", "point_type", "point_subtype"}


def test_both_profiles_may_speak_of_the_same_orders(app: Flask, tmp_path: Any) -> None:
    with app.app_context():
        write_work_orders(
            tmp_path / "own.xml",
            make_points(1, 1, 2),
            Wish("MVM", "NEW", 1, "OWN"),
            datetime.now(UTC),
        )
        _store((tmp_path / "own.xml").read_bytes(), "own.xml")
        _store(CREATE, "request.xml")
        _interpret(app)
        with transaction() as session:
            assert len(session.scalars(select(WorkOrder)).all()) == 3


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<m:Verb>create</m:Verb>", b"", "HDR_MISSING"),
        (b"<m:Timestamp>2026-11-28T07:00:00Z", b"<m:Timestamp>today", "HDR_MISSING"),
        (b"1f0b0f8e-3c0e-4a53-9a34-8f6a2f4f2a11", b"", "HDR_MISSING"),
        (b"WorkOrder>", b"WorkThing>", "XML_SCHEMA"),
        (b"<m:Payload>", b"<m:Payload>&x;", "XML_MALFORMED"),
        (b"</m:RequestMessage>", b"", "XML_MALFORMED"),
        (b"TC57/2011", b"TC57/2099", "XML_SCHEMA"),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_with_its_code(
    app: Flask, old: bytes, new: bytes, code: str
) -> None:
    with app.app_context():
        _store(CREATE.replace(old, new), "request.xml")
        _interpret(app)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.reason_code) == ("REJECTED", code)
            assert session.scalars(select(OutboxItem.kind)).one() in ("CIS_REPLY", "CIS_REJECT")


def test_a_field_that_the_mapping_does_not_know_is_noted_and_counted(app: Flask) -> None:
    body = CREATE.replace(b"<kind>MVY</kind>", b"<kind>MVY</kind><crewSize>2</crewSize>")
    with app.app_context():
        _store(body, "request.xml")
        _interpret(app)
        with transaction() as session:
            field = session.scalars(select(UnmappedField)).one()
            assert (field.partner_code, field.document, field.path) == ("cis", "order", "crewSize")
            noted = session.scalars(select(InboundFinding.path)).all()
            assert "crewSize" in noted
            assert session.scalars(select(WorkOrder.state)).all() == ["ROUTED"]


def test_without_a_bundle_in_force_nothing_of_it_is_taken(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            session.execute(text("DELETE FROM partner_bundle WHERE partner_code = 'cis'"))
        _store(CREATE, "request.xml")
        _interpret(app)
        with transaction() as session:
            assert session.scalars(select(WorkOrder)).all() == []
            reply = etree.fromstring(_reply(session))
    assert _at(reply, "m:Reply/m:Result") == "FAILED"


def test_reading_a_request_again_takes_nothing_twice_and_answers_once(app: Flask) -> None:
    with app.app_context():
        _store(CREATE, "request.xml")
        _interpret(app)
        with transaction() as session:
            session.execute(text("UPDATE inbound_message SET state = 'STORED'"))
        _interpret(app)
        with transaction() as session:
            assert len(session.scalars(select(WorkOrder)).all()) == 1
            kinds = sorted(session.scalars(select(OutboxItem.kind)))
            assert kinds == ["CIS_REPLY", "WORK_ORDER"]


def _reply(session: Any) -> bytes:
    """What the client will put into the CIS's folder."""

    payload = session.scalars(
        select(OutboxItem.payload).where(OutboxItem.kind == "CIS_REPLY")
    ).one()
    return build_reply(msgspec.convert(payload, CisReply, strict=False), "our-id")


def _at(root: etree._Element, path: str) -> str | None:
    found = root.find(path, NS)
    return None if found is None else found.text


def _store(body: bytes, name: str) -> None:
    with transaction() as session:
        inbound.store(
            session, source="cis", kind=worker.KIND, name=name, chunks=[body], now=datetime.now(UTC)
        )


def _interpret(app: Flask) -> None:
    worker.interpret_files(app.extensions["tiedolla_settings"], 1, "test")
