"""Upkeep writes what the public sees; a folder that cannot be written raises an alarm."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.models import Alarm, MeteringPoint, Storm
from app.services import status_snapshot
from tests.conftest import test_settings
from tests.services.announcing import add_outage, restore
from tests.services.world import NOW, add_point
from workers.public_status import publish_status


@pytest.fixture(autouse=True)
def points(app: Flask) -> None:
    """Six homes in one postal code area and one in another."""
    with app.app_context(), transaction() as session:
        for place in range(7):
            gsrn = f"6499990000000{place:05d}"
            add_point(session, gsrn)
            point = session.get_one(MeteringPoint, gsrn)
            point.municipality_code = "837"
            point.postal_code = "33100" if place < 6 else "33200"
            point.post_office = "TAMPERE"


def gsrns(first: int, last: int) -> list[str]:
    return [f"6499990000000{place:05d}" for place in range(first, last)]


def snapshot(app: Flask, folder: Path, now: datetime = NOW) -> dict[str, object]:
    with app.app_context():
        publish_status(test_settings(status_snapshot_dir=folder), now)
    found: dict[str, object] = json.loads((folder / "status.json").read_text("utf-8"))
    return found


def test_confirmed_faults_are_counted_by_area_with_points_that_are_still_out(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        outage = add_outage(
            gsrns(0, 7), cause_code="TREE", etr_at=NOW + timedelta(hours=2), state="ETR_SET"
        )
        add_outage(gsrns(0, 3), state="DETECTED", source_ref="F-unconfirmed")
        add_outage(gsrns(0, 3), state="FALSE_ALARM", source_ref="F-false")
        add_outage(gsrns(0, 3), state="REOPENED", source_ref="F-never-confirmed")
    (one,) = snapshot(app, tmp_path)["municipalities"]  # type: ignore[misc]
    assert [(f["postal_code"], f["customers"]) for f in one["faults"]] == [
        ("33100", 6),
        ("33200", None),
    ]
    with app.app_context():
        restore(outage, NOW + timedelta(hours=1))
    assert snapshot(app, tmp_path)["municipalities"] == []


def test_planned_cuts_are_public_once_they_are_announced(app: Flask, tmp_path: Path) -> None:
    begin = NOW + timedelta(days=2)
    with app.app_context():
        for state in ("DRAFT", "APPROVED", "CANCELLED", "ENDED", "ANNOUNCED"):
            add_outage(
                gsrns(0, 6),
                kind="PLANNED",
                state=state,
                source_ref=state,
                planned_from_at=begin,
                planned_to_at=begin + timedelta(hours=2),
            )
    (one,) = snapshot(app, tmp_path)["municipalities"]  # type: ignore[misc]
    assert [cut["from_at"] for cut in one["planned"]] == [begin.isoformat()]
    assert one["faults"] == []


def test_req_17_a_cut_that_takes_longer_is_public_where_the_power_is_still_off(
    app: Flask, tmp_path: Path
) -> None:
    begin = NOW - timedelta(days=3)
    with app.app_context():
        outage = add_outage(
            gsrns(0, 6),
            kind="PLANNED",
            state="OVERRUN",
            planned_from_at=begin,
            planned_to_at=begin + timedelta(hours=2),
        )
        restore(outage, NOW, gsrns(0, 1))
    (one,) = snapshot(app, tmp_path)["municipalities"]  # type: ignore[misc]
    (cut,) = one["planned"]
    assert (cut["overrun"], cut["customers"]) == (True, 5)


def test_a_storm_is_told_until_it_ends(app: Flask, tmp_path: Path) -> None:
    with app.app_context(), transaction() as session:
        session.add(
            Storm(
                name="Jari",
                municipality_codes=["837"],
                started_at=NOW,
                opened_by="staff:otso",
                created_at=NOW,
            )
        )
    assert [one["name"] for one in snapshot(app, tmp_path)["storms"]] == ["Jari"]  # type: ignore[attr-defined]
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE storm SET ended_at = now()"))
    assert snapshot(app, tmp_path)["storms"] == []


def test_a_folder_that_cannot_be_written_raises_an_alarm_and_the_next_success_ends_it(
    app: Flask, tmp_path: Path
) -> None:
    blocked = tmp_path / "status"
    blocked.write_text("a file where the folder should be")
    with app.app_context():
        publish_status(test_settings(status_snapshot_dir=blocked), NOW)
        with transaction() as session:
            assert session.scalars(select(Alarm.kind)).all() == ["STATUS_NOT_WRITTEN"]
    blocked.unlink()
    snapshot(app, blocked)
    with app.app_context(), transaction() as session:
        closed = session.scalars(select(Alarm.closed_at)).all()
        assert closed[0] is not None


def test_a_reader_never_finds_half_a_file_and_no_draft_is_left(tmp_path: Path) -> None:
    status_snapshot.publish(b"one", tmp_path)
    with (tmp_path / "status.json").open("rb") as reading:
        status_snapshot.publish(b"another and longer one", tmp_path)
        assert reading.read() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
