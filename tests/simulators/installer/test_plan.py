"""What a crew is going to report, as it is decided from the seed when an order comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from simulators.config_file import complete_config
from simulators.faults import Faults
from simulators.installer.plan import Plan, make_plan
from simulators.settings import Installer, load_config


def test_a_plan_follows_from_the_seed_and_the_order_alone(tmp_path: Path) -> None:
    usual = _usual(tmp_path)
    assert make_plan(usual, Faults(), 1, "A-1") == make_plan(usual, Faults(), 1, "A-1")
    assert make_plan(usual, Faults(), 1, "A-1") != make_plan(usual, Faults(), 2, "A-1")


def test_work_takes_its_time_between_its_start_and_its_end(tmp_path: Path) -> None:
    usual = replace(_usual(tmp_path), started_after_s=(3.0, 8.0), completed_after_s=(6.0, 15.0))
    plans = [make_plan(usual, Faults(), 1, f"A-{number}") for number in range(500)]
    works = [work for work in map(_work_s, plans) if work is not None]
    assert len(works) > 400
    assert min(works) >= 3.0
    assert max(works) > 8.0


def _work_s(plan: Plan) -> float | None:
    """How long the work takes, where it is begun."""
    at = {step["type"]: step["after_s"] for step in plan["steps"]}
    end = at.get("COMPLETED", at.get("FAILED"))
    return None if "STARTED" not in at or end is None else round(end - at["STARTED"], 3)


def _usual(folder: Path) -> Installer:
    file = folder / "config.json"
    complete_config(file)
    return load_config(file).installer
