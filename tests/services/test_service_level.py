"""The public figures follow from the rows: what was sent when, what came true, which visits worked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.service_level import HourCounts, add_up
from app.models import ServiceHour
from app.services import service_level
from tests.services.announcing import add_outage, restore
from tests.services.world import GSRN, NOW, add_point

HOUR = NOW.replace(minute=0, second=0, microsecond=0)
LATER = HOUR + timedelta(hours=2)

_NOTICE = text(
    """
    INSERT INTO notice (type, dedupe_key, gsrn, topic, language, channel, sent_to, state, state_at,
        decision, event_at, created_at, sent_at, not_before_at, expires_at, resent_count, to_staff)
    VALUES (:type, :key, :gsrn, 'FAULT', 'fi', :channel, '+358401234560', :state, :at, '',
        :event_at, :at, :sent_at, :not_before_at, :expires_at, 0, :to_staff)
    """
)


def at(seconds: float) -> datetime:
    return HOUR + timedelta(seconds=seconds)


def notice(state: str = "SENT", after_s: float | None = 1.0, **more: Any) -> None:
    """A notice made at the beginning of the hour, handed over so much later."""
    values: dict[str, Any] = {
        "type": "FAULT_STARTED",
        "key": f"{state}/{after_s}/{sorted(more.items())}",
        "gsrn": GSRN,
        "channel": "SMS",
        "state": state,
        "at": HOUR,
        "event_at": at(-180),
        "sent_at": None if after_s is None else at(after_s),
        "not_before_at": None,
        "expires_at": at(12 * 3600),
        "to_staff": False,
        **more,
    }
    with transaction() as session:
        session.execute(_NOTICE, values)


def count(now: datetime = LATER) -> HourCounts:
    with transaction() as session:
        return service_level.count_hour(session, HOUR, now)


@pytest.fixture(autouse=True)
def place(app: Flask) -> Any:
    with app.app_context():
        with transaction() as session:
            add_point(session, GSRN)
        yield


def test_notices_are_counted_by_how_soon_the_provider_had_them() -> None:
    for seconds in (1.0, 5.0, 6.0, 30.0, 31.0):
        notice(after_s=seconds)
    found = count()
    assert (found.due, found.handed, found.quick, found.soon, found.missed) == (5, 5, 2, 4, 0)
    assert found.told_after == {12: 3, 14: 2}


def test_what_was_held_on_purpose_is_measured_from_the_end_of_the_hold() -> None:
    notice(after_s=7203.0, not_before_at=at(7200))
    found = count(LATER + timedelta(hours=2))
    assert (found.due, found.quick) == (1, 1)
    # Whoever slept through it says nothing about how fast news travels.
    assert not found.told_after


def test_what_never_left_in_time_is_late_and_what_was_stopped_on_purpose_is_not() -> None:
    notice("EXPIRED", None)
    notice("QUEUED", None)
    notice("EXPIRED", None, not_before_at=at(90_000), key="held past its end")
    notice("SUPPRESSED", None)
    notice("SUPERSEDED", None)
    notice("HELD", None, not_before_at=at(86_400))
    notice("SENT", 1.0, to_staff=True)
    found = count()
    assert (found.due, found.missed, found.quick) == (2, 2, 0)


def test_what_waits_for_less_than_half_a_minute_is_not_late_yet() -> None:
    notice("QUEUED", None)
    assert count(at(29)).due == 0
    assert count(at(31)).due == 1


def test_doubts_are_counted_by_themselves() -> None:
    notice("UNKNOWN", None)
    notice("DELIVERED", 1.0)
    notice("UNDELIVERED", 2.0)
    notice("FAILED", None)
    found = count()
    assert (found.unknown, found.delivered, found.undelivered) == (1, 1, 2)
    assert found.due == 2


@pytest.mark.parametrize(("minutes_off", "hit"), [(0, 1), (-30, 1), (30, 1), (31, 0), (-45, 0)])
def test_an_estimate_was_right_when_the_power_came_back_within_half_an_hour_of_it(
    minutes_off: int, hit: int
) -> None:
    outage = add_outage(off_at=at(-7200), state="RESTORED")
    _told(outage, etr_at=at(600 + 60 * minutes_off), created_at=at(-3600))
    # One that nobody heard, and one that came after the end, promise nothing.
    _told(outage, etr_at=at(90_000), created_at=at(-60), told_count=0)
    _told(outage, etr_at=at(90_000), created_at=at(900))
    _end(outage, at(600))
    found = count()
    assert (found.etr, found.etr_hit) == (1, hit)


def test_a_fault_without_an_estimate_and_a_false_alarm_are_no_misses() -> None:
    _end(add_outage(off_at=at(-7200), state="RESTORED", source_ref="F-1"), at(60))
    other = add_outage(off_at=at(-7200), state="FALSE_ALARM", source_ref="F-2")
    _told(other, etr_at=at(90_000), created_at=at(-3600))
    _end(other, at(60), state="FALSE_ALARM")
    assert count().etr == 0


def test_a_first_visit_is_one_that_ended_before_any_other_of_its_order() -> None:
    _ack("O-1", "COMPLETED", 60)
    _ack("O-2", "FAILED", 60)
    _ack("O-2", "COMPLETED", 120)
    _ack("O-3", "FAILED", -7200)
    _ack("O-3", "COMPLETED", 60)
    _ack("O-4", "COMPLETED", 60, verdict="STALE")
    found = count()
    assert (found.visit, found.visit_ok) == (2, 1)


def test_hours_are_counted_again_until_no_report_is_waited_for_any_more() -> None:
    with transaction() as session:
        first = service_level.due_hours(session, LATER)
    assert first[:3] == [LATER, LATER - timedelta(hours=1), HOUR]
    for one in first:
        with transaction() as session:
            service_level.count_hour(session, one, LATER)
    with transaction() as session:
        # A few at a time: the rest of the month is still to come.
        second = service_level.due_hours(session, LATER)
    assert second
    assert not set(first) & set(second)
    assert _due(HOUR, LATER + timedelta(minutes=5))
    assert not _due(HOUR, LATER + timedelta(minutes=4))
    assert not _due(HOUR, HOUR + timedelta(hours=5))
    assert _due(HOUR, HOUR + timedelta(hours=9))
    count(HOUR + timedelta(hours=72))
    # Once more after the last, and never again.
    assert _due(HOUR, HOUR + timedelta(hours=80))
    count(HOUR + timedelta(hours=80))
    assert not _due(HOUR, HOUR + timedelta(days=20))


def test_the_same_hour_counted_twice_is_one_row() -> None:
    notice()
    count()
    notice(after_s=2.0)
    count(LATER + timedelta(minutes=6))
    with transaction() as session:
        (row,) = session.execute(select(ServiceHour)).scalars().all()
        assert add_up([row.counts]).due == 2
        assert row.computed_at == LATER + timedelta(minutes=6)


def _due(hour: datetime, now: datetime) -> bool:
    with transaction() as session:
        known = {row.hour_at: row.computed_at for row in session.query(ServiceHour)}
    return service_level.is_due(hour, known.get(hour), now)


def _told(outage: int, *, etr_at: datetime, created_at: datetime, told_count: int = 3) -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO announcement (type, topic, priority, subject, occurrence, outage_id,"
                " event_at, facts, state, told_count, suppressed_count, created_by, created_at)"
                " VALUES ('FAULT_ETR', 'FAULT', 30, :subject, :name, :outage, :created,"
                " jsonb_build_object('etr_at', CAST(:etr AS text)), 'DONE', :told, 0, 'test',"
                " :created)"
            ),
            {
                "subject": f"outage:{outage}",
                "etr": etr_at.isoformat(),
                "name": f"{etr_at.isoformat()}/{created_at.isoformat()}",
                "outage": outage,
                "created": created_at,
                "told": told_count,
            },
        )


def _end(outage: int, on_at: datetime, state: str = "RESTORED") -> None:
    restore(outage, on_at)
    with transaction() as session:
        session.execute(
            text("UPDATE outage SET restored_at = :at, state = :state WHERE id = :id"),
            {"at": on_at, "state": state, "id": outage},
        )


def _ack(order: str, kind: str, seconds: float, verdict: str = "APPLIED") -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO ack (partner_code, ack_id, order_id, revision, type, occurred_at,"
                " reported_at, received_at, payload, payload_hash, verdict, findings,"
                " inbound_message_id, applied_at) VALUES ('voima', :id, :order, 1, :type, :at, :at,"
                " :at, '{}', '', :verdict, '[]', 1, :at)"
            ),
            {
                "id": f"{order}/{kind}/{seconds}",
                "order": order,
                "type": kind,
                "at": at(seconds),
                "verdict": verdict,
            },
        )
