"""The rollout's narrow copy follows the orders, and its figures are the counts of its lists."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.rollout import NONE, Choice, Flag, parse_choice
from app.queries import rollout_figures, rollout_list, rollout_plans
from app.services import outbox, rollout, rollout_plan
from app.services.outbox import NewItem
from app.services.rollout_plan import PlanRefused, PlanUnknown
from tests.services.rollout_world import (
    NOW,
    PLAN,
    TODAY,
    add_mass_order,
    add_report,
    add_rollout_order,
    add_world,
)
from workers.rollout import refresh_rollout

SILENT_DAYS = 3


def test_orders_that_replace_meters_are_copied_and_others_are_not(world: Flask) -> None:
    with world.app_context(), transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM rollout_order")) == 20
        first = _row(session, "R-000")
        assert (first.installed_on, first.crew, first.failed_reason) == (
            TODAY - timedelta(days=1),
            "Crew 0",
            "ACC_DOG",
        )
        assert _row(session, "R-006").failed_reason == "CUS_ABSENT"
        assert _row(session, "R-006").installed_on is None


def test_flags_are_what_they_say(world: Flask) -> None:
    expected = {
        Flag.BOOKED: {"R-011", "R-012"},
        Flag.UNBOOKED: {"R-006", "R-007", "R-008", "R-009", "R-010", "R-018", "R-019"},
        Flag.OVERDUE: {"R-012"},
        Flag.SILENT: {"R-008", "R-009"},
        # R-017 is paused, R-014 waits for two hours only.
        Flag.STUCK: {"R-007", "R-013"},
        Flag.MISMATCH: {"R-010"},
        Flag.VISITED: {f"R-00{number}" for number in range(7)},
        Flag.FIRST_VISIT: {f"R-00{number}" for number in range(1, 6)},
    }
    with world.app_context(), transaction() as session:
        for flag, orders in expected.items():
            assert _ids(session, Choice(flag=str(flag))) == orders, flag


def test_what_was_given_up_is_no_trouble_once_something_newer_arrived(world: Flask) -> None:
    with world.app_context():
        with transaction() as session:
            assert _ids(session, Choice(flag=str(Flag.STUCK))) >= {"R-007"}
            item = NewItem("partner.voima", "WORK_ORDER", "R-007", "R-007", 2, "R-007-2", {})
            outbox.put(session, [item], NOW)
        _refresh(world, NOW)
        with transaction() as session:
            # It is only on its way.
            assert "R-007" in _ids(session, Choice(flag=str(Flag.STUCK)))
            session.execute(
                text("UPDATE outbox_item SET state = 'SENT' WHERE dedupe_key = 'R-007-2'")
            )
        _refresh(world, NOW)
        with transaction() as session:
            assert "R-007" not in _ids(session, Choice(flag=str(Flag.STUCK)))


@pytest.mark.parametrize("crew", ["", " ", "-", " Crew 7 "])
def test_a_crew_however_it_is_written_has_the_list_that_its_number_says(
    world: Flask, crew: str
) -> None:
    with world.app_context():
        with transaction() as session:
            order = add_rollout_order(session, 50, "REPORTED", attempts=1)
            add_report(session, order, "COMPLETED", NOW - timedelta(hours=1), crew=crew)
        _refresh(world, NOW)
        with transaction() as session:
            figures = rollout_figures.count(session, Choice(), NOW, SILENT_DAYS)
            for one in figures.crews:
                choice = Choice(
                    partner=one.partner or NONE,
                    crew=one.crew or NONE,
                    from_day=one.day,
                    to_day=one.day,
                )
                asked = parse_choice(choice.words())
                assert rollout_list.count_orders(session, asked, NOW, SILENT_DAYS) == one.orders


def test_a_changed_order_is_taken_again_however_old_its_change_looks(world: Flask) -> None:
    with world.app_context():
        with transaction() as session:
            # A transaction that began long ago commits now: its time is before the last count.
            session.execute(
                text(
                    "UPDATE work_order SET state = 'ACCEPTED', updated_at = :at WHERE order_id = 'R-008'"
                ),
                {"at": NOW - timedelta(days=2)},
            )
        assert _refresh(world, NOW + timedelta(hours=1))
        with transaction() as session:
            assert _row(session, "R-008").state == "ACCEPTED"
            assert _ids(session, Choice(flag=str(Flag.SILENT))) == {"R-009"}


def test_a_paused_mass_order_a_new_visit_and_a_settled_mismatch_change_the_copy(
    world: Flask,
) -> None:
    with world.app_context():
        with transaction() as session:
            session.execute(text("UPDATE mass_order SET state = 'PAUSED' WHERE mass_id = 'M-1'"))
            session.execute(text("UPDATE visit SET from_at = :at"), {"at": NOW})
            session.execute(text("UPDATE serial_mismatch SET state = 'SETTLED'"))
        _refresh(world, NOW + timedelta(minutes=1))
        with transaction() as session:
            assert _ids(session, Choice(flag=str(Flag.STUCK))) == set()
            assert _ids(session, Choice(flag=str(Flag.OVERDUE))) == set()
            assert _ids(session, Choice(flag=str(Flag.MISMATCH))) == set()


def test_a_correction_that_leaves_the_order_as_it_was_is_seen_by_reading_anew(world: Flask) -> None:
    with world.app_context():
        with transaction() as session:
            order = session.execute(text("SELECT * FROM work_order WHERE order_id = 'R-001'")).one()
            add_report(session, order, "CORRECTED", NOW, crew="Crew 9")  # type: ignore[arg-type]
        _refresh(world, NOW + timedelta(minutes=1))
        with transaction() as session:
            row = _row(session, "R-001")
            # Who corrects tells of the same installation: its day stays.
            assert (row.crew, row.installed_on) == ("Crew 9", TODAY - timedelta(days=2))


def test_reading_anew_goes_round_in_slices_and_forgets_orders_that_are_gone(world: Flask) -> None:
    with world.app_context(), transaction() as session:
        session.execute(text("DELETE FROM visit"))
        session.execute(text("DELETE FROM work_order WHERE order_id = 'R-019'"))
        after = rollout.reread(session, "", 8)
        assert after == "R-007"
        assert _count(session) == 20
        after = rollout.reread(session, after, 8)
        assert after == "R-015"
        assert rollout.reread(session, after, 8) == ""
        assert _count(session) == 19


def test_nothing_is_written_again_when_nothing_has_changed(world: Flask) -> None:
    with world.app_context():
        with transaction() as session:
            before = session.execute(
                text("SELECT order_id, xmin::text FROM rollout_order ORDER BY order_id")
            ).all()
        _refresh(world, NOW + timedelta(hours=1))
        with transaction() as session:
            assert (
                session.execute(
                    text("SELECT order_id, xmin::text FROM rollout_order ORDER BY order_id")
                ).all()
                == before
            )


def test_the_figures_are_counted_at_their_time_and_not_before(world: Flask) -> None:
    settings = world.extensions["tiedolla_settings"]
    with world.app_context():
        assert not refresh_rollout(settings, NOW + timedelta(seconds=5))
        assert refresh_rollout(settings, NOW + timedelta(seconds=301))
        with transaction() as session:
            summary = rollout_figures.find_summary(session)
            assert summary is not None
            assert summary.as_of_at == NOW + timedelta(seconds=301)


def test_what_one_round_takes_is_counted_with_it_and_the_next_round_goes_on_at_once(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No list is ever longer than its number, also while a mass order is being taken."""
    settings = app.extensions["tiedolla_settings"]
    monkeypatch.setattr(rollout, "SLICE", 3)
    with app.app_context():
        with transaction() as session:
            add_mass_order(session, "M-1", "A1")
            for number in range(7):
                add_rollout_order(session, number, "SENT")
        counted = []
        while refresh_rollout(settings, NOW, patience_s=0):
            with transaction() as session:
                summary = rollout_figures.find_summary(session)
                assert summary is not None
                number = sum(row["orders"] for row in summary.figures["states"])
                listed = rollout_list.count_orders(session, Choice(), NOW, SILENT_DAYS)
                assert number == listed == _count(session)
                counted.append((number, summary.figures["behind"]))
        assert counted == [(3, True), (6, True), (7, False)]


