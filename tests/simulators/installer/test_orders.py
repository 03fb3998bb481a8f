"""The installer takes an order once, refuses what it cannot read, and remembers after a kill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.simulators.installer.orders import make_order, post_order
from tests.simulators.running import RunningRehearsal


def test_a_new_order_is_created_and_the_same_again_has_the_same_reference(
    shared: RunningRehearsal,
) -> None:
    first, again = post_order(shared, make_order(1)), post_order(shared, make_order(1))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["partnerRef"].startswith("VM-")


def test_the_same_key_with_another_body_is_a_conflict(shared: RunningRehearsal) -> None:
    post_order(shared, make_order(2))
    answer = post_order(shared, make_order(2, priority=1))
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(orders_in_ledger(shared, 2)) == 1


def test_another_revision_is_a_new_order_with_the_old_reference(shared: RunningRehearsal) -> None:
    first = post_order(shared, make_order(3))
    second = post_order(shared, make_order(3, revision=2, action="UPDATE"))
    assert second.status_code == 201
    assert second.json() == first.json()


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"orderId": None}, "orderId", "MISSING"),
        ({"revision": "1"}, "revision", "INVALID"),
        ({"action": "MAYBE"}, "action", "INVALID"),
        ({"site": {}}, "site.gsrn", "MISSING"),
        ({"site": {"gsrn": "649999000000000014"}}, "site.gsrn", "INVALID"),
        ({"newMeter": {"allowedModels": []}}, "newMeter.allowedModels", "INVALID"),
        ({"schedule": {"windowFrom": "tomorrow"}}, "schedule.windowFrom", "INVALID"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    shared: RunningRehearsal, changes: dict[str, Any], field: str, code: str
) -> None:
    answer = post_order(shared, make_order(4, **changes), key="MVM-0004-1")
    assert answer.status_code == 422
    assert (field, code) in [(one["field"], one["code"]) for one in answer.json()["errors"]]


def test_a_key_that_is_not_the_orders_own_is_refused(shared: RunningRehearsal) -> None:
    answer = post_order(shared, make_order(5), key="something-else")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_removal_needs_no_new_meter(shared: RunningRehearsal) -> None:
    assert post_order(shared, make_order(6, orderType="POI", newMeter=None)).status_code == 201


def test_a_wrong_token_is_refused(shared: RunningRehearsal) -> None:
    assert post_order(shared, make_order(7), token="guess").status_code == 401


def test_many_at_once_with_one_key_are_one_order(shared: RunningRehearsal) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: post_order(shared, make_order(8)).status_code, range(16)))
    assert sorted(answers) == [200] * 15 + [201]
    assert len(orders_in_ledger(shared, 8)) == 1


def test_an_order_whose_answer_was_lost_is_known_after_kill_9(
    rehearsal: RunningRehearsal,
) -> None:
    rehearsal.disturb("installer", drop_answer_ratio=1)
    with pytest.raises(requests.ConnectionError):
        post_order(rehearsal, make_order(1))
    before = rehearsal.ledger_bytes("installer")
    rehearsal.kill()
    rehearsal.start()
    assert post_order(rehearsal, make_order(1)).status_code == 200
    assert post_order(rehearsal, make_order(1, priority=5)).status_code == 409
    assert len(orders_in_ledger(rehearsal, 1)) == 1
    assert rehearsal.ledger_bytes("installer").startswith(before)


def orders_in_ledger(rehearsal: RunningRehearsal, number: int) -> list[dict[str, Any]]:
    """What was taken of the order with this number."""
    name = f"MVM-{number:04d}"
    return [one for one in rehearsal.ledger("installer", "order") if one["order_id"] == name]
