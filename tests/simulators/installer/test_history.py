"""What the simulated installer tells of the weeks before today."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from simulators.installer.history import DAYS, make_past_plan

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def test_a_past_wave_is_mostly_done_and_has_every_kind_of_end() -> None:
    plans = [make_past_plan(1, f"M-{number}-1", NOW) for number in range(400)]
    ends = Counter(plan["steps"][-1]["type"] if plan["steps"] else None for plan in plans)
    assert ends["COMPLETED"] > 220
    assert {"FAILED", "SCHEDULED", "ACCEPTED", None} <= ends.keys()
    again = [step for plan in plans for step in plan["steps"] if plan["reason"]]
    assert {"FAILED", "COMPLETED"} <= {step["type"] for step in again}


def test_its_reports_tell_of_working_days_in_the_past_one_after_another() -> None:
    for number in range(400):
        plan = make_past_plan(1, f"M-{number}-1", NOW)
        told = [datetime.fromisoformat(step["told_at"]) for step in plan["steps"]]
        assert told == sorted(told)
        assert all(NOW - timedelta(days=2 * DAYS) < at < NOW for at in told)
        work = (s for s in plan["steps"] if s["type"] in ("COMPLETED", "FAILED"))
        assert all(datetime.fromisoformat(step["told_at"]).weekday() < 5 for step in work)
        assert plan == make_past_plan(1, f"M-{number}-1", NOW)
