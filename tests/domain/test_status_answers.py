"""What whoever asks how things are is told: the table of cuts and the text that is true of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.notice_types import NoticeType
from app.domain.power_cuts import Cut, open_cut
from app.domain.status_answers import decide_status_answer

N = NoticeType
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=30)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "state", "rest", "told"),
    [
        ("FAULT", "DETECTED", {}, N.STATUS_SUSPECTED),
        ("FAULT", "CONFIRMED", {}, N.STATUS_OUTAGE),
        ("FAULT", "ETR_SET", {"etr_at": LATER}, N.STATUS_OUTAGE),
        ("FAULT", "REOPENED", {}, N.STATUS_OUTAGE),
        ("FAULT", "CLOSED", {"on_at": NOW}, N.STATUS_NO_OUTAGE),
        ("FAULT", "FALSE_ALARM", {}, N.STATUS_NO_OUTAGE),
        ("METER_SWAP", "OPEN", {}, N.STATUS_SWAP),
        ("METER_SWAP", "STALE", {}, N.STATUS_SWAP_UNCONFIRMED),
        # A visit failed, and nobody said that the power is back.
        ("METER_SWAP", "CLOSED", {}, N.STATUS_SWAP_UNCONFIRMED),
        ("METER_SWAP", "CLOSED", {"on_at": NOW}, N.STATUS_NO_OUTAGE),
        ("PLANNED", "ONGOING", {"planned_to_at": LATER}, N.STATUS_PLANNED_ON),
        ("PLANNED", "OVERRUN", {"planned_to_at": NOW}, N.STATUS_PLANNED_ON),
        ("PLANNED", "ANNOUNCED", {"planned_to_at": LATER}, N.STATUS_PLANNED),
        ("PLANNED", "DRAFT", {"planned_to_at": LATER}, N.STATUS_NO_OUTAGE),
    ],
)
def test_req_21_each_cut_is_told_as_what_it_is(
    kind: str, state: str, rest: dict[str, Any], told: NoticeType
) -> None:
    assert decide_status_answer([cut(kind, state, **rest)], NOW)[0] is told


@pytest.mark.parametrize(
    ("kind", "state", "rest", "etr_at"),
    [
        ("FAULT", "ETR_SET", {"etr_at": LATER}, LATER),
        ("FAULT", "ETR_SET", {"etr_at": NOW}, None),
        ("PLANNED", "ONGOING", {"planned_to_at": LATER}, LATER),
        ("PLANNED", "OVERRUN", {"planned_to_at": SINCE}, None),
        ("PLANNED", "OVERRUN", {"planned_to_at": SINCE, "etr_at": LATER}, LATER),
        ("PLANNED", "OVERRUN", {"planned_to_at": SINCE, "etr_at": SINCE}, None),
    ],
)
def test_req_06_an_end_that_has_passed_is_no_estimate(
    kind: str, state: str, rest: dict[str, Any], etr_at: datetime | None
) -> None:
    _, facts = decide_status_answer([cut(kind, state, **rest)], NOW)
    assert facts["etr_at"] == (etr_at.isoformat() if etr_at else None)


@pytest.mark.parametrize("doubtful", [("FAULT", "DETECTED"), ("METER_SWAP", "STALE")])
def test_what_is_sure_is_told_before_what_is_only_suspected(doubtful: tuple[str, str]) -> None:
    newest, sure = cut(*doubtful), cut("FAULT", "CONFIRMED", off_at=SINCE - timedelta(hours=1))
    assert open_cut([newest, sure]) == sure
    assert open_cut([newest]) is newest


def test_req_21_of_several_faults_the_latest_estimate_is_told() -> None:
    newest = cut("FAULT", "ETR_SET", etr_at=LATER)
    longest = cut("FAULT", "ETR_SET", SINCE - timedelta(hours=1), etr_at=LATER + timedelta(hours=1))
    over = cut("FAULT", "CLOSED", on_at=NOW, etr_at=LATER + timedelta(hours=2))
    suspected = cut("FAULT", "DETECTED", etr_at=LATER + timedelta(hours=3))
    kind, facts = decide_status_answer([over, suspected, newest, longest], NOW)
    assert (kind, facts["off_at"]) == (N.STATUS_OUTAGE, newest.off_at.isoformat())
    assert facts["etr_at"] == (LATER + timedelta(hours=1)).isoformat()


def cut(kind: str, state: str, off_at: datetime = SINCE, **rest: Any) -> Cut:
    return Cut(
        **{"source_ref": "X", "on_at": None, "off_at": off_at, **rest}, kind=kind, state=state
    )
