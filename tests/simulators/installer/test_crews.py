"""Every order ends once and its reports arrive, signed and in order, whatever dies in between."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.simulators.installer.orders import make_order, post_order
from tests.simulators.running import Listener, RunningRehearsal, eventually

ACKS = "/api/v1/acks"
ENDINGS = ("COMPLETED", "FAILED", "CANCELLED")


def test_an_order_is_acknowledged_from_accepted_to_completed(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("installer", ack_fail_ratio=0)
    ref = post_order(rehearsal, make_order(1)).json()["partnerRef"]
    acks = wait_for_ending(tiedolla, 1)
    kinds = [ack["type"] for ack in acks]
    assert [kind for kind in kinds if kind != "SCHEDULED"] == ["ACCEPTED", "STARTED", "COMPLETED"]
    assert {(ack["orderId"], ack["revision"], ack["partnerRef"]) for ack in acks} == {
        ("MVM-0001", 1, ref)
    }
    assert len({ack["ackId"] for ack in acks}) == len(acks)
    done = acks[-1]
    off, on = (datetime.fromisoformat(done["outage"][end]) for end in ("offAt", "onAt"))
    assert off <= on
    assert acks[-2]["outage"]["offAt"] == done["outage"]["offAt"]
    assert done["oldMeter"]["number"] == "55300000000001"
    assert done["oldMeter"]["readings"][0]["value"] >= 48_000
    assert done["newMeter"]["model"] == "6534"
    assert done["newMeter"]["readings"][0] == {
        "register": "1.8.0",
        "value": 0,
        "unit": "kWh",
        "readAt": done["outage"]["onAt"],
        "source": "DISPLAY",
    }
    assert {photo["kind"] for photo in done["photos"]} == {"OLD_READING", "NEW_METER", "SEAL"}


def test_every_report_is_signed_freshly_over_its_raw_body(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    post_order(rehearsal, make_order(1))
    wait_for_ending(tiedolla, 1)
    given = rehearsal.config["installer"]["acks"]
    for told in tiedolla.at(ACKS):
        stamp = told.headers["Tiedolla-Timestamp"]
        mac = hmac.new(given["secret"].encode(), f"{stamp}.".encode() + told.body, hashlib.sha256)
        assert told.headers["Tiedolla-Signature"] == f"v1={mac.hexdigest()}"
        assert told.headers["Tiedolla-Key"] == given["key_id"]
        assert told.headers["Authorization"] == f"Bearer {given['token']}"
        assert abs(time.time() - int(stamp)) < 60


def test_a_failed_order_names_a_reason_and_its_outage_is_over(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("installer", ack_fail_ratio=1)
    for number in range(20):
        post_order(rehearsal, make_order(number))
    eventually(lambda: len(endings(tiedolla)) == 20, "20 orders to end")
    started = {ack["orderId"] for ack in acks_of(tiedolla) if ack["type"] == "STARTED"}
    assert 0 < len(started) < 20
    for ack in endings(tiedolla):
        assert ack["type"] == "FAILED"
        assert ack["failure"]["reasonCode"]
        assert ("onAt" in ack["outage"]) == (ack["orderId"] in started)


def test_every_order_ends_exactly_once_through_kills_and_refusals(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    slow = {"accepted_after_s": [0, 0.5], "started_after_s": [0.5, 1.5]}
    rehearsal.configure("installer", **slow, completed_after_s=[1.5, 3], fail_ratio=0.3)
    rehearsal.stop()
    rehearsal.start()
    count = 40
    for number in range(count):
        post_order(rehearsal, make_order(number))
        if number in (15, 30):
            rehearsal.kill()
            rehearsal.start()
    eventually(lambda: len(acks_of(tiedolla)) > 40, "reports to flow")
    rehearsal.kill()
    tiedolla.status = 503
    rehearsal.start()
    refused = len(tiedolla.told)
    eventually(lambda: len(tiedolla.told) > refused + 5, "reports to be refused")
    rehearsal.kill()
    tiedolla.status = 202
    rehearsal.start()
    eventually(
        lambda: len(ended_orders(tiedolla)) == count and not unanswered(rehearsal),
        "every order to end and be told",
    )
    made = [one for one in rehearsal.ledger("installer", "ack") if one["type"] in ENDINGS]
    assert Counter(one["order_id"] for one in made) == {
        f"MVM-{number:04d}": 1 for number in range(count)
    }
    numbers = [one["body"]["newMeter"]["number"] for one in made if one["type"] == "COMPLETED"]
    assert len(set(numbers)) == len(numbers) > 0
    told_ids = {ack["ackId"] for ack in acks_of(tiedolla)}
    assert {one["ack_id"] for one in rehearsal.ledger("installer", "ack")} == told_ids


def test_a_report_that_is_repeated_keeps_its_id_and_body(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 503
    post_order(rehearsal, make_order(1))
    eventually(lambda: len(tiedolla.at(ACKS)) >= 2, "a second try")
    tiedolla.status = 202
    wait_for_ending(tiedolla, 1)
    bodies: dict[str, set[bytes]] = {}
    for told in tiedolla.at(ACKS):
        bodies.setdefault(told.json()["ackId"], set()).add(told.body)
    assert {len(same) for same in bodies.values()} == {1}
    first_id = tiedolla.at(ACKS)[0].json()["ackId"]
    assert tiedolla.at(ACKS)[1].json()["ackId"] == first_id


def test_a_cancellation_stops_what_has_not_started(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("installer", ack_delay_ms=1_500, ack_fail_ratio=0)
    post_order(rehearsal, make_order(1))
    rehearsal.disturb("installer", ack_delay_ms=0)
    cancel = {"orderId": "MVM-0001", "revision": 2, "action": "CANCEL"}
    assert post_order(rehearsal, cancel).status_code == 201
    acks = wait_for_ending(tiedolla, 1)
    assert [ack["type"] for ack in acks] == ["CANCELLED"]
    # An order that was put off by one and a half seconds would have been accepted by now.
    late = time.monotonic() + 2
    eventually(lambda: time.monotonic() > late, "the time of the old plan")
    assert [ack["type"] for ack in acks_of(tiedolla)] == ["CANCELLED"]


def test_a_cancellation_comes_too_late_for_a_crew_at_work(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("installer", ack_delay_ms=700, ack_fail_ratio=0)
    post_order(rehearsal, make_order(1))
    eventually(
        lambda: any(ack["type"] == "STARTED" for ack in acks_of(tiedolla)), "the crew to start"
    )
    post_order(rehearsal, {"orderId": "MVM-0001", "revision": 2, "action": "CANCEL"})
    assert wait_for_ending(tiedolla, 1)[-1]["type"] == "COMPLETED"


@pytest.mark.parametrize(("mode", "times"), [("duplicate", 2), ("late", 1)])
def test_reports_travel_twice_or_overtake_one_another_when_asked_to(
    rehearsal: RunningRehearsal, tiedolla: Listener, mode: str, times: int
) -> None:
    rehearsal.disturb(
        "installer", callbacks=mode, late_s=1, ack_delay_ms=0, ack_fail_ratio=0, seed=3
    )
    for number in range(10):
        post_order(rehearsal, make_order(number))
    eventually(
        lambda: len(ended_orders(tiedolla)) == 10 and not unanswered(rehearsal), "10 orders to end"
    )
    counts = Counter(ack["ackId"] for ack in acks_of(tiedolla))
    assert set(counts.values()) == {times}
    kinds = [[ack["type"] for ack in acks_of(tiedolla, number)] for number in range(10)]
    in_order = [list(dict.fromkeys(one))[-1] == "COMPLETED" for one in kinds]
    assert all(in_order) == (mode == "duplicate")


def test_reports_that_were_withheld_are_in_the_ledger_only(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    rehearsal.disturb("installer", callbacks="none", ack_delay_ms=0)
    post_order(rehearsal, make_order(1))
    eventually(
        lambda: [one for one in rehearsal.ledger("installer", "ack") if one["type"] in ENDINGS],
        "the order to end",
    )
    rehearsal.calm("installer")
    rehearsal.kill()
    rehearsal.start()
    post_order(rehearsal, make_order(2))
    wait_for_ending(tiedolla, 2)
    assert {ack["orderId"] for ack in acks_of(tiedolla)} == {"MVM-0002"}


def test_a_report_whose_content_is_refused_does_not_hold_up_the_next_one(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 422
    rehearsal.disturb("installer", ack_delay_ms=0, ack_fail_ratio=0)
    post_order(rehearsal, make_order(1))
    eventually(lambda: "COMPLETED" in {ack["type"] for ack in acks_of(tiedolla)}, "the last report")


def acks_of(tiedolla: Listener, number: int | None = None) -> list[dict[str, Any]]:
    """The reports in the order they came, of one order or of all."""
    acks = [told.json() for told in tiedolla.at(ACKS)]
    return [ack for ack in acks if number is None or ack["orderId"] == f"MVM-{number:04d}"]


def endings(tiedolla: Listener) -> list[dict[str, Any]]:
    """The reports that end an order."""
    return [ack for ack in acks_of(tiedolla) if ack["type"] in ENDINGS]


def ended_orders(tiedolla: Listener) -> set[str]:
    """The orders that were told to have ended."""
    return {ack["orderId"] for ack in endings(tiedolla)}


def unanswered(rehearsal: RunningRehearsal) -> set[str]:
    """Reports that Tiedolla has not taken yet."""
    made = {one["ack_id"] for one in rehearsal.ledger("installer", "ack")}
    return made - {
        one["ack_id"] for one in rehearsal.ledger("installer", "ack_answer") if one["done"]
    }


def wait_for_ending(tiedolla: Listener, number: int) -> list[dict[str, Any]]:
    """The order's reports once its ending has come."""

    def ended() -> list[dict[str, Any]]:
        acks = acks_of(tiedolla, number)
        return acks if acks and acks[-1]["type"] in ENDINGS else []

    return list(eventually(ended, f"order {number} to end"))