def test_a_plan_is_kept_once_and_the_one_put_in_force_last_counts(world: Flask) -> None:
    with world.app_context():
        with transaction() as session:
            first = rollout_plans.find_active(session)
            assert first is not None
            again = rollout_plan.store(session, "other.csv", PLAN[::-1], NOW, by="a")
            assert again == (first.id, False)
            second, is_new = rollout_plan.store(session, "new.csv", PLAN[:1], NOW, by="a")
            assert is_new
            assert rollout_plans.find_active(session) == first
            later = NOW + timedelta(hours=1)
            _put_in_force(session, second, later)
            assert rollout_plans.rows_of(session, second) == PLAN[:1]
        with transaction() as session:
            active = rollout_plans.find_active(session)
            assert active is not None
            assert active.id == second
            _put_in_force(session, first.id, later + timedelta(hours=1))
            back = rollout_plans.find_active(session)
            assert back is not None
            assert back.id == first.id
            acts = session.execute(text("SELECT action FROM audit_entry ORDER BY id")).scalars()
            assert list(acts).count("ROLLOUT_PLAN_ACTIVATED") == 3
            with pytest.raises(PlanUnknown):
                rollout_plan.activate(session, 99, NOW, by="a")


def test_two_people_put_a_plan_in_force_also_an_earlier_one(world: Flask) -> None:
    with world.app_context(), transaction() as session:
        number, _ = rollout_plan.store(session, "new.csv", PLAN[:1], NOW, by="aino")
        # Nobody has proposed it yet.
        _refused("CHANGED_MEANWHILE", session, rollout_plan.activate, number, by="otso")
        rollout_plan.propose(session, number, NOW, by="otso")
        _refused("CHANGED_MEANWHILE", session, rollout_plan.propose, number, by="ilmo")
        assert rollout_plans.count_waiting(session) == 1
        for who in ("otso", "aino"):
            _refused("SAME_PERSON", session, rollout_plan.activate, number, by=who)
        before = rollout_plans.find_active(session)
        assert before is not None
        assert before.id != number
        rollout_plan.activate(session, number, NOW + timedelta(hours=1), by="ilmo")
        _refused("IN_FORCE", session, rollout_plan.propose, number, by="otso")
        # The way back needs a second person, too; it may be who once brought the earlier one.
        rollout_plan.propose(session, before.id, NOW, by="otso")
        _refused("SAME_PERSON", session, rollout_plan.activate, before.id, by="otso")
        rollout_plan.withdraw(session, before.id, NOW, by="otso")
        _refused("CHANGED_MEANWHILE", session, rollout_plan.activate, before.id, by="aino")
        rollout_plan.propose(session, before.id, NOW, by="otso")
        later = NOW + timedelta(hours=2)
        rollout_plan.activate(session, before.id, later, by="system:tests")
        active = rollout_plans.find_active(session)
        assert active is not None
        assert (active.id, rollout_plans.count_waiting(session)) == (before.id, 0)


