"""The simulated planner asks for cuts of homes that the simulated CIS knows."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from flask import Flask

from app.db import db, transaction
from app.models import MeteringPoint
from app.services import planned_requests
from integrations.planner.codec import parse_request
from simulators.planner.plan import make_cut
from tests.field_work import headers

FRIDAY = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def test_a_cut_is_what_the_interface_takes(app: Flask) -> None:
    cut = {**make_cut(FRIDAY, seed=1, first=1, count=3, weekdays=4, hours=3), "version": 1}
    body = json.dumps(cut).encode()
    request = parse_request(body)
    # Four weekdays after a Friday is a Thursday.
    assert request.from_ == datetime(2026, 12, 3, 7, 0, tzinfo=UTC)
    far = {**cut, **_times(datetime.now(UTC))}
    body = json.dumps(far).encode()
    with app.app_context():
        with transaction() as session:
            planned_requests.allow_planner(session, "voima", None, True, "test", FRIDAY)
            for gsrn in cut["points"]:
                session.add(
                    MeteringPoint(
                        gsrn=gsrn, version=1, status="AE01", type="AG01", updated_at=FRIDAY
                    )
                )
        db.session.remove()
    answer = app.test_client().post("/api/v1/planned-cuts", data=body, headers=headers(app, body))
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    assert answer.json["pointCount"] == 3


def test_the_same_day_and_points_are_the_same_cut() -> None:
    first, again = (
        make_cut(FRIDAY, seed=1, first=5, count=2, weekdays=1, hours=2) for _ in range(2)
    )
    assert first == again
    assert first["reference"] == "WORK-261130-5"


def _times(now: datetime) -> dict[str, str]:
    cut = make_cut(now, seed=1, first=1, count=1, weekdays=9, hours=2)
    return {"from": cut["from"], "to": cut["to"]}
