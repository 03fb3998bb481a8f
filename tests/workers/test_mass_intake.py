"""Mass orders: whole files are weighed before anything leaves, and a death doubles nothing."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.models import (
    InboundFinding,
    InboundMessage,
    MassFile,
    MassOrder,
    MassStage,
    OrderRequest,
    OutboxItem,
    PartnerBundle,
    Run,
    WorkOrder,
    WorkOrderChange,
)
from app.queries import run_list
from app.services import bundle_versions, inbound, mass_files, mass_follow, mass_orders, mass_split
from app.services.bundle_content import shipped_content
from app.services.mass_orders import MassRefused
from app.services.outbox import Settlement, claim, settle
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from workers import intake as worker
from workers import mass_intake, mass_reading, mass_source

NOW = datetime.now(UTC)
COUNT = 40
WISH = MassWish("M-1", "2026-W50", "Tampere")


@pytest.fixture(autouse=True, params=["here", "beside"])
def _where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items are decided about in our process, or slice by slice in the one beside it."""
    if request.param == "beside":
        monkeypatch.setattr(mass_reading, "BESIDE_FROM_BYTES", 1)
        monkeypatch.setattr(mass_reading, "BATCH_ROWS", 7)


def test_req_33_every_item_becomes_one_order_that_is_on_its_way(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            orders = session.scalars(select(WorkOrder).order_by(WorkOrder.order_id)).all()
            assert [o.order_id for o in orders] == [f"M-1-{n:06d}" for n in range(1, COUNT + 1)]
            assert {(o.state, o.mass_id, o.partner_code) for o in orders} == {
                ("ROUTED", "M-1", "voima")
            }
            assert orders[0].facts["old_meter_number"] == orders[0].old_meter_number
            items = session.scalars(select(OutboxItem)).all()
            assert Counter(i.dedupe_key for i in items) == {f"{o.order_id}-1": 1 for o in orders}
            assert {(i.payload["massOrderId"], i.payload["wave"]) for i in items} == {
                ("M-1", "2026-W50")
            }
            changes = session.scalars(select(WorkOrderChange)).all()
            assert {tuple(c.states) for c in changes} == {("RECEIVED", "VALIDATED", "ROUTED")}
            mass = session.get_one(MassOrder, "M-1")
            assert (mass.state, mass.counts) == ("DISPATCHING", {"ROUTED": COUNT})
            assert session.get_one(MassFile, 1).state == "SPLIT"
            assert session.scalars(select(MassStage)).all() == []
            assert session.get_one(InboundMessage, 1).state == "INTERPRETED"
            points = session.scalar(text("SELECT count(*) FROM point_search"))
            assert points == COUNT


def test_the_outbox_has_the_same_bytes_as_for_a_single_order(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            mass = session.scalars(
                select(OutboxItem).where(OutboxItem.business_key == "M-1-000003")
            ).one()
            before = (mass.payload, mass.order_key, mass.priority, mass.mode, mass.lane)
        # The next revision goes the way of single orders.
        _drop(tmp_path, wish=MassWish("M-1", "2026-W50", "Tampere", changed=frozenset({3})))
        _interpret(app)
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET state = 'READY', settled_at = NULL"))
            new = session.scalars(
                select(OutboxItem).where(
                    OutboxItem.business_key == "M-1-000003", OutboxItem.version == 2
                )
            ).one()
        after = (new.payload, new.order_key, new.priority, new.mode, new.lane)
        assert after[0]["site"].pop("accessNote") == "Soita ennen tuloa"
        before[0]["site"].pop("accessNote", None)
        assert (before[0].pop("revision"), after[0].pop("revision")) == (1, 2)
        assert before == after


def test_a_file_that_comes_again_touches_only_what_changed(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        before = _orders()
        # Another message with the same items, and then one with a single change.
        _drop(tmp_path)
        _interpret(app)
        assert _orders() == before
        assert _counts(2) == {"SAME": COUNT}
        with transaction() as session:
            assert session.get_one(MassFile, 2).staged_count == 0
        _drop(tmp_path, wish=MassWish("M-1", "2026-W50", "Tampere", changed=frozenset({7})))
        _interpret(app)
        changed = {key for key, row in _orders().items() if row != before[key]}
        assert changed == {"M-1-000007"}
        with transaction() as session:
            keys = session.scalars(
                select(OutboxItem.dedupe_key).where(OutboxItem.business_key == "M-1-000007")
            ).all()
            assert sorted(keys) == ["M-1-000007-1", "M-1-000007-2"]


def test_reading_the_very_same_file_again_changes_no_row(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset({5}))
        _interpret(app)
        before = _orders()
        with transaction() as session:
            session.execute(text("UPDATE inbound_message SET state = 'STORED'"))
        _interpret(app)
        assert _orders() == before


def test_what_a_shadow_does_differently_is_counted_beside_us_too(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_reading, "BESIDE_FROM_BYTES", 1)
    monkeypatch.setattr(mass_reading, "BATCH_ROWS", 7)
    with app.app_context():
        with transaction() as session:
            second = shipped_content("mass_installer", "order", "out", 2)
            now = datetime.now(UTC)
            shadow = bundle_versions.add(session, "voima", second, by="staff:lina", now=now)
            bundle_versions.start_shadow(session, shadow, by="staff:aino", now=now)
            shadow_id = shadow.id
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            counted = select(PartnerBundle.shadow_count).where(PartnerBundle.id == shadow_id)
            assert session.scalar(counted) == COUNT


@pytest.mark.parametrize(
    ("module", "work"), [(mass_reading, "answer_question"), (mass_source, "_read")]
)
def test_a_process_beside_ours_that_dies_has_the_file_read_again(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, work: str
) -> None:
    monkeypatch.setattr(mass_reading, "BESIDE_FROM_BYTES", 1)
    with app.app_context():
        _drop(tmp_path)
        with monkeypatch.context() as dying:
            dying.setattr(module, work, lambda *_, **__: os._exit(1))
            _interpret(app)
        assert _orders() == {}
        with transaction() as session:
            message = session.get_one(InboundMessage, 1)
            assert (message.state, message.attempts) == ("STORED", 1)
            message.next_at = NOW
        _interpret(app)
        assert len(_orders()) == COUNT
        assert _counts(1) == {"NEW": COUNT}


def test_a_bad_item_is_refused_alone_with_its_code(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset({5}))
        _interpret(app)
        with transaction() as session:
            states = Counter(session.scalars(select(WorkOrder.state)))
            assert states == {"ROUTED": COUNT - 1, "REJECTED": 1}
            found = session.scalars(
                select(InboundFinding.code).where(InboundFinding.order_id == "M-1-000005")
            ).all()
            assert "MODEL_UNKNOWN" in found
            message = session.get_one(InboundMessage, 1)
            assert (message.state, message.reason_code) == ("PARTLY", "MODEL_UNKNOWN")
            reject = session.scalars(
                select(OutboxItem.payload).where(OutboxItem.kind == "CIS_REJECT")
            ).one()
            assert [e["order_id"] for e in reject["entries"]] == ["M-1-000005"]
            # Put right, it is taken, and its neighbours are left alone.
        before = _orders()
        _drop(tmp_path)
        _interpret(app)
        after = _orders()
        assert {key for key in after if after[key] != before[key]} == {"M-1-000005"}
        assert after["M-1-000005"][1] == "ROUTED"


def test_a_model_that_its_mass_order_does_not_allow_is_refused_alone(
    app: Flask, tmp_path: Path
) -> None:
    body = _body(tmp_path)
    unwanted = body.count(b"<RequiredModel>6534<")
    assert 0 < unwanted < COUNT
    with app.app_context():
        _store(body.replace(b"<Model>6534</Model>", b"<Model>6550</Model>"))
        _interpret(app, mass_hold_percent=100.0)
        assert Counter(row[1] for row in _orders().values()) == {
            "REJECTED": unwanted,
            "ROUTED": COUNT - unwanted,
        }
        with transaction() as session:
            found = session.execute(select(InboundFinding.code, InboundFinding.path)).all()
        told = Counter((row.code, row.path) for row in found if row.code == "MODEL_NOT_FOR_TYPE")
        # The head's own slip is told as well, and stops nothing.
        assert told == {
            ("MODEL_NOT_FOR_TYPE", "NewMeter/RequiredModel"): unwanted,
            ("MODEL_NOT_FOR_TYPE", "AllowedModels/Model"): 1,
        }


def test_more_bad_items_than_their_number_may_be_hold_the_file(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset({5, 6}))
        _interpret(app, mass_hold_percent=100.0, mass_hold_count=1)
        assert _orders() == {}
        with transaction() as session:
            row = session.get_one(MassFile, 1)
            assert (row.state, row.hold_reason) == ("HELD", "BAD_COUNT 2 1")


def test_above_the_threshold_nothing_leaves_until_two_people_agree(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset(range(1, 11)))
        _interpret(app)
        assert _orders() == {}
        with transaction() as session:
            row = session.get_one(MassFile, 1)
            assert (row.state, row.hold_reason) == ("HELD", "BAD_SHARE 10 40 5")
            assert session.get_one(MassOrder, "M-1").state == "HELD"
            alarm = session.execute(text("SELECT kind FROM alarm WHERE closed_at IS NULL"))
            assert "MASS_FILE_HELD" in alarm.scalars().all()
            mass_orders.propose_release(session, 1, "checked", NOW, by="staff:a")
        with pytest.raises(MassRefused, match="SAME_PERSON"), transaction() as session:
            mass_orders.release(session, 1, NOW, by="staff:a")
        with transaction() as session:
            mass_orders.release(session, 1, NOW, by="staff:b")
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"ROUTED": 30, "REJECTED": 10}
        with transaction() as session:
            assert session.get_one(MassOrder, "M-1").state == "DISPATCHING"


def test_a_held_file_that_is_rejected_leaves_nothing(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset(range(1, COUNT + 1)))
        _interpret(app)
        with transaction() as session:
            mass_orders.reject(session, 1, "wrong list", NOW, by="staff:a")
        _interpret(app)
        assert _orders() == {}
        with transaction() as session:
            assert session.get_one(MassOrder, "M-1").state == "REJECTED"
            assert session.scalars(select(MassStage)).all() == []
        # The same mass order, put right, may come again.
        _drop(tmp_path)
        _interpret(app)
        assert len(_orders()) == COUNT


@pytest.mark.parametrize("change", [b"<DeclaredCount>40<", b"</Items>"])
def test_a_file_that_is_not_whole_waits(app: Flask, tmp_path: Path, change: bytes) -> None:
    with app.app_context():
        body = _body(tmp_path)
        cut = body.replace(change, b"<DeclaredCount>41<" if b"Count" in change else b"<", 1)
        assert cut != body
        _store(cut)
        _interpret(app)
        assert _orders() == {}
        with transaction() as session:
            row = session.get_one(MassFile, 1)
            assert row.state == "HELD"
            code = "MASS_COUNT" if b"Count" in change else "BROKEN"
            assert (row.hold_reason or "").startswith(code)
            assert session.get_one(InboundMessage, 1).state == "PARTLY"


def test_items_that_occur_twice_count_once(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        body = _body(tmp_path)
        items = body.split(b"<Item>")
        # 39 has the number of 2 and 40 the point of 3; one is there word for word.
        items[39] = items[39].replace(b"<ItemNo>000039<", b"<ItemNo>2<")
        point = items[3].split(b"<Identification>")[1].split(b"<")[0]
        mine = items[40].split(b"<Identification>")[1].split(b"<")[0]
        items[40] = items[40].replace(mine, point)
        _store(b"<Item>".join(items))
        _interpret(app, mass_hold_percent=50.0)
        assert len(_orders()) == COUNT - 2
        with transaction() as session:
            found = session.execute(
                select(InboundFinding.order_id, InboundFinding.path).where(
                    InboundFinding.code == "MASS_DUP_ITEM"
                )
            ).all()
            assert sorted((row.order_id, row.path) for row in found) == [
                ("M-1-000040", "MeteringPoint/Identification"),
                ("M-1-2", "ItemNo"),
            ]
            assert session.get_one(MassOrder, "M-1").counts == {"ROUTED": 38, "REFUSED": 2}


@pytest.mark.parametrize("deadly", [1, 2, 3, 4])
def test_req_33_a_death_between_children_leaves_each_with_exactly_one_order(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadly: int
) -> None:
    """The process ends in the middle of slice number `deadly`, at each of its three last lines."""
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    real = mass_split.split_slice
    calls = Counter[str]()

    class Died(BaseException):
        pass

    def dying(*args: Any) -> Any:
        calls["made"] += 1
        result = real(*args)
        if calls["made"] == deadly:
            raise Died
        return result

    with app.app_context():
        _drop(tmp_path)
        monkeypatch.setattr(mass_split, "split_slice", dying)
        with pytest.raises(Died):
            _interpret(app)
        assert len(_orders()) == (deadly - 1) * 10
        monkeypatch.setattr(mass_split, "split_slice", real)
        # As the dispatcher would: some of what is there leaves meanwhile.
        _deliver()
        _interpret(app)
        assert len(_orders()) == COUNT
        with transaction() as session:
            keys = Counter(session.scalars(select(OutboxItem.dedupe_key)))
            assert keys == {f"M-1-{n:06d}-1": 1 for n in range(1, COUNT + 1)}
            assert session.scalar(text("SELECT count(*) FROM work_order_change")) >= COUNT


def test_a_pause_of_the_lane_stops_the_making_of_orders_between_two_slices(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    real = mass_files.note_done
    pauses = text("UPDATE lane SET paused = :paused WHERE name = 'intake'")

    def pausing(session: Any, message_id: int, seq: int) -> None:
        real(session, message_id, seq)
        if seq == 20:
            session.execute(pauses, {"paused": True})

    with app.app_context():
        _drop(tmp_path)
        monkeypatch.setattr(mass_files, "note_done", pausing)
        for _ in range(2):
            _interpret(app)
            assert len(_orders()) == 20
        with transaction() as session:
            assert session.get_one(MassFile, 1).state == "READY"
            session.execute(pauses, {"paused": False})
        _interpret(app)
        assert len(_orders()) == COUNT
        with transaction() as session:
            states = session.scalars(
                select(Run.state).where(Run.process == "mass split").order_by(Run.id)
            )
            assert states.all() == ["PARTLY", "OK"]


def test_req_33_a_slice_made_twice_makes_nothing_twice(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        before = _orders()
        _drop(tmp_path, wish=MassWish("M-1", "W", "Tampere", revision=1))
        with transaction() as session:
            session.execute(text("UPDATE work_order SET source_hash = NULL"))
        _interpret(app)
        assert {key: row[:3] for key, row in _orders().items()} == {
            key: row[:3] for key, row in before.items()
        }
        with transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM outbox_item")) == COUNT


def test_a_database_that_lost_the_working_table_has_the_file_read_again(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset(range(1, 11)))
        _interpret(app)
        with transaction() as session:
            session.execute(text("TRUNCATE mass_stage"))
            mass_orders.propose_release(session, 1, "checked", NOW, by="staff:a")
            mass_orders.release(session, 1, NOW, by="staff:b")
        _interpret(app)
        # What two people decided still holds for the file that was read anew.
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"ROUTED": 30, "REJECTED": 10}


def test_a_paused_mass_order_keeps_back_what_has_not_left(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        _deliver(10)
        with transaction() as session:
            mass_orders.pause(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        assert _items() == {"SENT": 10, "HELD": 30}
        # What comes while it is paused waits as well.
        more = MassWish("M-1", "2026-W50", "Tampere", changed=frozenset({30}))
        _drop(tmp_path, wish=more)
        _interpret(app)
        assert _items() == {"SENT": 10, "HELD": 30, "CANCELLED": 1}
        with transaction() as session:
            mass_orders.resume(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        assert _items() == {"SENT": 10, "READY": 30, "CANCELLED": 1}
        with transaction() as session:
            assert session.get_one(MassOrder, "M-1").state == "DISPATCHING"


def test_calling_off_the_whole_reaches_the_partner_only_where_it_has_the_order(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        _deliver(10)
        with transaction() as session:
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"CANCELLED": COUNT}
        assert _items() == {"SENT": 10, "CANCELLED": 30, "READY": 10}
        with transaction() as session:
            assert session.get_one(MassOrder, "M-1").state == "CANCELLED"
        # The file comes again: somebody has to say that this is meant.
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            assert session.get_one(MassFile, 2).hold_reason == "CALLED_OFF"


def test_the_cis_calls_off_items_and_the_whole(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        off = MassWish("M-1", "2026-W50", "Tampere", action="CANCEL")
        _drop(tmp_path, wish=off, count=3)
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"CANCELLED": 3, "ROUTED": 37}
        _drop(tmp_path, wish=off, count=0)
        _interpret(app)
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"CANCELLED": COUNT}


def test_a_child_at_which_somebody_works_waits_for_the_end_of_the_visit(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        _deliver(COUNT)
        at_work = "M-1-000030"
        with transaction() as session:
            session.execute(
                text("UPDATE work_order SET state = 'STARTED' WHERE order_id = :id"),
                {"id": at_work},
            )
        wish = MassWish("M-1", "2026-W50", "Tampere", changed=frozenset({30}))
        for _ in range(2):
            # The second file says the same: it waits already.
            _drop(tmp_path, wish=wish)
            _interpret(app)
            assert _requests() == [(at_work, 2, "UPDATE", "WAITING")]
        with transaction() as session:
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        _interpret(app)
        states = Counter(row[1] for row in _orders().values())
        assert states == {"CANCELLED": COUNT - 1, "STARTED": 1}
        assert _requests() == [
            (at_work, 2, "UPDATE", "SUPERSEDED"),
            (at_work, 3, "CANCEL", "WAITING"),
        ]
        with transaction() as session:
            told = session.scalars(
                select(OutboxItem.payload).where(
                    OutboxItem.business_key == at_work, OutboxItem.state == "READY"
                )
            ).all()
            assert [(item["action"], item["revision"]) for item in told] == [("CANCEL", 3)]


def test_a_change_of_one_child_by_itself_keeps_it_in_its_mass_order(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        path = tmp_path / "single.xml"
        write_work_orders(path, make_points(1, 1, 1), Wish("MVM", "UPDATE", 2, "X"), NOW)
        _store(path.read_bytes().replace(b"X-0000001", b"M-1-000001"))
        _interpret(app)
        with transaction() as session:
            order = session.get_one(WorkOrder, "M-1-000001")
            assert (order.revision, order.mass_id, order.source_hash) == (2, "M-1", None)


def test_two_files_of_one_mass_order_are_both_taken(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path, count=20)
        _drop(tmp_path, first=21, count=20)
        # A third one wants a point that the first has, under another number.
        body = _body(tmp_path, first=41, count=1)
        mine = body.split(b"<Identification>")[1].split(b"<")[0]
        theirs = _body(tmp_path, count=1).split(b"<Identification>")[1].split(b"<")[0]
        _store(body.replace(mine, theirs))
        _interpret(app, mass_hold_percent=100.0)
        assert len(_orders()) == COUNT
        with transaction() as session:
            codes = session.scalars(
                select(InboundFinding.code).where(InboundFinding.order_id == "M-1-000041")
            ).all()
            assert "MASS_DUP_ITEM" in codes


def test_what_was_called_off_while_it_was_paused_stays_called_off(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            mass_orders.pause(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        assert _items() == {"HELD": COUNT}
        with transaction() as session:
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        # Somebody presses resume before the orders have followed.
        with pytest.raises(MassRefused, match="WRONG_STATE"), transaction() as session:
            mass_orders.resume(session, "M-1", NOW, by="staff:b")
        _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"CANCELLED": COUNT}
        assert _items() == {"CANCELLED": COUNT}
        with transaction() as session:
            mass = session.get_one(MassOrder, "M-1")
            assert (mass.state, mass.todo, mass.paused_by) == ("CANCELLED", None, None)


def test_a_change_held_by_a_pause_reaches_who_is_at_work_when_the_rest_is_called_off(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            mass_orders.pause(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        with transaction() as session:
            # Completed elsewhere meanwhile, so it cannot be called off and its item stays held.
            session.execute(
                text("UPDATE work_order SET state = 'COMPLETED' WHERE order_id = 'M-1-000001'")
            )
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        assert _items() == {"CANCELLED": COUNT - 1, "READY": 1}


def test_a_file_that_waits_to_be_tried_again_is_held_when_its_mass_order_is_called_off(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    with app.app_context():
        _drop(tmp_path)
        _fail_at(monkeypatch, 3)
        _interpret(app)
        assert len(_orders()) == 20
        with transaction() as session:
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        _interpret(app)
        _make_due()
        _interpret(app)
        # Nothing new was made of what is called off.
        assert Counter(row[1] for row in _orders().values()) == {"CANCELLED": 20}
        with transaction() as session:
            row = session.get_one(MassFile, 1)
            assert (row.state, row.hold_reason) == ("HELD", "CALLED_OFF")
            mass_orders.propose_release(session, 1, "ordered again", NOW, by="staff:a")
            mass_orders.release(session, 1, NOW, by="staff:b")
        _interpret(app)
        assert Counter(row[1] for row in _orders().values())["ROUTED"] == 20


def test_a_file_that_is_let_go_while_orders_are_called_off_brings_all_of_them_back(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_follow, "CANCEL_ROWS", 5)
    monkeypatch.setattr(mass_intake, "_FOLLOW_SLICES", 1)
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            mass_orders.call_off(session, "M-1", NOW, by="staff:a")
        _drop(tmp_path)
        _interpret(app)
        assert 0 < Counter(row[1] for row in _orders().values())["CANCELLED"] < COUNT
        with transaction() as session:
            mass_orders.propose_release(session, 2, "ordered again", NOW, by="staff:a")
            mass_orders.release(session, 2, NOW, by="staff:b")
        for _ in range(COUNT):
            _interpret(app)
        assert Counter(row[1] for row in _orders().values()) == {"ROUTED": COUNT}
        with transaction() as session:
            mass = session.get_one(MassOrder, "M-1")
            assert (mass.state, mass.todo) == ("DISPATCHING", None)


def test_a_file_that_is_rejected_when_some_of_its_orders_are_made_leaves_these_counted(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    with app.app_context():
        _drop(tmp_path)
        monkeypatch.setattr(mass_files, "_RETRY_AFTER_S", ())
        _fail_at(monkeypatch, 3)
        _interpret(app)
        with transaction() as session:
            row = session.get_one(MassFile, 1)
            assert (row.state, row.hold_reason) == ("HELD", "INTERNAL RuntimeError")
            mass_orders.reject(session, 1, "made by hand", NOW, by="staff:a")
        with transaction() as session:
            mass = session.get_one(MassOrder, "M-1")
            assert (mass.state, mass.counts) == ("DISPATCHING", {"ROUTED": 20})
            alarms = session.scalars(text("SELECT kind FROM alarm WHERE closed_at IS NULL"))
            assert alarms.all() == []


def test_a_file_that_had_to_wait_does_not_undo_what_a_later_one_has_changed(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    with app.app_context():
        _drop(tmp_path)
        real = mass_files.note_done
        # The slice is made, and its process is gone before it could say so.
        monkeypatch.setattr(mass_files, "note_done", _raise)
        _interpret(app)
        monkeypatch.setattr(mass_files, "note_done", real)
        assert len(_orders()) == 10
        path = tmp_path / "single.xml"
        write_work_orders(path, make_points(1, 1, 1), Wish("MVM", "UPDATE", 2, "X"), NOW)
        _store(path.read_bytes().replace(b"X-0000001", b"M-1-000001"))
        _make_due()
        _interpret(app)
        with transaction() as session:
            assert session.get_one(MassFile, 1).state == "SPLIT"
            order = session.get_one(WorkOrder, "M-1-000001")
            assert (order.revision, order.inbound_message_id) == (2, 2)
            codes = session.scalars(
                select(InboundFinding.code).where(InboundFinding.inbound_message_id == 1)
            ).all()
            assert "STALE_REVISION" in codes
        assert len(_orders()) == COUNT


def test_a_point_that_another_file_took_while_this_one_was_held_is_not_ordered_twice(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        _drop(tmp_path, bad=frozenset(range(1, 11)))
        _interpret(app)
        # The same points under other numbers, in a file that is good.
        body = _body(tmp_path, first=31, count=10)
        for number in range(31, 41):
            new = f"<ItemNo>{number + 100:06d}<".encode()
            body = body.replace(f"<ItemNo>{number:06d}<".encode(), new)
        _store(body)
        _interpret(app)
        assert len(_orders()) == 10
        with transaction() as session:
            mass_orders.propose_release(session, 1, "checked", NOW, by="staff:a")
            mass_orders.release(session, 1, NOW, by="staff:b")
        _interpret(app)
        with transaction() as session:
            gsrns = Counter(
                session.scalars(select(WorkOrder.gsrn).where(WorkOrder.state == "ROUTED"))
            )
            assert set(gsrns.values()) == {1}
            assert len(gsrns) == 30
            row = session.get_one(MassFile, 1)
            assert (row.rejected_count, row.refused_count) == (20, 10)
        told = _told("mass.orders.xml")
        assert {entry["code"] for entry in told} == {"MASS_DUP_ITEM"}
        assert len(told) == 10


def test_what_turned_out_impossible_is_told_although_the_process_died_behind_it(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "SPLIT_ROWS", 10)
    monkeypatch.setattr(mass_intake, "_WRITERS", 1)
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            session.execute(
                text(
                    "UPDATE work_order SET state = 'COMPLETED', base_state = 'SENT'"
                    " WHERE order_id IN ('M-1-000003', 'M-1-000023')"
                )
            )
        # Too late for both, in the first and in the third slice; in between the process dies.
        _fail_at(monkeypatch, 2)
        _drop(tmp_path, wish=MassWish("M-1", "W", "Tampere", changed=frozenset({3, 23})))
        _interpret(app)
        _make_due()
        _interpret(app)
        told = {entry["order_id"]: entry["code"] for entry in _told("mass.orders.xml")}
        assert told == {"M-1-000003": "REVISION_CONFLICT", "M-1-000023": "REVISION_CONFLICT"}


def test_an_item_that_is_as_bad_as_before_is_told_once_for_each_file(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        for number in (1, 2):
            wish = MassWish("M-1", f"W{number}", "Tampere", bad=frozenset({5}))
            _drop(tmp_path, wish=wish)
            _interpret(app)
        with transaction() as session:
            codes = session.scalars(
                select(InboundFinding.code).where(
                    InboundFinding.inbound_message_id == 2,
                    InboundFinding.order_id == "M-1-000005",
                )
            ).all()
            assert len(codes) == len(set(codes))
        assert _told("mass.orders.xml") == []


def test_a_mass_order_whose_orders_cannot_follow_lets_the_others_pass(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_intake, "_follow_again_at", {})
    with app.app_context():
        _drop(tmp_path, count=5)
        _drop(tmp_path, first=11, count=5, wish=MassWish("M-2", "W", "Tampere"))
        _interpret(app)
        with transaction() as session:
            for mass_id in ("M-1", "M-2"):
                mass_orders.pause(session, mass_id, NOW, by="staff:a")
        real = mass_follow.follow_slice

        def faulty(session: Any, mass_id: str, *rest: Any) -> int:
            if mass_id == "M-1":
                raise RuntimeError
            return real(session, mass_id, *rest)

        monkeypatch.setattr(mass_follow, "follow_slice", faulty)
        _interpret(app)
        assert _items() == {"READY": 5, "HELD": 5}
        with transaction() as session:
            found = session.execute(
                text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL")
            ).all()
            assert ("MASS_FOLLOW_FAILED", "M-1") in [tuple(row) for row in found]
        monkeypatch.setattr(mass_follow, "follow_slice", real)
        # It is left alone for a while, and then it follows as well.
        _interpret(app)
        assert _items() == {"READY": 5, "HELD": 5}
        monkeypatch.setattr(mass_intake, "_follow_again_at", {})
        _interpret(app)
        assert _items() == {"HELD": 10}
        with transaction() as session:
            assert (
                session.scalar(
                    text(
                        "SELECT count(*) FROM alarm WHERE kind = 'MASS_FOLLOW_FAILED'"
                        " AND closed_at IS NULL"
                    )
                )
                == 0
            )


def test_a_run_is_found_by_the_order_that_it_made(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        _drop(tmp_path)
        _interpret(app)
        with transaction() as session:
            found = run_list.find_runs(session, 10, key="M-1-000004")
            assert [run.process for run in found] == ["mass split"]
            assert session.scalars(select(Run.state)).all() == ["OK", "OK"]


def _raise(*_: Any) -> None:
    raise RuntimeError


def _fail_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the slice of this number fail, once."""
    real = mass_split.split_slice
    calls = Counter[str]()

    def failing(*args: Any) -> Any:
        calls["made"] += 1
        if calls["made"] == number:
            raise RuntimeError
        return real(*args)

    monkeypatch.setattr(mass_split, "split_slice", failing)


def _make_due() -> None:
    """The wait before the next try is over."""
    with transaction() as session:
        session.execute(text("UPDATE mass_file SET next_at = now() WHERE state = 'READY'"))


def _told(file_name: str) -> list[dict[str, Any]]:
    """What the CIS is told of a file."""
    with transaction() as session:
        payloads = session.scalars(
            select(OutboxItem.payload).where(
                OutboxItem.kind == "CIS_REJECT",
                OutboxItem.payload["file_name"].as_string() == file_name,
            )
        ).all()
    return [entry for payload in payloads for entry in payload["entries"]]


def _requests() -> list[tuple[str, int, str, str]]:
    with transaction() as session:
        rows = session.execute(
            select(
                OrderRequest.order_id,
                OrderRequest.revision,
                OrderRequest.action,
                OrderRequest.state,
            ).order_by(OrderRequest.revision)
        )
        return [tuple(row) for row in rows]


def _body(
    tmp_path: Path,
    *,
    count: int = COUNT,
    first: int = 1,
    wish: MassWish | None = None,
    bad: frozenset[int] = frozenset(),
) -> bytes:
    path = tmp_path / "mass.xml"
    wish = wish or MassWish(WISH.mass_id, WISH.wave, WISH.area, bad=bad)
    write_mass_order(path, make_points(1, first, count), count, wish, NOW)
    return path.read_bytes()


def _drop(tmp_path: Path, **what: Any) -> None:
    _store(_body(tmp_path, **what))


def _store(body: bytes) -> None:
    with transaction() as session:
        inbound.store(
            session,
            source="cis",
            kind=worker.KIND,
            name="mass.xml",
            chunks=[body],
            now=datetime.now(UTC),
        )


def _interpret(app: Flask, **changes: Any) -> None:
    settings = app.extensions["tiedolla_settings"].model_copy(update=changes)
    worker.interpret_files(settings, 1, "test")


def _deliver(count: int = 1000) -> None:
    """The partner takes what is due."""
    with transaction() as session:
        items = claim(session, "partner.voima", 1, count, datetime.now(UTC), 120)
        done = [Settlement(i, None, "SENT", "SENT", NOW, NOW, ref="REF") for i in items]
        settle(session, 1, done, NOW, 60)
        session.execute(
            text(
                "UPDATE work_order SET state = 'SENT', base_state = 'SENT' WHERE order_id = ANY(:k)"
            ),
            {"k": [i.business_key for i in items]},
        )


def _orders() -> dict[str, tuple[Any, ...]]:
    with transaction() as session:
        rows = session.execute(
            text(
                "SELECT order_id, state, revision, content_hash, facts, updated_at FROM work_order"
            )
        )
        return {row.order_id: tuple(row) for row in rows}


def _items() -> dict[str, int]:
    with transaction() as session:
        return dict(Counter(session.scalars(select(OutboxItem.state))))


def _counts(message_id: int) -> dict[str, int]:
    with transaction() as session:
        counts = session.get_one(InboundMessage, message_id).counts
        return {name: count for name, count in counts.items() if count}
