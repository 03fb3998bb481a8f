"""Months are made ahead, nothing fails without one, and an old order is found after years."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.db import transaction
from app.models import Alarm, PurgeReport
from app.queries import point_search, run_list
from app.services import audit, inbound, outbox, partitions, retention, runs
from app.services.outbox import NewItem
from app.services.runs import StepRow
from app.settings import Settings
from tests.field_work import ORDER, add_order
from tests.services.world import scalar
from workers.upkeep import _make_partitions

NOW = datetime.now(UTC)
# Beyond the months that other tests have made, so that these are nobody's; months are made by the
# database's own calendar, so it cannot be a day of our choice.
FAR = (NOW + timedelta(days=250)).replace(day=17, hour=10)


LIMITS = (
    "retention_xml_days",
    "retention_outgoing_days",
    "retention_payload_days",
    "retention_step_days",
)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        with transaction() as session:
            session.execute(text("DELETE FROM step"))
            session.execute(text("DELETE FROM audit_entry"))
        with transaction() as session:
            for one in partitions.partitions(session):
                if not one.is_default and not one.name.endswith("_first"):
                    partitions.drop(session, one)


@pytest.fixture
def settings(app: Flask) -> Settings:
    found: Settings = app.extensions["tiedolla_settings"]
    return found


def test_upkeep_makes_this_month_and_the_next_three() -> None:
    _make_partitions(FAR)
    assert _months("step")[-4:] == [_month("step", ahead) for ahead in range(4)]
    before = _months("step")
    _make_partitions(FAR)
    assert _months("step") == before
    _make_partitions(FAR + timedelta(days=31))
    assert _months("step") == [*before, _month("step", 4)]


def test_what_was_written_before_its_month_was_made_moves_into_it() -> None:
    run_id = _step("WO-1", FAR)
    assert scalar("SELECT count(*) FROM parts.step_default") == 1
    _make_partitions(FAR)
    assert scalar("SELECT count(*) FROM parts.step_default") == 0
    assert scalar(f"SELECT count(*) FROM parts.{_month('step')}") == 1
    with transaction() as session:
        (step,) = run_list.steps_of(session, run_id)
        assert (step.started_at, step.keys) == (FAR, ("WO-1",))


def test_after_a_long_standstill_nothing_was_lost_and_every_month_gets_its_rows() -> None:
    _make_partitions(FAR)
    # Upkeep stands still for longer than the months that it makes ahead; everybody else writes.
    days = range(0, 260, 20)
    for day in days:
        _step(f"WO-{day}", FAR + timedelta(days=day))
        with transaction() as session:
            audit.record(session, "staff:aino", "X", "x", {}, FAR + timedelta(days=day))
    assert scalar("SELECT count(*) FROM parts.step_default") > 0
    back = FAR + timedelta(days=days[-1])
    _make_partitions(back)
    for table in ("step", "audit_entry"):
        assert scalar(f"SELECT count(*) FROM parts.{table}_default") == 0
        assert scalar(f"SELECT count(*) FROM {table}") == len(days)
    assert scalar("SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 0
    # Also what is far from every month that there is goes somewhere.
    for day in (-4_000, 4_000):
        _step("WO-FAR", FAR + timedelta(days=day))
    assert scalar("SELECT count(*) FROM step WHERE keys @> '{WO-FAR}'") == 2


def test_a_missing_month_is_an_alarm_before_it_begins_and_rows_without_one_are_too() -> None:
    with transaction() as session:
        partitions.watch(session, FAR)
        kinds = session.query(Alarm).filter_by(closed_at=None).all()
        assert {(one.kind, one.subject) for one in kinds} == {
            ("PARTITION_MISSING", "step"),
            ("PARTITION_MISSING", "audit_entry"),
        }
    _make_partitions(FAR)
    with transaction() as session:
        assert session.query(Alarm).filter_by(closed_at=None).all() == []
    _step("WO-1", FAR + timedelta(days=400))
    with transaction() as session:
        partitions.watch(session, FAR)
        (alarm,) = session.query(Alarm).filter_by(closed_at=None).all()
        assert (alarm.subject, "default" in alarm.detail) == ("step", True)


def test_a_month_that_cannot_be_made_now_is_tried_again_and_told(app: Flask) -> None:
    other = app.extensions["sqlalchemy"].engine.connect()
    try:
        other.execute(text("LOCK TABLE parts.step_default IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(Exception, match="lock timeout"):
            _make_partitions(FAR)
    finally:
        other.close()
    _make_partitions(FAR)
    assert _month("step", 3) in _months("step")


def test_old_months_go_whole_with_a_report_and_younger_ones_stay(settings: Settings) -> None:
    _make_partitions(FAR)
    old, young = _step("OLD", FAR), _step("YOUNG", FAR + timedelta(days=62))
    end = (FAR + timedelta(days=31)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    now = end + timedelta(days=settings.retention_step_days)
    with transaction() as session:
        due = retention.months_due(session, settings, now)
        assert [one.name for name, one in due if name == "steps"][-1] == _month("step")
        for name, one in due:
            if one.name == _month("step"):
                assert retention.drop_month(session, name, one, now) == {"step": 1}
    with transaction() as session:
        assert run_list.steps_of(session, old) == []
        assert [step.keys for step in run_list.steps_of(session, young)] == [("YOUNG",)]
        report = session.query(PurgeReport).one()
        assert (report.class_code, report.period_on, report.counts) == (
            "steps",
            FAR.date().replace(day=1),
            {"step": 1},
        )
        # The run itself is a header.
        assert run_list.find_run(session, old) is not None


def test_a_dry_run_counts_and_changes_nothing(settings: Settings) -> None:
    with transaction() as session:
        audit.record(session, "staff:aino", "X", "x", {}, NOW)
    later = NOW + timedelta(days=settings.retention_audit_days + 40)
    with transaction() as session:
        found = retention.rehearse(session, settings, later)
    assert found["audit"]["audit"] == 1
    assert scalar("SELECT count(*) FROM audit_entry") == 1
    assert scalar("SELECT count(*) FROM purge_report") == 0
    assert scalar("SELECT count(*) FROM daily_task WHERE name = 'audit'") == 0


def test_an_old_order_is_found_after_everything_that_may_go_has_gone(settings: Settings) -> None:
    _make_partitions(FAR)
    with transaction() as session:
        point = add_order(session).gsrn
        inbound.store_small(
            session,
            source="cis",
            kind="CIS_FILE",
            name="orders.xml",
            body=b"<x/>",
            now=FAR,
            state="INTERPRETED",
        )
        outbox.put(session, [_item()], FAR)
        session.execute(
            text("UPDATE outbox_item SET state = 'SENT', settled_at = :at"), {"at": FAR}
        )
        runs.put_payload(session, b"<x/>", "text/xml", FAR)
    run_id = _step(ORDER, FAR)
    short = settings.model_copy(update=dict.fromkeys(LIMITS, 60))
    later = FAR + timedelta(days=100)
    assert _retain(short, later) == {
        **{"chunks": 1, "messages": 1, "outgoing": 1, "blobs": 1, "step": 1},
    }
    with transaction() as session:
        (hit,) = point_search.search_points(session, ORDER, later.date()).hits
        assert hit.gsrn == point
        (run,) = run_list.find_runs(session, 5)
        assert run.id == run_id
        reported = {one.class_code for one in session.query(PurgeReport)}
        assert reported == {"inbound", "outgoing", "payloads", "steps"}
    assert scalar("SELECT state || ' ' || dedupe_key FROM outbox_item") == f"SENT {ORDER}-1"
    assert "Koivutie" not in scalar("SELECT payload::text FROM outbox_item")
    assert scalar("SELECT name FROM inbound_message") == "orders.xml"


def test_keys_that_hold_a_promise_hold_for_ever(settings: Settings) -> None:
    """The tables of these keys have no partitions, whatever the year of the second row."""
    with transaction() as session:
        assert outbox.put(session, [_item()], NOW) == 1
        assert outbox.put(session, [_item()], NOW + timedelta(days=800)) == 0
    for table, key in (
        ("notice", "dedupe_key"),
        ("delivery_receipt", "dedupe_key"),
        ("inbound_message", "body_hash"),
        ("process_start", "dedupe_key"),
        ("attempt", "id"),
    ):
        unique = scalar(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)"
            " WHERE c.relname = :table AND c.relkind = 'r' AND i.indisunique AND i.indpred IS NULL"
            " AND a.attname = :key",
            table=table,
            key=key,
        )
        assert unique == 1, table


def test_ids_of_steps_are_one_series_over_all_months() -> None:
    _make_partitions(FAR)
    for days in (0, 31, 62):
        _step("WO-1", FAR + timedelta(days=days))
    ids = scalar("SELECT array_agg(id ORDER BY started_at) FROM step")
    assert ids == sorted(set(ids))
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(text(f"INSERT INTO step SELECT * FROM parts.{_month('step')}"))


def _item() -> NewItem:
    payload: dict[str, Any] = {
        "action": "NEW",
        "orderId": ORDER,
        "revision": 1,
        "site": {"address": {"streetName": "Koivutie"}},
        "contact": {"name": "Aino"},
    }
    return NewItem("partner.voima", "WORK_ORDER", ORDER, "x", 1, f"{ORDER}-1", payload)


def _step(key: str, at: datetime) -> int:
    with transaction() as session:
        run_id = runs.start_run(session, "intake", "test", at)
        runs.add_steps(session, run_id, [StepRow("order", "NEW", (key,), at)])
    return run_id


def _retain(settings: Settings, now: datetime) -> Counter[str]:
    """Every round that is due, as the worker does them; the first partition is every test's."""
    counts: Counter[str] = Counter()
    while True:
        with transaction() as session:
            due = list(retention.days_due(session, settings, now))
        if not due:
            break
        for rule, day in due:
            with transaction() as session:
                counts += retention.clear_day(session, rule, day, now)
    with transaction() as session:
        for name, one in retention.months_due(session, settings, now):
            if not one.name.endswith("_first"):
                counts += retention.drop_month(session, name, one, now)
    return counts


def _months(table: str) -> list[str]:
    with transaction() as session:
        found = [one for one in partitions.partitions(session) if one.table == table]
    return [one.name for one in found if not one.is_default and not one.name.endswith("_first")]


def _month(table: str, ahead: int = 0) -> str:
    """The name of the month of FAR, or of one after it."""
    day = FAR.replace(day=1)
    for _ in range(ahead):
        day = (day + timedelta(days=32)).replace(day=1)
    return f"{table}_{day:%Y_%m}"
