"""What the public sees of outages, and what it does not."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.public_status import Cut, StormArea, build_snapshot, still_true

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ETR = NOW + timedelta(hours=2)


def cut(outage: int = 1, **more: Any) -> Cut:
    values: dict[str, Any] = {
        "municipality_code": "837",
        "postal_code": "33100",
        "post_office": "TAMPERE",
        "customers": 120,
        "cause_code": "TREE",
        "started_at": NOW - timedelta(hours=1),
        "updated_at": NOW - timedelta(minutes=10),
        "until": ETR,
        "planned": False,
    }
    return Cut(outage, **{**values, **more})


def only(snapshot: dict[str, Any]) -> dict[str, Any]:
    (municipality,) = snapshot["municipalities"]
    found: dict[str, Any] = municipality
    return found


def test_an_outage_is_told_by_municipality_and_area() -> None:
    one = only(build_snapshot([cut()], [], NOW))
    assert one["name"] == {"fi": "Tampere", "sv": "Tammerfors", "en": "Tampere"}
    assert (one["fault_count"], one["customers"], one["hidden_count"]) == (1, 120, 0)
    (fault,) = one["faults"]
    assert (fault["postal_code"], fault["customers"], fault["etr_at"]) == (
        "33100",
        120,
        ETR.isoformat(),
    )
    assert fault["cause"]["sv"] == "träd på ledningen"


@pytest.mark.parametrize(("customers", "shown"), [(1, None), (4, None), (5, 5), (6, 6)])
def test_fewer_than_five_customers_are_not_counted_in_public(
    customers: int, shown: int | None
) -> None:
    one = only(build_snapshot([cut(customers=customers)], [], NOW))
    assert one["faults"][0]["customers"] == shown
    assert one["customers"] == (shown or 0)
    assert one["hidden_count"] == (shown is None)


def test_no_hidden_number_can_be_worked_out_from_the_others() -> None:
    cuts = [
        cut(1, postal_code="33100", customers=100),
        cut(1, postal_code="33200", customers=3),
        cut(2, postal_code="33100", customers=2),
        cut(2, postal_code="33200", customers=50),
    ]
    hidden_both_ways = build_snapshot(cuts, [], NOW)
    changed = [
        one if one.customers > 4 else cut(one.outage_id, postal_code=one.postal_code, customers=4)
        for one in cuts
    ]
    # Whatever the hidden numbers are, what is published is the same.
    assert build_snapshot(changed, [], NOW) == hidden_both_ways


def test_the_order_of_rows_does_not_matter() -> None:
    cuts = [cut(1), cut(2, municipality_code="091", started_at=NOW), cut(3, planned=True)]
    made = [build_snapshot(order, [], NOW) for order in itertools.permutations(cuts)]
    assert all(one == made[0] for one in made)


def test_req_06_an_estimate_that_has_passed_is_never_shown_however_old_the_snapshot() -> None:
    snapshot = build_snapshot([cut()], [], NOW)
    before = only(still_true(snapshot, ETR - timedelta(seconds=1)))["faults"][0]
    after = only(still_true(snapshot, ETR))["faults"][0]
    assert (before["etr_at"], before["overdue"]) == (ETR.isoformat(), False)
    assert (after["etr_at"], after["overdue"]) == (None, True)


def test_req_08_no_estimate_is_told_while_a_storm_is_not_assessed() -> None:
    storm = StormArea("Jari", ["837"], NOW, assessed=False)
    fault = only(build_snapshot([cut()], [storm], NOW))["faults"][0]
    assert (fault["etr_at"], fault["etr_withheld"]) == (None, True)
    assessed = StormArea("Jari", ["837"], NOW, assessed=True)
    assert only(build_snapshot([cut()], [assessed], NOW))["faults"][0]["etr_at"] == ETR.isoformat()


def test_req_17_a_planned_cut_that_takes_longer_stays_public_without_a_past_end() -> None:
    begin = NOW - timedelta(hours=3)
    late = cut(1, planned=True, overrun=True, started_at=begin, until=NOW - timedelta(hours=1))
    told = cut(2, planned=True, overrun=True, started_at=begin, until=NOW + timedelta(hours=1))
    over = cut(3, planned=True, started_at=begin, until=NOW - timedelta(minutes=1))
    planned = only(still_true(build_snapshot([late, told, over], [], NOW), NOW))["planned"]
    assert [(one["outage"], one["to_at"]) for one in planned] == [
        (1, None),
        (2, (NOW + timedelta(hours=1)).isoformat()),
    ]


def test_planned_cuts_of_today_and_the_next_seven_days_are_told_until_they_end() -> None:
    def planned(days: float) -> Cut:
        begin = NOW + timedelta(days=days)
        return cut(int(days * 10), planned=True, started_at=begin, until=begin + timedelta(hours=2))

    snapshot = build_snapshot([planned(0.1), planned(7), planned(8)], [], NOW)
    assert [one["outage"] for one in only(snapshot)["planned"]] == [1, 70]
    assert only(snapshot)["fault_count"] == 0
    later = still_true(snapshot, NOW + timedelta(days=1))
    assert [one["outage"] for one in only(later)["planned"]] == [70]


def test_age_and_staleness_are_told_by_the_clock_of_the_reader() -> None:
    snapshot = build_snapshot([], [], NOW)
    assert still_true(snapshot, NOW + timedelta(minutes=5))["stale"] is False
    old = still_true(snapshot, NOW + timedelta(minutes=5, seconds=1))
    assert (old["stale"], old["age_s"]) == (True, 301)


def test_points_without_a_municipality_are_told_under_a_name_of_their_own() -> None:
    assert only(build_snapshot([cut(municipality_code="")], [], NOW))["name"]["fi"] == "muu alue"
