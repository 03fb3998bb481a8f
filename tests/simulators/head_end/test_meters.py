"""The head-end passes on what meters report, signed, until it is taken, also after a death."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from integrations.head_end.events import parse_events
from integrations.installer.signature import verify
from simulators.cis.world import make_points
from simulators.head_end.course import LAST_GASP, METERS_MOST, RESTORE, make_cuts, read_report
from tests.simulators.running import Listener, RunningRehearsal, eventually

PATH = "/api/v1/head-end/events"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_every_report_is_as_the_interface_wants_it_and_survives_the_ledger() -> None:
    cuts = list(make_cuts(seed=1, first=1, points=200, count=6, begins_at=NOW, lasts=HOUR))
    assert len(cuts) == 6
    for name, reports in cuts:
        for report in reports:
            body = json.dumps({"messageId": name, "events": [report.body()]}).encode()
            (event,) = parse_events(body).events
            assert (event.gsrn, event.event_code, event.at) == (report.gsrn, report.code, report.at)
            assert read_report(json.loads(json.dumps(report.as_json()))) == report


def test_a_cut_is_at_one_transformer_with_too_few_meters_to_be_sure() -> None:
    points = {point.gsrn: point for point in make_points(1, 1, 2_000)}
    cuts = list(make_cuts(seed=1, first=1, points=2_000, count=4, begins_at=NOW, lasts=HOUR))
    for _, reports in cuts:
        gasps = [one for one in reports if one.code == LAST_GASP]
        assert 1 <= len(gasps) <= METERS_MOST
        assert len({points[one.gsrn].transformer for one in reports}) == 1
    backs = [sum(one.code == RESTORE for one in reports) for _, reports in cuts]
    assert [bool(back) for back in backs] == [False, True, False, True]


def test_last_gasps_and_restores_are_told_in_order_and_signed(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    _make(rehearsal, count=2)
    told = eventually(lambda: _told(tiedolla, 3), "two gasps and a restore")
    assert sorted(one["eventCode"] for one in told) == [LAST_GASP, LAST_GASP, RESTORE]
    feed = json.loads((rehearsal.folder / "config.json").read_text("utf-8"))["head_end"]["feed"]
    first = tiedolla.at(PATH)[0]
    verify(
        feed["secret"],
        first.headers["Tiedolla-Signature"],
        first.headers["Tiedolla-Timestamp"],
        first.body,
        datetime.now(UTC),
    )
    assert first.headers["Tiedolla-Key"] == "head-end.1"


def test_what_was_not_taken_is_told_again_also_after_a_death(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 503
    _make(rehearsal, count=1)
    first = eventually(lambda: tiedolla.at(PATH), "a first try")[0]
    rehearsal.kill()
    tiedolla.status = 202
    tiedolla.told.clear()
    rehearsal.start()
    (again,) = eventually(lambda: tiedolla.at(PATH), "a second one")[:1]
    assert again.body == first.body


def test_nonsense_is_refused(rehearsal: RunningRehearsal) -> None:
    for asked, status in (({}, 400), ({"count": 0}, 422), ({"count": 1, "lasts_s": -1}, 422)):
        whole = {**_ASKED, **asked} if asked else {}
        answer = requests.post(f"{rehearsal.url}/head_end/make", json=whole, timeout=10)
        assert answer.status_code == status


_ASKED: dict[str, Any] = {"seed": 1, "first": 121, "points": 80, "after_s": 0, "lasts_s": 1}


def _make(rehearsal: RunningRehearsal, **changes: Any) -> None:
    asked = {**_ASKED, **changes}
    answer = requests.post(f"{rehearsal.url}/head_end/make", json=asked, timeout=10)
    assert answer.status_code == 200, answer.text


def _told(tiedolla: Listener, count: int) -> list[dict[str, Any]]:
    told = [one.json()["events"][0] for one in tiedolla.at(PATH)]
    return told if len(told) >= count else []
