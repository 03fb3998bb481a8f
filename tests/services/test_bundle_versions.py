"""Which version counts: two people bring one into force, and everything about it is on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.mapping.vocabulary import MappingInvalid
from app.domain.routing import RouteDecision
from app.models import (
    AuditEntry,
    BundleDifference,
    OutboxItem,
    Partner,
    PartnerBundle,
    UnmappedField,
    WorkOrder,
)
from app.queries import bundle_list
from app.services import (
    acks,
    bundle_activation,
    bundle_bench,
    bundle_drift,
    bundle_versions,
    bundles_in_force,
    inbound,
    intake,
    rerouting,
    runs,
)
from app.services.bundle_content import Content, compile_bundle, shipped_content
from app.services.bundle_versions import BundleRefused
from app.services.partner_orders import outgoing
from app.services.slices import MassContext, Slice
from integrations.cis.types import CisWorkOrder, ParsedOrder
from tests.field_work import add_order, encode, make_ack

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
ORDER = CisWorkOrder(
    order_id="A-1",
    revision=1,
    action="NEW",
    order_type_code="MVM",
    gsrn="649999000000000013",
    main_fuse_a=25,
)


def test_a_new_installation_has_the_mass_installers_own_form_in_force(session: Session) -> None:
    rows = [
        (row.partner_code, row.document, row.direction, row.version, row.state, row.in_force)
        for row in bundle_list.versions(session, datetime.now(UTC))
    ]
    assert rows == [
        ("cis", "order", "in", 1, "ACTIVE", True),
        ("voima", "ack", "in", 1, "ACTIVE", True),
        ("voima", "order", "out", 1, "ACTIVE", True),
    ]


def test_two_people_bring_a_version_into_force_and_the_one_before_retires(
    session: Session,
) -> None:
    row = _draft(session)
    with pytest.raises(BundleRefused, match="NOT_PROPOSED"):
        bundle_activation.activate(session, row, by="staff:eino", now=_later(1))
    bundle_versions.propose(session, row, by="staff:aino", now=_later(1), valid_from=None)
    with pytest.raises(BundleRefused, match="SAME_PERSON"):
        bundle_activation.activate(session, row, by="staff:aino", now=_later(2))
    assert _version(session, _later(3)) == 1
    bundle_activation.activate(session, row, by="staff:eino", now=_later(2))
    assert _version(session, _later(3)) == 2
    states = session.execute(
        select(PartnerBundle.version, PartnerBundle.state)
        .where(PartnerBundle.partner_code == "voima", PartnerBundle.document == "order")
        .order_by(PartnerBundle.version)
    ).all()
    assert [tuple(one) for one in states] == [(1, "RETIRED"), (2, "ACTIVE")]
    acts = session.execute(
        select(AuditEntry.actor, AuditEntry.action)
        .where(AuditEntry.actor.like("staff:%"))
        .order_by(AuditEntry.id)
    ).all()
    assert [tuple(one) for one in acts] == [
        ("staff:lina", "BUNDLE_ADDED"),
        ("staff:aino", "BUNDLE_PROPOSED"),
        ("staff:eino", "BUNDLE_ACTIVATED"),
    ]


def test_whoever_added_a_version_cannot_be_the_second_person_either(session: Session) -> None:
    row = _draft(session)
    bundle_versions.propose(session, row, by="staff:aino", now=_later(1), valid_from=None)
    with pytest.raises(BundleRefused, match="SAME_PERSON"):
        bundle_activation.activate(session, row, by="staff:lina", now=_later(2))


def test_an_older_version_comes_back_by_one_persons_word(session: Session) -> None:
    _bring_into_force(session, _draft(session))
    first = session.scalars(
        select(PartnerBundle).where(
            PartnerBundle.version == 1,
            PartnerBundle.document == "order",
            PartnerBundle.partner_code == "voima",
        )
    ).one()
    bundle_activation.roll_back(session, first, by="staff:aino", now=_later(5))
    assert _version(session, _later(6)) == 1
    with pytest.raises(BundleRefused, match="WRONG_STATE"):
        bundle_activation.roll_back(session, first, by="staff:aino", now=_later(6))


def test_a_version_may_come_into_force_at_its_own_moment(session: Session) -> None:
    row = _draft(session)
    begins = _later(60)
    bundle_versions.propose(session, row, by="staff:aino", now=_later(1), valid_from=begins)
    bundle_activation.activate(session, row, by="staff:eino", now=_later(2))
    assert _version(session, begins - timedelta(seconds=1)) == 1
    assert _version(session, begins) == 2
    assert bundle_activation.retire_overtaken(session, _later(30)) == 0
    assert bundle_activation.retire_overtaken(session, begins) == 1
    assert _version(session, begins) == 2
    assert bundle_activation.retire_overtaken(session, begins) == 0


def test_a_version_is_never_another_one(session: Session) -> None:
    row = _draft(session)
    assert bundle_versions.add(session, "voima", _second(), by="x", now=NOW).id == row.id
    other = msgspec.structs.replace(
        _second(), mapping={"mapping": 1, "rules": [{"target": "orderId", "source": "order_id"}]}
    )
    with pytest.raises(BundleRefused, match="VERSION_TAKEN"):
        bundle_versions.add(session, "voima", other, by="x", now=NOW)


def test_a_mapping_that_says_what_it_may_not_is_never_kept(session: Session) -> None:
    bad = msgspec.structs.replace(
        _second(),
        version=3,
        mapping={"mapping": 1, "rules": [{"target": "a", "source": "nowhere"}]},
    )
    with pytest.raises(MappingInvalid, match="MAP_SOURCE_UNKNOWN"):
        bundle_versions.add(session, "voima", bad, by="x", now=NOW)


def test_a_file_bundle_is_not_for_a_partner_over_rest(session: Session) -> None:
    content = shipped_content("regional_contractor", "order", "out")
    with pytest.raises(BundleRefused, match="TRANSPORT_DIFFERS"):
        bundle_versions.add(session, "voima", content, by="x", now=NOW)
    with pytest.raises(BundleRefused, match="PARTNER_UNKNOWN"):
        bundle_versions.add(session, "nobody", content, by="x", now=NOW)


def test_a_partner_over_rest_that_nobody_gave_a_bundle_speaks_our_own_form(
    session: Session,
) -> None:
    for code, transport in (("other", "REST"), ("files", "SFTP")):
        session.add(
            Partner(
                code=code,
                name=code,
                transport=transport,
                base_url="",
                order_types=[],
                created_at=NOW,
            )
        )
    session.flush()
    lists = intake.load_lists(session, "key", NOW)
    assert lists.orders["other"].active is lists.orders["voima"].active
    assert "files" not in lists.orders


def test_a_shadow_runs_beside_what_counts_and_its_differences_are_counted(
    session: Session,
) -> None:
    row = _draft(session)
    bundle_versions.start_shadow(session, row, by="staff:aino", now=_later(1))
    lists = intake.load_lists(session, "key", _later(2))
    plain = msgspec.structs.replace(ORDER, main_fuse_a=None)
    made = outgoing(ORDER, "voima", "NEW", lists)
    assert "mainFuseA" not in made.payload["site"]
    outgoing(plain, "voima", "NEW", lists)
    outgoing(msgspec.structs.replace(ORDER, order_id="A-2"), "voima", "NEW", lists)
    # A mere look counts nothing.
    outgoing(ORDER, "voima", "NEW", lists, counts=False)
    lists.tally.flush(session, _later(3))
    lists.tally.flush(session, _later(4))
    session.refresh(row)
    assert (row.shadow_count, row.shadow_differing) == (3, 2)
    (difference,) = bundle_list.differences(session, row.id)
    assert (difference.path, difference.kind, difference.count) == ("site.mainFuseA", "EXTRA", 2)
    assert difference.examples == ["A-1", "A-2"]
    # Examples are names of orders; nobody's data are in them.
    bundle_versions.stop_shadow(session, row, by="staff:aino", now=_later(5))
    assert intake.load_lists(session, "key", _later(6)).orders["voima"].shadow is None
    # A later start begins to count anew.
    bundle_versions.start_shadow(session, row, by="staff:aino", now=_later(7))
    assert (row.shadow_count, session.scalars(select(BundleDifference)).all()) == (0, [])


def test_one_shadow_at_a_time_and_only_where_something_counts(session: Session) -> None:
    row = _draft(session)
    third = msgspec.structs.replace(_second(), version=3)
    other = bundle_versions.add(session, "voima", third, by="staff:lina", now=NOW)
    bundle_versions.start_shadow(session, row, by="staff:aino", now=_later(1))
    with pytest.raises(BundleRefused, match="SHADOW_TAKEN"):
        bundle_versions.start_shadow(session, other, by="staff:aino", now=_later(1))
    session.execute(
        text(
            "UPDATE partner_bundle SET valid_from = now() + interval '1 day' WHERE state = 'ACTIVE'"
        )
    )
    with pytest.raises(BundleRefused, match="NOTHING_ACTIVE"):
        bundle_versions.start_shadow(session, other, by="staff:aino", now=_later(1))


def test_fields_of_acknowledgements_that_nobody_reads_are_counted(session: Session) -> None:
    add_order(session, "WO-1")
    now = datetime.now(UTC)
    ack = {**make_ack("ACCEPTED", 0, order_id="WO-1"), "weather": "lumisade"}
    for number, body in enumerate((ack, {**ack, "ackId": make_ack("ACCEPTED", 0)["ackId"]})):
        inbound.store_small(
            session, source="ack:voima", kind="ACK", name=str(number), body=encode(body), now=now
        )
    run_id = runs.start_run(session, "acks", "test", now)
    acks.interpret_all(session, [1, 2], now, run_id)
    field = session.scalars(select(UnmappedField)).one()
    assert (field.partner_code, field.document, field.path, field.count, field.examples) == (
        "voima",
        "ack",
        "weather",
        2,
        ["WO-1"],
    )
    bundle_drift.watch(session, now)
    assert session.execute(text("SELECT subject FROM alarm")).scalars().all() == ["voima ack"]
    # What has not come for a week is no drift any more.
    bundle_drift.watch(session, now + timedelta(days=8))
    assert session.execute(text("SELECT count(*) FROM alarm WHERE closed_at IS NULL")).scalar() == 0


def test_a_partner_that_sends_ever_new_names_fills_no_table(session: Session) -> None:
    lists = intake.load_lists(session, "key", NOW)
    for start in range(0, 1000, 100):
        paths = [f"x{n}" for n in range(start, start + 100)]
        lists.tally.note_unmapped("voima", "ack", "A", paths)
        lists.tally.flush(session, NOW)
    assert session.execute(text("SELECT count(*) FROM unmapped_field")).scalar() <= 300


def test_what_a_partner_cannot_be_sent_is_parked_with_the_reason_and_taken_up_again(
    session: Session,
) -> None:
    needs_a_street = msgspec.structs.replace(
        _second(),
        mapping={
            "mapping": 1,
            "rules": [
                {"target": "orderId", "source": "order_id"},
                {"target": "street", "source": "street_name", "required": True},
            ],
        },
    )
    row = bundle_versions.add(session, "voima", needs_a_street, by="staff:lina", now=NOW)
    _bring_into_force(session, row)
    now = _later(5)
    lists = intake.load_lists(session, "key", now)
    taken = inbound.store_small(
        session, source="cis", kind="CIS_FILE", name="a", body=b"a", now=now, state="INTERPRETED"
    )
    run_id = runs.start_run(session, "intake", "test", now)
    order = msgspec.structs.replace(ORDER, required_model="6534", old_meter_number="5")
    part = Slice(taken.id, run_id, now, lists)
    result = intake.take_slice(session, part, [ParsedOrder(1, order, order.order_id)])
    assert dict(result.counts) == {"NO_ROUTE": 1}
    parked = session.scalars(select(WorkOrder)).one()
    assert parked.state == "NO_ROUTE"
    assert "lacks what voima needs: FIELD_MISSING street_name" in str(parked.route_reason)
    assert session.scalars(select(OutboxItem)).all() == []
    # Looked at again, it is as it was; and it goes once another form is in force.
    assert not rerouting.is_due(session, lists, now)
    first = session.scalars(
        select(PartnerBundle).where(
            PartnerBundle.partner_code == "voima",
            PartnerBundle.document == "order",
            PartnerBundle.version == 1,
        )
    ).one()
    bundle_activation.roll_back(session, first, by="staff:aino", now=_later(6))
    lists = intake.load_lists(session, "key", _later(7))
    assert rerouting.is_due(session, lists, _later(7))
    assert dict(rerouting.reroute_slice(session, lists, run_id, _later(7))) == {"ROUTED": 1}
    item = session.scalars(select(OutboxItem)).one()
    assert (item.lane, item.payload["orderId"]) == ("partner.voima", "A-1")


def test_the_bench_shows_what_any_version_makes_of_a_message_and_where_two_differ() -> None:
    one = compile_bundle(shipped_content("mass_installer", "order", "out", 1))
    two = compile_bundle(shipped_content("mass_installer", "order", "out", 2))
    before = bundle_bench.try_order(one, ORDER, "NEW")
    after = bundle_bench.try_order(two, ORDER, "NEW")
    assert before.canonical["main_fuse_a"] == 25
    assert (before.unread, after.unread) == ((), ())
    (difference,) = bundle_bench.compare(before, after)
    assert (difference.path, str(difference.kind), difference.after) == (
        "site.mainFuseA",
        "EXTRA",
        25,
    )
    contractor = compile_bundle(shipped_content("regional_contractor", "order", "out"))
    file = bundle_bench.try_order(contractor, ORDER, "NEW")
    assert file.outgoing is not None
    assert "A-1;1;UUSI;MASSAVAIHTO" in file.outgoing


def test_a_version_that_has_not_begun_is_called_off_by_keeping_the_one_in_force(
    session: Session,
) -> None:
    coming = _draft(session)
    start = _later(60 * 24)
    bundle_versions.propose(session, coming, by="staff:aino", now=_later(1), valid_from=start)
    bundle_activation.activate(session, coming, by="staff:eino", now=_later(2))
    first = session.scalars(
        select(PartnerBundle).where(
            PartnerBundle.version == 1,
            PartnerBundle.document == "order",
            PartnerBundle.partner_code == "voima",
        )
    ).one()
    assert _version(session, start + timedelta(minutes=1)) == 2
    bundle_activation.roll_back(session, first, by="staff:aino", now=_later(3))
    session.refresh(coming)
    assert (coming.state, coming.valid_from) == ("RETIRED", None)
    assert _version(session, start + timedelta(minutes=1)) == 1
    with pytest.raises(BundleRefused, match="WRONG_STATE"):
        bundle_activation.roll_back(session, first, by="staff:aino", now=_later(4))


def test_a_shadow_that_this_program_cannot_run_keeps_no_message_from_its_way(
    session: Session,
) -> None:
    row = _draft(session)
    bundle_versions.start_shadow(session, row, by="staff:aino", now=_later(1))
    session.flush()
    # A later version of the program wrote it, and this one was brought back.
    session.execute(
        text(
            "UPDATE partner_bundle SET content = jsonb_set(content, '{mapping,mapping}', '9')"
            " WHERE id = :id"
        ),
        {"id": row.id},
    )
    found = bundles_in_force.load(session, "order", "out", _later(2)).in_force["voima"]
    assert (found.active.content.version, found.shadow) == (1, None)


def test_only_a_partner_that_can_take_mass_orders_gets_their_items(session: Session) -> None:
    able = [one for one in _second().capabilities if one != "mass"]
    row = bundle_versions.add(
        session,
        "voima",
        msgspec.structs.replace(_second(), capabilities=able),
        by="staff:lina",
        now=NOW,
    )
    _bring_into_force(session, row)
    lists = intake.load_lists(session, "key", _later(3))
    route = RouteDecision("voima", 1, "rule 1.", 1)
    mass = MassContext("M-1", None, frozenset())
    told, made = intake.in_their_form(ORDER, route, lists, mass)
    assert (told.partner_code, made) == (None, None)
    assert told.reason == "rule 1. But voima takes no mass orders."
    told, made = intake.in_their_form(ORDER, route, lists, None)
    assert (told.partner_code, made is not None) == ("voima", True)


def _second() -> Content:
    return shipped_content("mass_installer", "order", "out", 2)


def _draft(session: Session) -> PartnerBundle:
    return bundle_versions.add(session, "voima", _second(), by="staff:lina", now=NOW)


def _bring_into_force(session: Session, row: PartnerBundle) -> None:
    bundle_versions.propose(session, row, by="staff:aino", now=_later(1), valid_from=None)
    bundle_activation.activate(session, row, by="staff:eino", now=_later(2))


def _version(session: Session, at: datetime) -> int:
    found = bundles_in_force.find(session, "voima", "order", "out", at)
    assert found is not None
    return found.active.content.version


def _later(minutes: float) -> datetime:
    """After the setup, which happens at the time of the test."""
    return datetime.now(UTC) + timedelta(minutes=minutes)


@pytest.fixture
def session(app: Flask) -> Iterator[Any]:
    """One open transaction."""
    with app.app_context():
        with transaction() as opened:
            yield opened
        db.session.remove()
