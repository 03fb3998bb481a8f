"""A bundle that this program cannot run stops its own partner, visibly, and nothing is lost over it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text

from app.clients import client_for
from app.db import transaction
from app.domain.findings import find
from app.domain.reject_codes import RejectCode
from app.models import Alarm, InboundMessage, OutboxItem, Run, WorkOrder
from app.services import (
    bundle_activation,
    bundles_in_force,
    inbound,
    intake,
    outbox,
    partner_folders,
    partner_orders,
    rerouting,
    runs,
    unformed_orders,
    unreadable_bundles,
    watch,
)
from app.services.bundle_versions import BundleRefused
from app.services.environments.bundles import Bundles
from app.services.outbox import claim
from app.services.partner_orders import Outgoing
from app.settings import Settings
from integrations.outcomes import LaneDown
from integrations.partners.manifest import BundleUnreadable
from tests.field_work import add_order, arrive, make_ack
from tests.services.routing_world import (
    KEY,
    NOW,
    a_swap,
    deliver,
    put_in_force,
    take,
    values,
)
from workers.rerouting import form_unformed

LATER = NOW + timedelta(hours=1)


def test_orders_of_the_partner_have_no_route_and_all_others_go_on(piiri: None) -> None:
    put_in_force(values("piiri", municipality_codes=["091"]))
    _break("order", "out")
    take([a_swap(1), a_swap(2, municipality_code="091")])
    with transaction() as session:
        orders = {one.order_id: one for one in session.scalars(select(WorkOrder))}
        assert (orders["A-1"].state, orders["A-1"].partner_code) == ("NO_ROUTE", None)
        assert "this program cannot run the bundle of voima" in (orders["A-1"].route_reason or "")
        assert (orders["A-2"].state, orders["A-2"].partner_code) == ("ROUTED", "piiri")
    assert _alarms() == {"voima": True}
    assert _reroute() == {}
    _mend()
    assert _alarms() == {"voima": False}
    assert _reroute() == {"ROUTED": 1}


def test_a_partner_over_rest_is_not_spoken_to_in_our_own_form_instead(piiri: None) -> None:
    _break("order", "out")
    with transaction() as session:
        found = bundles_in_force.load(session, "order", "out", NOW)
        assert "voima" not in found.in_force
        assert "piiri" in found.in_force
        assert list(found.unreadable) == ["voima"]
        with pytest.raises(BundleUnreadable):
            bundles_in_force.find(session, "voima", "order", "out", NOW)


@pytest.mark.parametrize(
    ("action", "told"), [("UPDATE", ("ROUTED", "UPDATE")), ("CANCEL", ("CANCELLED", "CANCEL"))]
)
def test_what_the_cis_changes_of_an_order_there_waits_for_its_form_and_leaves_in_its_turn(
    piiri: None, action: str, told: tuple[str, str]
) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    _break("order", "out")
    take([a_swap(1, revision=2, action=action, phone="+358401234567", key_info="ovikoodi")], 2)
    with transaction() as session:
        order = session.scalars(select(WorkOrder)).one()
        # It stays with whom it is, who cannot be told that it has lost it.
        assert (order.state, order.partner_code, order.revision) == (told[0], "voima", 2)
        (item,) = session.scalars(select(OutboxItem).where(OutboxItem.version == 2))
        assert (item.state, item.hold_reason) == ("HELD", "BUNDLE_UNREADABLE")
        assert "ovikoodi" not in str(item.payload)
        # Nobody can let it go as it is.
        assert outbox.release_held(session, "partner.voima", [item.id], LATER) == 0
        key = item.dedupe_key
    assert _form() == {}
    _mend()
    assert _form() == {"FORMED": 1}
    assert _form() == {}
    with transaction() as session:
        (sent,) = claim(session, "partner.voima", 2, 10, LATER, 120)
        assert (sent.dedupe_key, sent.version) == (key, 2)
        assert (sent.payload["action"], sent.payload["revision"]) == (told[1], 2)
        assert ("priority" in sent.payload) == (action == "UPDATE")


def test_the_upkeep_gives_what_waits_its_form_once_the_bundle_can_be_run(
    piiri: None, settings: Settings
) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    _break("order", "out")
    take([a_swap(1, revision=2, action="UPDATE")], 2)
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET next_at = '2020-01-01' WHERE version = 2"))
    form_unformed(settings, 1, "test")
    assert _waiting() == [("partner.voima", 2, "HELD")]
    _mend()
    for _ in range(2):
        form_unformed(settings, 1, "test")
    assert _waiting() == [("partner.voima", 2, "READY")]
    with transaction() as session:
        done = session.scalars(select(Run).where(Run.process == "routing")).all()
        assert [(run.state, run.counts) for run in done] == [("OK", {"FORMED": 1})]


def test_new_rules_take_no_order_away_from_a_partner_that_cannot_be_told(piiri: None) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    put_in_force(values("piiri", order_type_codes=["MVM", "MVP"]))
    _break("order", "out")
    # What routing looks at has changed, so the rules would choose anew.
    take([a_swap(1, revision=2, action="UPDATE", municipality_code="091")], 2)
    with transaction() as session:
        assert session.scalars(select(WorkOrder.partner_code)).one() == "voima"
        lanes = set(session.scalars(select(OutboxItem.lane)))
        assert lanes == {"partner.voima"}


def test_a_calling_off_that_waits_for_its_form_never_comes_after_what_is_newer(
    piiri: None,
) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    put_in_force(values("piiri", municipality_codes=["091"]))
    _break("order", "out")
    with transaction() as session:
        session.execute(
            text(
                "UPDATE work_order SET (state, base_state) = ('PARTNER_REJECTED', 'PARTNER_REJECTED')"
            )
        )
    take([a_swap(1, revision=2, action="UPDATE", municipality_code="091")], 2)
    assert _waiting() == [("partner.voima", 2, "HELD"), ("partner.piiri", 2, "READY")]
    _mend()
    take([a_swap(1, revision=3, action="UPDATE")], 3)
    assert _waiting() == [("partner.voima", 3, "READY")]
    assert _form() == {}


def _waiting() -> list[tuple[str, int, str]]:
    with transaction() as session:
        items = session.scalars(
            select(OutboxItem)
            .where(OutboxItem.state.in_(("READY", "HELD")))
            .order_by(OutboxItem.id)
        )
        return [(one.lane, one.version, one.state) for one in items]


def test_nobody_under_a_safety_ban_is_named_in_what_waits(piiri: None) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    _break("order", "out")
    people = {"customer_id": "C-9", "customer_name": "Aino Salainen", "phone": "+358401234567"}
    take([a_swap(1, revision=2, action="UPDATE", safety_ban=True, **people)], 2)
    with transaction() as session:
        (item,) = session.scalars(select(OutboxItem).where(OutboxItem.version == 2))
        told = str(item.payload)
    assert not [one for one in people.values() if one in told]


def test_one_that_cannot_be_read_any_more_stands_before_no_other(piiri: None) -> None:
    take([a_swap(1), a_swap(2)])
    deliver("partner.voima")
    _break("order", "out")
    take([a_swap(n, revision=2, action="UPDATE") for n in (1, 2)], 2)
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET payload = '{}' WHERE dedupe_key = 'A-1-2'"))
    _mend()
    assert _form() == {"HELD": 1, "FORMED": 1}


def test_one_that_its_bundle_cannot_write_stays_held_and_says_why(
    piiri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    take([a_swap(1)])
    deliver("partner.voima")
    _break("order", "out")
    take([a_swap(1, revision=2, action="UPDATE")], 2)
    _mend()

    def _cannot(*_args: object, **_more: object) -> None:
        raise ValueError("no letter for it")

    monkeypatch.setattr(partner_orders, "outgoing", _cannot)
    assert _form() == {"HELD": 1}
    with transaction() as session:
        (item,) = session.scalars(select(OutboxItem).where(OutboxItem.version == 2))
        assert (item.state, item.hold_reason) == ("HELD", "BUNDLE_UNREADABLE")
        assert item.last_error == "the bundle of voima cannot write it: no letter for it"
    # It is not looked at without end, but again.
    assert _form() == {}
    assert _form(LATER + timedelta(minutes=11)) == {"HELD": 1}


def test_a_change_that_lacks_what_the_partner_needs_stays_held_and_a_calling_off_goes(
    piiri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    take([a_swap(1), a_swap(2)])
    deliver("partner.voima")
    _break("order", "out")
    take([a_swap(n, revision=2, action=action) for n, action in ((1, "UPDATE"), (2, "CANCEL"))], 2)
    _mend()
    lacks = (find(RejectCode.FIELD_MISSING, "site.street", "missing"),)
    real = partner_orders.outgoing

    def _lacking(*args: Any, **more: Any) -> Outgoing:
        return msgspec.structs.replace(real(*args, **more), findings=lacks)

    monkeypatch.setattr(partner_orders, "outgoing", _lacking)
    assert _form() == {"HELD": 1, "FORMED": 1}
    with transaction() as session:
        change, calling_off = session.scalars(
            select(OutboxItem).where(OutboxItem.version == 2).order_by(OutboxItem.id)
        )
        assert (change.state, change.hold_reason) == ("HELD", "BUNDLE_UNREADABLE")
        assert change.last_error == "it lacks what voima needs: FIELD_MISSING site.street"
        assert (calling_off.state, calling_off.hold_reason) == ("READY", None)


def test_what_the_partner_reports_counts_although_its_bundle_cannot_be_run(piiri: None) -> None:
    _break("ack", "in")
    with transaction() as session:
        add_order(session)
    assert arrive(make_ack("ACCEPTED", 5), 6).outcome == "APPLIED"


def test_what_a_later_release_says_of_its_reports_keeps_no_lane_from_being_watched(
    piiri: None,
) -> None:
    take([a_swap(1)])
    with transaction() as session:
        session.execute(
            text(
                "UPDATE partner_bundle SET valid_from = '2020-01-01',"
                """ content = jsonb_set(content, '{acks}', '{"expected_within_h": "P1D"}')"""
                " WHERE partner_code = 'voima'"
            )
        )
    with transaction() as session:
        watch.raise_alarms(session, LATER)
        old = select(Alarm.subject).where(Alarm.kind == watch.LANE_OLD)
        assert session.scalars(old).all() == ["partner.voima"]


def test_a_file_that_waits_for_its_bundle_is_read_again_by_itself(piiri: None) -> None:
    _break("ack", "in")
    with transaction() as session:
        stored = inbound.store_small(
            session,
            source="partner-file:voima",
            kind="PARTNER_FILE",
            name="acks.csv",
            body=b"x",
            now=NOW,
        )
        inbound.close(session, stored.id, "HELD", NOW, reason_code="INTERNAL BundleUnreadable")
        unreadable_bundles.watch(session, NOW)
    _mend()
    _alarms()
    with transaction() as session:
        message = session.get_one(InboundMessage, stored.id)
        assert (message.state, message.reason_code, message.attempts) == ("STORED", None, 0)


def test_a_partner_of_files_whose_folders_nobody_knows_has_its_lane_down(
    piiri: None, settings: Settings
) -> None:
    with transaction() as session:
        session.execute(text("UPDATE partner SET transport = 'SFTP' WHERE code = 'voima'"))
    _break("order", "out")
    with pytest.raises(LaneDown, match="cannot run the bundle of voima"):
        client_for("partner.voima", settings, None)  # type: ignore[arg-type] # not reached
    _break("ack", "in")
    with transaction() as session:
        assert partner_folders.senders(session, "central", NOW) == []


def test_what_cannot_be_run_is_not_brought_back_and_keeps_nothing_from_its_place(
    piiri: None,
) -> None:
    _break("order", "out")
    with transaction() as session:
        (one,) = unreadable_bundles.find(session, NOW)
        assert (one.partner_code, one.name) == ("voima", "order out 1")
        row = session.get_one(bundle_activation.PartnerBundle, one.id)
        row.state = "RETIRED"
        session.flush()
        with pytest.raises((BundleUnreadable, BundleRefused)) as refused:
            bundle_activation.roll_back(session, row, by="staff:aino", now=LATER)
        assert refused.type is BundleUnreadable
        row.state = "ACTIVE"
    with transaction() as session:
        # A file of the environment carries it as whoever wrote it did.
        assert Bundles().read(session)["voima order out"]["mapping"]["mapping"] == 9


def _break(document: str, direction: str) -> None:
    """A later release has brought a version into force long ago, and this one was started after it."""
    _set(document, direction, "9")


def _mend() -> None:
    for document, direction in (("order", "out"), ("ack", "in")):
        _set(document, direction, "1")


def _set(document: str, direction: str, form: str) -> None:
    with transaction() as session:
        session.execute(
            text(
                "UPDATE partner_bundle SET valid_from = '2020-01-01',"
                " content = jsonb_set(content, '{mapping,mapping}', CAST(:form AS jsonb))"
                " WHERE partner_code = 'voima' AND document = :document AND direction = :direction"
            ),
            {"form": form, "document": document, "direction": direction},
        )


def _alarms() -> dict[str, bool]:
    with transaction() as session:
        unreadable_bundles.watch(session, NOW)
        rows = session.scalars(select(Alarm).where(Alarm.kind == "BUNDLE_UNREADABLE"))
        return {row.subject: row.closed_at is None for row in rows}


def _form(now: datetime = LATER) -> dict[str, int]:
    with transaction() as session:
        lists = intake.load_lists(session, KEY, now)
        counts, _ = unformed_orders.form_slice(session, lists, 0, now)
        return dict(counts)


def _reroute() -> dict[str, int]:
    with transaction() as session:
        run_id = runs.start_run(session, "routing", "test", LATER)
        lists = intake.load_lists(session, KEY, LATER)
        return dict(rerouting.reroute_slice(session, lists, run_id, LATER))


@pytest.fixture
def settings(app: Flask) -> Settings:
    found: Settings = app.extensions["tiedolla_settings"]
    return found