def test_a_wave_is_counted_as_the_whole_is(world: Flask) -> None:
    with world.app_context(), transaction() as session:
        whole = rollout_figures.count(session, Choice(), NOW, SILENT_DAYS)
        parts = [
            rollout_figures.count(session, Choice(wave=wave), NOW, SILENT_DAYS)
            for wave in ("A1", "B1", "-")
        ]
        for flag, count in whole.flags.items():
            assert count == sum(part.flags[flag] for part in parts), flag
        assert sum(day.orders for day in whole.days) == 6
        assert [day.day for day in whole.days][-1] == date(2026, 11, 24)


@pytest.fixture
def world(app: Flask) -> Flask:
    """All kinds of orders, counted."""
    with app.app_context():
        with transaction() as session:
            add_world(session)
            session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
        _refresh(app, NOW)
    return app


def _put_in_force(session: Session, number: int, now: Any) -> None:
    rollout_plan.propose(session, number, now, by="b")
    rollout_plan.activate(session, number, now, by="c")


def _refused(code: str, session: Session, act: Any, number: int, *, by: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        act(session, number, NOW, by=by)
    assert refused.value.code == code


def _refresh(app: Flask, now: Any) -> bool:
    return refresh_rollout(app.extensions["tiedolla_settings"], now, at_once=True)


def _row(session: Session, order_id: str) -> Any:
    statement = text("SELECT * FROM rollout_order WHERE order_id = :id")
    return session.execute(statement, {"id": order_id}).one()


def _ids(session: Session, choice: Choice) -> set[str]:
    return {row.order_id for row in rollout_list.orders(session, choice, NOW, SILENT_DAYS)}


def _count(session: Session) -> int:
    return int(session.execute(text("SELECT count(*) FROM rollout_order")).scalar_one())
