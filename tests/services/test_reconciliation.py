"""Lists of other systems are compared with what they got; each difference is a row until it is over."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.models import Alarm, Meter, Snapshot
from app.services import audit, difference_acts, outbox, reconciliation
from app.services.difference_acts import DifferenceRefused
from integrations.snapshots.codec import SnapshotInvalid
from tests.conftest import test_settings
from tests.field_work import add_order, gsrn
from tests.services.reconciling import (
    SENT_AT,
    SETTINGS,
    TAKEN_AT,
    a_list,
    device,
    differences,
    first_difference,
    holds,
    order,
    put,
    send,
    sent,
    take,
)
from tests.services.routing_world import add_partner
from tests.services.world import scalar

HOUR = timedelta(hours=1)
LATER = TAKEN_AT + HOUR


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_req_35_each_difference_is_a_row_with_its_kind_age_and_owner() -> None:
    sent([device(1), device(2), device(3), device(4, version=2)])
    put([device(5)])
    told = [
        *holds(1, 9),
        {"id": gsrn(3), "version": 1, "meterNumber": "5530-3"},
        {"id": gsrn(4), "version": 1, "meterNumber": "6534-4"},
    ]
    taken = take(a_list(told))
    assert differences() == [
        (gsrn(2), "MISSING", "NOT_THERE", "OPEN"),
        (gsrn(3), "DIFFERENT", "OTHER_CONTENT", "OPEN"),
        (gsrn(4), "DIFFERENT", "OLDER_VERSION", "OPEN"),
        (gsrn(5), "LATE", "READY", "OPEN"),
        (gsrn(9), "EXTRA", "UNKNOWN_TO_US", "OPEN"),
    ]
    assert taken.counts == {"MISSING": 1, "DIFFERENT": 2, "LATE": 1, "EXTRA": 1}
    row = first_difference()
    assert (row.owner, row.opened_at, row.repair_count) == (
        "operations",
        TAKEN_AT + timedelta(minutes=5),
        0,
    )
    assert (row.gsrn, row.ours, row.theirs, row.our_version) == (gsrn(2), "6534-2", None, 1)


def test_the_same_list_again_makes_no_second_row_and_what_is_gone_closes_by_itself() -> None:
    sent([device(1), device(2)])
    take(a_list(holds(1)))
    take(a_list(holds(1)))
    assert differences() == [(gsrn(2), "MISSING", "NOT_THERE", "OPEN")]
    assert scalar("SELECT count(*) FROM difference_change") == 1
    taken = take(a_list(holds(1, 2), taken_at=LATER), now=LATER)
    assert taken.counts == {"RESOLVED": 1}
    assert differences() == [(gsrn(2), "MISSING", "NOT_THERE", "RESOLVED")]
    take(a_list(holds(1), taken_at=LATER + HOUR), now=LATER + HOUR)
    assert [one[3] for one in differences()] == ["RESOLVED", "OPEN"]


def test_what_left_shortly_before_the_list_was_taken_is_not_judged() -> None:
    sent([device(1)], at=TAKEN_AT - timedelta(minutes=10))
    put([device(2)], at=TAKEN_AT - timedelta(minutes=10))
    assert take(a_list([])).counts == {}


def test_what_we_cannot_judge_closes_nothing_either() -> None:
    sent([device(1)])
    take(a_list([]))
    sent([device(1, version=2)], at=TAKEN_AT + timedelta(minutes=50))
    taken = take(a_list([], taken_at=LATER), now=LATER)
    assert taken.counts == {}
    assert differences() == [(gsrn(1), "MISSING", "NOT_THERE", "OPEN")]


@pytest.mark.parametrize("state", ["READY", "HELD", "CLAIMED", "DEAD", "UNKNOWN"])
def test_what_waits_is_held_given_up_or_in_doubt_is_late_and_never_missing(state: str) -> None:
    put([device(1)])
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = :state"), {"state": state})
    take(a_list([]))
    assert differences() == [(gsrn(1), "LATE", state, "OPEN")]


def test_the_old_version_there_while_the_new_one_waits_is_late() -> None:
    sent([device(1)])
    put([device(1, version=2)])
    take(a_list(holds(1)))
    assert differences() == [(gsrn(1), "LATE", "READY", "OPEN")]


def test_a_version_that_we_never_made_is_a_difference() -> None:
    sent([device(1)])
    take(a_list(holds(1, version=7)))
    assert differences() == [(gsrn(1), "DIFFERENT", "NEWER_VERSION", "OPEN")]


def test_a_thing_that_is_listed_twice_is_a_difference() -> None:
    sent([device(1)])
    take(a_list(holds(1, 1)))
    assert differences() == [(gsrn(1), "DIFFERENT", "TWICE", "OPEN")]


def test_a_repair_sends_again_under_the_original_key_and_only_what_is_missing() -> None:
    sent([device(1), device(2)])
    take(a_list(holds(1)))
    before = scalar("SELECT string_agg(dedupe_key, ' ' ORDER BY id) FROM outbox_item")
    _repair()
    assert differences() == [(gsrn(2), "MISSING", "NOT_THERE", "REPAIRING")]
    assert send("nis", LATER) == ["nis:WO-2:1"]
    assert scalar("SELECT string_agg(dedupe_key, ' ' ORDER BY id) FROM outbox_item") == before
    after = LATER + HOUR
    assert take(a_list(holds(1, 2), taken_at=after), now=after).counts == {"RESOLVED": 1}


def test_a_repair_that_did_not_help_opens_the_difference_again() -> None:
    sent([device(1)])
    take(a_list([]))
    _repair()
    # It waits to leave: the repair is under way.
    take(a_list([], taken_at=LATER), now=LATER)
    assert differences() == [(gsrn(1), "LATE", "READY", "REPAIRING")]
    send("nis", LATER)
    after = LATER + 2 * HOUR
    take(a_list([], taken_at=after), now=after)
    assert differences() == [(gsrn(1), "MISSING", "NOT_THERE", "OPEN")]
    assert first_difference().repair_count == 1


def test_what_was_given_up_is_repaired_by_trying_again() -> None:
    put([device(1)])
    send("nis", state="DEAD")
    take(a_list([]))
    _repair()
    assert send("nis", LATER) == ["nis:WO-1:1"]


def test_repairing_twice_at_once_sends_once() -> None:
    sent([device(1)])
    take(a_list([]))
    _repair()
    with pytest.raises(DifferenceRefused, match="ON_ITS_WAY"):
        _repair()
    assert send("nis", LATER) == ["nis:WO-1:1"]


def test_a_hundred_one_by_one_are_no_way_round_the_second_person() -> None:
    sent([device(1)])
    take(a_list([]))
    with transaction() as session:
        for number in range(100):
            about = f"difference:{number}"
            audit.record(session, "staff:aino", "DIFFERENCE_REPAIRED", about, {}, LATER)
    with pytest.raises(DifferenceRefused, match="TOO_MANY"):
        _repair()
    with transaction() as session:
        # An hour later she may again, as everybody else may now.
        difference_acts.repair(session, 1, LATER + timedelta(hours=1), by="staff:aino")
    assert send("nis", LATER + timedelta(hours=1)) == ["nis:WO-1:1"]


def test_nothing_newer_is_overtaken_by_a_repair() -> None:
    sent([device(1)])
    take(a_list([]))
    put([device(1, version=2)], at=TAKEN_AT + timedelta(minutes=5))
    with pytest.raises(DifferenceRefused, match="ON_ITS_WAY"):
        _repair()


@pytest.mark.parametrize(
    "told",
    [
        [{"id": gsrn(1), "version": 1, "meterNumber": "5530-3"}],
        [{"id": gsrn(1), "version": 7, "meterNumber": "6534-1"}],
    ],
)
def test_what_sending_again_cannot_end_is_not_sent_again(told: list[dict[str, Any]]) -> None:
    sent([device(1)])
    take(a_list(told))
    with pytest.raises(DifferenceRefused, match="NOT_REPAIRABLE"):
        _repair()
    assert send("nis", LATER) == []


def test_what_is_on_hold_waits_for_its_own_decision() -> None:
    put([device(1)])
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'HELD', hold_reason = 'READING_LOW'"))
    take(a_list([]))
    with pytest.raises(DifferenceRefused, match="NOT_REPAIRABLE"):
        _repair()


def test_an_accepted_difference_stays_so_until_it_changes() -> None:
    sent([device(1)])
    other = [{"id": gsrn(1), "version": 1, "meterNumber": "5530-3"}]
    take(a_list(other))
    with transaction() as session:
        difference_acts.accept(session, 1, "they keep the old number", LATER, by="staff:aino")
    take(a_list(other, taken_at=LATER), now=LATER)
    assert differences()[0][3] == "ACCEPTED"
    another = [{"id": gsrn(1), "version": 1, "meterNumber": "5530-4"}]
    take(a_list(another, taken_at=LATER + HOUR), now=LATER + HOUR)
    assert differences()[0][3] == "OPEN"
    with transaction() as session:
        rows = session.execute(text("SELECT to_state, by, note FROM difference_change ORDER BY id"))
        assert [tuple(row) for row in rows] == [
            ("OPEN", "system:reconciliation", None),
            ("ACCEPTED", "staff:aino", "they keep the old number"),
            ("OPEN", "system:reconciliation", None),
        ]


def test_accepting_wants_a_reason_and_a_person() -> None:
    sent([device(1)])
    take(a_list([]))
    with pytest.raises(DifferenceRefused, match="NO_REASON"), transaction() as session:
        difference_acts.accept(session, 1, "  ", LATER, by="staff:aino")


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"count": 2}, "COUNT_WRONG"),
        ({"count": 0}, "COUNT_WRONG"),
        ({"sha256": "0" * 64}, "DIGEST_WRONG"),
        ({"list": "orders"}, "OTHER_LIST"),
        ({"takenAt": "2027-11-25T01:00:00Z"}, "IN_FUTURE"),
        ({"takenAt": "2026-11-25T01:00:00"}, "HEAD_BAD"),
        ({"kind": "DELTA"}, "HEAD_BAD"),
        ({"kind": "DELTA", "since": "2026-11-24T00:00:00Z"}, "DELTA_GAP"),
    ],
)
def test_a_broken_list_changes_nothing_and_says_so(broken: dict[str, Any], code: str) -> None:
    sent([device(1), device(2)])
    _refuse(a_list(holds(1), **broken), code)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "HEAD_BAD"),
        (b"<html>Huoltokatko</html>\n", "HEAD_BAD"),
        (a_list(holds(1, 2)).getvalue()[:-30], "RECORD_BAD"),
        (a_list(holds(1, 2)).getvalue().rsplit(b"\n", 2)[0] + b"\n", "COUNT_WRONG"),
        (a_list([{"id": ""}]).getvalue(), "RECORD_BAD"),
        (a_list([{"id": "a\nb"}]).getvalue(), "RECORD_BAD"),
        (a_list([{"id": "x" * 70_000}]).getvalue(), "RECORD_BAD"),
        (a_list([{"id": "1", "version": -1}]).getvalue(), "RECORD_BAD"),
    ],
)
def test_half_a_list_or_nonsense_changes_nothing(content: bytes, code: str) -> None:
    sent([device(1), device(2)])
    _refuse(io.BytesIO(content), code)


def test_an_older_list_than_one_that_was_compared_is_passed_over() -> None:
    sent([device(1)])
    take(a_list(holds(1), taken_at=LATER), now=LATER)
    assert take(a_list([])).state == "STALE"
    assert differences() == []


def test_a_list_of_changes_judges_only_what_changed() -> None:
    sent([device(1), device(2)])
    take(a_list(holds(1)))
    sent([device(3), device(4)], at=TAKEN_AT + timedelta(minutes=10))
    after = TAKEN_AT + 2 * HOUR
    changed = a_list(holds(3), taken_at=after, since=TAKEN_AT.isoformat())
    assert take(changed, now=after).counts == {"MISSING": 1}
    assert [(one[0], one[3]) for one in differences()] == [(gsrn(2), "OPEN"), (gsrn(4), "OPEN")]
    last = after + HOUR
    assert take(a_list(holds(4), taken_at=last, since=after.isoformat()), now=last).counts == {
        "RESOLVED": 1
    }
    assert [(one[0], one[3]) for one in differences()] == [
        (gsrn(2), "OPEN"),
        (gsrn(4), "RESOLVED"),
    ]


def test_orders_that_the_partner_lost_never_had_or_finished_without_a_word() -> None:
    for number, state in ((1, "SENT"), (2, "SENT"), (3, "REPORTED"), (4, "CANCELLED"), (5, "SENT")):
        with transaction() as session:
            add_order(
                session,
                f"WO-{number}",
                gsrn=gsrn(number),
                old_meter_number=f"5530-{number}",
                state=state,
                state_at=SENT_AT,
            )
    sent([order(number) for number in range(1, 6)])
    sent([order(4, 1, "CANCEL", "-cancel")])
    told = [
        {"id": "WO-2", "version": 1, "state": "DONE", "changedAt": "2026-11-24T18:00:00Z"},
        {"id": "WO-4", "version": 1, "state": "OPEN"},
        {"id": "WO-5", "version": 1, "state": "OPEN"},
        {"id": "XX-9", "version": 1, "state": "OPEN"},
    ]
    take(a_list(told, of="orders"), "partner.voima")
    assert differences("partner.voima") == [
        ("WO-1", "MISSING", "NOT_THERE", "OPEN"),
        ("WO-2", "DIFFERENT", "ACK_MISSING", "OPEN"),
        ("WO-4", "DIFFERENT", "OTHER_STATE", "OPEN"),
        ("XX-9", "EXTRA", "UNKNOWN_TO_US", "OPEN"),
    ]


def test_an_acknowledgement_that_is_still_under_way_is_no_difference() -> None:
    with transaction() as session:
        add_order(session, "WO-1", state="SENT", state_at=SENT_AT)
    sent([order(1)])
    told = {"id": "WO-1", "version": 1, "state": "DONE"}
    just_now = (TAKEN_AT - timedelta(minutes=1)).isoformat()
    take(a_list([{**told, "changedAt": just_now}], of="orders"), "partner.voima")
    assert differences("partner.voima") == []


def test_a_repair_of_an_order_does_not_make_its_next_revision_a_new_order() -> None:
    with transaction() as session:
        add_order(session, "WO-1", state="SENT", state_at=SENT_AT)
    sent([order(1)])
    take(a_list([], of="orders"), "partner.voima")
    _repair()
    with transaction() as session:
        assert outbox.may_have_left(session, "partner.voima", "WO-1", "WORK_ORDER")
        outbox.cancel_waiting(session, ["WO-1"], "WORK_ORDER", LATER, untried_only=True)
    assert send("partner.voima", LATER) == ["WO-1-1"]


def test_the_head_end_and_the_stock_are_compared_with_the_register() -> None:
    with transaction() as session:
        for number, state, point, stock in (
            ("6534-1", "INSTALLED", gsrn(1), None),
            ("6534-2", "INSTALLED", gsrn(2), None),
            ("6534-3", "DELIVERED", None, "voima"),
            ("6534-4", "DELIVERED", None, "voima"),
        ):
            session.add(
                Meter(
                    number=number,
                    state=state,
                    gsrn=point,
                    stock_code=stock,
                    stock_at=SENT_AT if stock else None,
                    updated_at=SENT_AT,
                )
            )
    take(
        a_list(
            [{"id": gsrn(1), "meterNumber": "6534-1"}, {"id": gsrn(2), "meterNumber": "5530-2"}],
            of="meters",
        ),
        "head_end",
    )
    assert differences("head_end") == [(gsrn(2), "DIFFERENT", "OTHER_CONTENT", "OPEN")]
    take(a_list([{"id": "6534-3"}, {"id": "6534-1"}], of="stock"), "stock.voima")
    assert differences("stock.voima") == [
        ("6534-1", "EXTRA", "UNKNOWN_TO_US", "OPEN"),
        ("6534-4", "MISSING", "NOT_THERE", "OPEN"),
    ]
    with pytest.raises(DifferenceRefused, match="NOT_REPAIRABLE"):
        _repair()


def test_old_differences_raise_an_alarm_that_ends_with_them() -> None:
    sent([device(1)])
    take(a_list([]))
    for hours, open_alarms in ((23, 0), (25, 1)):
        with transaction() as session:
            reconciliation.watch(session, SETTINGS, TAKEN_AT + hours * HOUR)
            assert session.query(Alarm).filter_by(closed_at=None).count() == open_alarms
    after = TAKEN_AT + 26 * HOUR
    take(a_list(holds(1), taken_at=after), now=after)
    with transaction() as session:
        reconciliation.watch(session, SETTINGS, after)
        assert session.query(Alarm).filter_by(closed_at=None).count() == 0


def test_a_folder_in_which_nothing_is_laid_down_any_more_raises_an_alarm() -> None:
    settings = test_settings(reconcile_systems="cis,nis,partner.rautio,stock.rautio,partner.voima")
    with transaction() as session:
        add_partner(
            session, "rautio", transport="SFTP", created_at=TAKEN_AT - 40 * HOUR, active=True
        )
        session.execute(text("UPDATE process SET created_at = '2020-01-01'"))
    records = [{"id": "WO-1", "version": 1, "state": "OPEN"}]
    take(a_list(records, of="orders"), "partner.rautio")

    def _late(hours: int) -> dict[str, str]:
        with transaction() as session:
            reconciliation.watch(session, settings, TAKEN_AT + hours * HOUR)
            rows = session.query(Alarm).filter_by(closed_at=None, kind="SNAPSHOT_LATE")
            return {row.subject: row.detail for row in rows}

    # Whoever is asked by HTTP is not among them: it fails where it gives none.
    assert _late(-15) == {"cis": "It has given no list since 2020-01-01 00:00 UTC."}
    assert _late(29).keys() == {"cis", "stock.rautio"}
    assert _late(31)["partner.rautio"] == "Its newest list is of 2026-11-25 01:00 UTC."
    after = TAKEN_AT + 31 * HOUR
    take(a_list(records, of="orders", taken_at=after), "partner.rautio", now=after)
    assert _late(32).keys() == {"cis", "stock.rautio"}
    with transaction() as session:
        session.execute(text("UPDATE partner SET active = false WHERE code = 'rautio'"))
    assert _late(99).keys() == {"cis"}
    with transaction() as session:
        # Of what a runner has to ask there, nobody here would see that it is not asked.
        session.execute(
            text(
                "INSERT INTO zone (code, name, active, created_at, key_generation,"
                " oldest_key_generation) VALUES ('plant', 'Plant', true, now(), 1, 1)"
            )
        )
        session.execute(text("UPDATE lane SET zone = 'plant' WHERE name = 'nis'"))
    assert _late(99).keys() == {"cis", "nis"}


def _repair(number: int = 1) -> None:
    with transaction() as session:
        difference_acts.repair(session, number, LATER, by="staff:aino")


def _refuse(stream: io.BytesIO, code: str) -> None:
    with pytest.raises(SnapshotInvalid) as caught:
        take(stream)
    assert caught.value.code == code
    with transaction() as session:
        assert session.query(Snapshot).all() == []
        reconciliation.note_broken(session, "nis", code, caught.value.detail, TAKEN_AT)
    assert differences() == []
    with transaction() as session:
        alarm = session.query(Alarm).one()
        assert (alarm.kind, alarm.subject, alarm.closed_at) == ("SNAPSHOT_BROKEN", "nis", None)
        assert alarm.detail.startswith(code)
