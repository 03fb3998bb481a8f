"""Customer service, the customer's own page and the answer to TILA say the same of one cut (REQ-21)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.db import db
from app.domain.status_answers import decide_status_answer
from app.models import Outage, OutagePoint, PlannedCut
from app.queries.point_cuts import cuts_of
from tests.web.conftest import Writing
from tests.web.resident import Resident
from tests.web.sample_rows import add_point
from tests.web.visitor import Visitor

PHONE = "+358401234567"
ETR = timedelta(hours=2)
PLAN = {"planned_from_at": timedelta(hours=-1), "planned_to_at": timedelta(hours=1)}
COMING = {"planned_from_at": timedelta(hours=20), "planned_to_at": timedelta(hours=22)}


@pytest.mark.parametrize(
    ("kind", "state", "more", "agents", "customers", "answer"),
    [
        (
            *("FAULT", "DETECTED", {}),
            "Power may have been off since",
            "Your power may have been off since",
            "STATUS_SUSPECTED",
        ),
        # Nobody had confirmed it before it went and came again.
        (
            *("FAULT", "REOPENED", {}),
            "Power may have been off since",
            "Your power may have been off since",
            "STATUS_SUSPECTED",
        ),
        (
            *("FAULT", "ETR_SET", {"etr_at": ETR}),
            "It is estimated to be back",
            "We expect it back",
            "STATUS_OUTAGE",
        ),
        (
            *("FAULT", "ETR_SET", {"etr_at": -ETR}),
            "The repair takes longer than estimated",
            "The work takes longer than we thought",
            "STATUS_OUTAGE",
        ),
        (
            *("METER_SWAP", "OPEN", {}),
            "The power has been off since",
            "Your meter is being replaced.",
            "STATUS_SWAP",
        ),
        (
            *("METER_SWAP", "STALE", {}),
            "Whether the power is back is not known",
            "its end has not been reported",
            "STATUS_SWAP_UNCONFIRMED",
        ),
        (
            *("PLANNED", "ONGOING", PLAN),
            "A planned power cut is under way",
            "The power has been off since",
            "STATUS_PLANNED_ON",
        ),
        (
            *("PLANNED", "OVERRUN", PLAN),
            "A planned power cut takes longer",
            "The work takes longer than we thought",
            "STATUS_PLANNED_ON",
        ),
        (
            *("PLANNED", "OVERRUN", PLAN | {"etr_at": ETR}),
            "It is estimated to be back",
            "We expect it back",
            "STATUS_PLANNED_ON",
        ),
        # Its end has passed, and nobody has noticed yet.
        (
            *("PLANNED", "ONGOING", PLAN | {"planned_to_at": timedelta(minutes=-1)}),
            "A planned power cut takes longer",
            "The work takes longer than we thought",
            "STATUS_PLANNED_ON",
        ),
        (
            *("PLANNED", "ANNOUNCED", COMING),
            "A power cut is planned from",
            "Planned power cut",
            "STATUS_PLANNED",
        ),
        (
            *("FAULT", "FALSE_ALARM", {}),
            "Nothing is going on here",
            "As far as we know, the power is on",
            "STATUS_NO_OUTAGE",
        ),
    ],
)
def test_req_21_all_three_say_the_same(
    app: Flask,
    agent: Visitor,
    writing: Writing,
    kind: str,
    state: str,
    more: dict[str, timedelta],
    agents: str,
    customers: str,
    answer: str,
) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        point = add_point(session, 1)
        values: dict[str, Any] = {name: now + value for name, value in more.items()}
        outage = Outage(
            source="DMS",
            source_ref="V-1",
            version=1,
            kind=kind,
            state=state,
            started_at=now,
            created_at=now,
            updated_at=now,
            **values,
        )
        session.add(outage)
        session.flush()
        off_at = values.get("planned_from_at", now - timedelta(minutes=40))
        on_at = off_at if state == "FALSE_ALARM" else None
        session.add(OutagePoint(outage_id=outage.id, gsrn=point, off_at=off_at, on_at=on_at))
        if kind == "PLANNED":
            who = {"created_by": "staff:a", "changed_by": "staff:a"}
            plan = PlannedCut(outage_id=outage.id, name="x", plan_version=1, told_at=now, **who)
            session.add(plan)
    page = agent.get(f"/points/{point}").text
    assert agents in page
    unsure = ("DETECTED", "REOPENED", "FALSE_ALARM", "ANNOUNCED")
    assert ("The power went off" in page) == (state not in unsure)
    assert customers in Resident(app).come_in(PHONE).get("/my/").text
    with app.app_context():
        told, _ = decide_status_answer(cuts_of(db.session(), point), now)
        db.session.remove()
    assert told == answer
