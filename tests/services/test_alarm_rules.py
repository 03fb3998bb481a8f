"""Rules are stored only when they make sense, raised once, told once each way, and cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.alarm_rules import Days, Direction, Measure, Rule, RuleKind
from app.domain.languages import Language
from app.domain.roles import Role
from app.models import Alarm, AlarmRule, AuditEntry, OutboxItem, StaffAccount, StaffAddress
from app.queries import alarm_measures
from app.services import alarm_rules, alarm_telling, runs
from app.services.alarm_rules import RuleFaulty, Written
from app.settings import Settings
from tests.conftest import test_settings
from tests.services.world import add_order, add_point, ledger

# A Friday at 10.30 in Finland.
NOW = datetime(2027, 1, 15, 8, 30, tzinfo=UTC)
BY = "staff:otso"
RULE = Rule(
    RuleKind.RATE,
    Measure.ORDERS,
    Direction.BELOW,
    window_min=60,
    limit=3,
    clear_limit=3,
    raise_after=2,
    clear_after=1,
    days=Days.WORKING,
    from_time=time(7),
    to_time=time(16),
)
WRITTEN = Written("Orders in an hour", RULE, 60, "operations", ("aino",), True, True)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        with transaction() as session:
            add_point(session)
            account = StaffAccount(
                username="aino",
                display_name="Aino Esimerkki",
                password_hash="none",
                role=Role.OPERATOR,
                language="sv",
                created_at=NOW,
            )
            session.add(account)
            session.flush()
            session.add(
                StaffAddress(
                    staff_account_id=account.id,
                    channel="EMAIL",
                    value="aino@example.fi",
                    verified_at=NOW,
                    failed_count=0,
                )
            )
        yield


@pytest.fixture
def settings() -> Settings:
    return test_settings(
        alarm_webhook_url="http://127.0.0.1:1/alarms", alarm_webhook_secret="s" * 32
    )


def test_too_few_orders_on_a_working_day_are_told_once_and_once_that_it_is_over(
    settings: Settings,
) -> None:
    _save(settings)
    _orders(2, NOW - timedelta(minutes=10))
    raised = [_look(settings, NOW + timedelta(minutes=n)) for n in range(4)]
    assert raised == [False, True, True, True]
    assert _open() == ["alarm-rule:orders"]
    _orders(1, NOW + timedelta(minutes=4), first=3)
    assert not _look(settings, NOW + timedelta(minutes=5))
    assert _open() == []
    assert [notice.subject for notice in ledger()] == [
        "Larmet har utlösts: Orders in an hour",
        "Larmet har upphört: Orders in an hour",
    ]
    assert {notice.to_staff for notice in ledger()} == {True}
    assert _posted() == [("ALARM_RAISED", 1), ("ALARM_CLEARED", 1)]


def test_it_may_be_raised_again_and_is_told_again(settings: Settings) -> None:
    _save(settings)
    for minutes in (0, 1):
        _look(settings, NOW + timedelta(minutes=minutes))
    _orders(3, NOW + timedelta(minutes=2))
    _look(settings, NOW + timedelta(minutes=3))
    for minutes in (70, 71):
        _look(settings, NOW + timedelta(minutes=minutes))
    assert [event for event, _ in _posted()] == ["ALARM_RAISED", "ALARM_CLEARED", "ALARM_RAISED"]
    assert [number for _, number in _posted()] == [1, 1, 2]
    assert len(ledger()) == 3


def test_a_death_before_the_commit_tells_nothing_and_the_next_look_tells_all(
    settings: Settings,
) -> None:
    _save(settings, replace(WRITTEN, rule=replace(RULE, raise_after=1)))

    def die() -> None:
        with transaction() as session:
            alarm_rules.look(session, settings, "orders", alarm_measures.measure, NOW)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        die()
    assert (_posted(), ledger(), _open()) == ([], [], [])
    assert _look(settings, NOW)
    assert len(_posted()) == len(ledger()) == 1


def test_outside_its_hours_and_on_holidays_it_neither_raises_nor_clears(
    settings: Settings,
) -> None:
    _save(settings, replace(WRITTEN, rule=replace(RULE, raise_after=1)))
    # Saturday, Epiphany (a Wednesday), and 16.01 in Finland.
    for at in (
        datetime(2027, 1, 16, 8, 30, tzinfo=UTC),
        datetime(2027, 1, 6, 8, 30, tzinfo=UTC),
        datetime(2027, 1, 15, 14, 1, tzinfo=UTC),
    ):
        with transaction() as session:
            session.execute(text("UPDATE alarm_rule SET next_at = :at"), {"at": at})
        assert not _look(settings, at)
    assert _posted() == []


def test_a_rule_is_looked_at_as_often_as_it_says_and_no_more(settings: Settings) -> None:
    _save(settings)
    with transaction() as session:
        assert alarm_rules.due(session, NOW) == ["orders"]
    _look(settings, NOW)
    with transaction() as session:
        assert alarm_rules.due(session, NOW + timedelta(seconds=59)) == []
        assert alarm_rules.due(session, NOW + timedelta(seconds=60)) == ["orders"]


def test_somebody_without_a_proven_address_is_not_written_to_and_the_trail_says_so(
    settings: Settings,
) -> None:
    _save(settings, replace(WRITTEN, rule=replace(RULE, raise_after=1)))
    with transaction() as session:
        session.execute(text("UPDATE staff_address SET verified_at = NULL"))
    assert _look(settings, NOW)
    assert ledger() == []
    with transaction() as session:
        actions = session.execute(select(AuditEntry.action).order_by(AuditEntry.id)).scalars().all()
    assert "ALARM_NOT_MAILED" in actions


def test_switching_a_raised_rule_off_ends_its_alarm(settings: Settings) -> None:
    _save(settings, replace(WRITTEN, rule=replace(RULE, raise_after=1)))
    assert _look(settings, NOW)
    with transaction() as session:
        off = replace(WRITTEN, active=False)
        alarm_rules.save(session, settings, "orders", off, NOW, by=BY, new=False)
    assert _open() == []
    assert not _look(settings, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "FIELD_MISSING"),
        ({"name": "x" * 61}, "TOO_LONG"),
        ({"every_s": 9}, "OUT_OF_RANGE"),
        ({"recipients": ("nobody",)}, "NO_PROVEN_ADDRESS"),
        ({"rule": replace(RULE, clear_limit=2)}, "CLEARS_TOO_EARLY"),
        ({"rule": replace(RULE, subject="MVMX")}, "SUBJECT_UNKNOWN"),
        ({"rule": replace(RULE, measure=Measure.RUNS_BAD, subject="x")}, "SUBJECT_UNKNOWN"),
        ({"rule": replace(RULE, measure=Measure.NOTICES, subject="x")}, "SUBJECT_UNKNOWN"),
    ],
)
def test_what_makes_no_sense_is_not_stored(
    settings: Settings, change: dict[str, object], code: str
) -> None:
    with pytest.raises(RuleFaulty, match=code):
        _save(settings, replace(WRITTEN, **change))  # type: ignore[arg-type]
    with transaction() as session:
        assert session.execute(select(AlarmRule)).all() == []


@pytest.mark.parametrize(
    ("measure", "subject"),
    [
        (Measure.ORDERS, "MVM"),
        (Measure.NOTICES, "FAULT"),
        (Measure.PROCESS_RUNS, "poll-cis"),
        (Measure.ACKS, "whoever"),
    ],
)
def test_a_rule_may_be_about_what_there_is(
    settings: Settings, measure: Measure, subject: str
) -> None:
    _save(settings, replace(WRITTEN, rule=replace(RULE, measure=measure, subject=subject)))


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    assert (
        alarm_telling.shown(12.5, Language.FI) == alarm_telling.shown(12.5, Language.SV) == "12,5"
    )
    assert alarm_telling.shown(12.5, Language.EN) == "12.5"
    assert alarm_telling.shown(12.0, Language.FI) == "12"


def test_a_code_is_given_once_and_a_webhook_needs_an_address(settings: Settings) -> None:
    _save(settings)
    with pytest.raises(RuleFaulty, match="CODE_KNOWN"):
        _save(settings)
    with pytest.raises(RuleFaulty, match="NO_WEBHOOK"), transaction() as session:
        alarm_rules.save(session, test_settings(), "other", WRITTEN, NOW, by=BY, new=True)


def test_each_measure_can_be_measured(settings: Settings) -> None:
    del settings
    with transaction() as session:
        for ended, state in enumerate(("OK", "FAILED", "OK", "KILLED")):
            at = NOW - timedelta(minutes=40 - ended)
            run_id = runs.start_run(session, "poll CIS", "schedule", at)
            runs.finish_run(session, run_id, state, at)
    found = {}
    for measure in Measure:
        subject = {"LANE_AGE": "nis", "PROCESS_AGE": "poll-cis", "RUNS_BAD": "poll-cis"}.get(
            measure
        )
        rule = replace(RULE, measure=measure, subject=subject)
        with transaction() as session:
            found[measure] = alarm_measures.measure(session, rule, NOW)
    assert found[Measure.RUNS_BAD].number == 50.0
    assert found[Measure.RUNS_BAD].of_count == 4
    assert found[Measure.PROCESS_AGE].number == 38.0
    assert found[Measure.LANE_AGE].number == 0.0
    assert found[Measure.PROCESS_RUNS].number == 4.0
    assert found[Measure.NOTICES_BAD].number is None
    assert found[Measure.ORDERS].number == 0.0


def _save(settings: Settings, written: Written = WRITTEN) -> None:
    with transaction() as session:
        alarm_rules.save(session, settings, "orders", written, NOW, by=BY, new=True)


def _look(settings: Settings, at: datetime) -> bool:
    with transaction() as session:
        return alarm_rules.look(session, settings, "orders", alarm_measures.measure, at)


def _orders(count: int, at: datetime, first: int = 1) -> None:
    with transaction() as session:
        for number in range(first, first + count):
            add_order(session, f"A-{number}-{at:%H%M}").created_at = at


def _open() -> list[str]:
    with transaction() as session:
        statement = select(Alarm.subject).where(Alarm.kind == "RULE", Alarm.closed_at.is_(None))
        return list(session.execute(statement).scalars())


def _posted() -> list[tuple[str, int]]:
    with transaction() as session:
        rows = session.execute(
            select(OutboxItem.payload).where(OutboxItem.lane == "webhook").order_by(OutboxItem.id)
        ).scalars()
        return [(row["event"], row["occurrence"]) for row in rows]
