"""What may go wrong is checked when it is asked for, and happens alike for the same seed."""

from __future__ import annotations

import time
import zlib

import pytest
import requests

from simulators.faults import FaultBox, Faults, FaultsInvalid, parse_faults
from simulators.gsrn import make_gsrn
from tests.simulators.running import RunningRehearsal


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ([], "object"),
        ({"dely_ms": 1}, "dely_ms"),
        ({"delay_ms": "1"}, "delay_ms"),
        ({"delay_ms": True}, "delay_ms"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"fail_ratio": 1.5}, "fail_ratio"),
        ({"status": 200}, "status"),
        ({"callbacks": "sometimes"}, "callbacks"),
        ({"ack_fail_ratio": 2}, "ack_fail_ratio"),
    ],
)
def test_faults_that_make_no_sense_are_refused_by_name(asked: object, word: str) -> None:
    with pytest.raises(FaultsInvalid, match=word):
        parse_faults(asked)


def test_a_whole_number_is_as_good_as_a_fraction() -> None:
    assert parse_faults({"fail_ratio": 1, "hang_s": 2}) == Faults(fail_ratio=1.0, hang_s=2.0)


def test_the_same_seed_brings_the_same_fates() -> None:
    def fates(seed: int) -> list[bool]:
        box = FaultBox()
        box.put(Faults(fail_ratio=0.5, seed=seed))
        return [box.draw().fail for _ in range(50)]

    assert fates(7) == fates(7)
    assert fates(7) != fates(8)


def test_faults_are_shown_replaced_as_a_whole_and_cleared(shared: RunningRehearsal) -> None:
    shared.disturb("nis", delay_ms=5, seed=3)
    shared.disturb("nis", hang_s=0.5)
    shown = requests.get(f"{shared.url}/faults/nis", timeout=10).json()
    assert (shown["delay_ms"], shown["hang_s"], shown["seed"]) == (0, 0.5, 1)
    shared.calm("nis")
    assert requests.get(f"{shared.url}/faults/nis", timeout=10).json()["hang_s"] == 0


def test_unknown_systems_and_bad_faults_are_answered_with_a_problem(
    shared: RunningRehearsal,
) -> None:
    assert requests.get(f"{shared.url}/faults/moon", timeout=10).status_code == 404
    assert requests.get(f"{shared.url}/ledger/moon", timeout=10).status_code == 404
    refused = requests.put(f"{shared.url}/faults/nis", json={"x": 1}, timeout=10)
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert requests.put(f"{shared.url}/faults/nis", data="{", timeout=10).status_code == 400


def test_a_failing_system_answers_its_status_with_retry_after_and_records_nothing(
    shared: RunningRehearsal,
) -> None:
    shared.disturb("nis", fail_ratio=1, status=429, retry_after_s=7)
    answer = put_device(shared, "fails")
    shared.calm("nis")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert not [one for one in shared.ledger("nis") if one["key"] == "fails"]


def test_a_failure_after_the_record_answers_500_and_has_happened(shared: RunningRehearsal) -> None:
    shared.disturb("nis", fail_after_ratio=1, status=429)
    answer = put_device(shared, "fails after")
    shared.calm("nis")
    assert answer.status_code == 500
    assert [one for one in shared.ledger("nis") if one["key"] == "fails after"]


def test_an_answer_is_either_dropped_or_turned_into_a_failure() -> None:
    box = FaultBox()
    box.put(Faults(drop_answer_ratio=0.5, fail_after_ratio=0.5))
    fates = [box.draw() for _ in range(100)]
    assert all(fate.drop_answer != fate.fail_after for fate in fates)
    assert 20 < sum(fate.fail_after for fate in fates) < 80


def test_a_dropped_answer_was_recorded_and_a_dropped_request_was_not(
    shared: RunningRehearsal,
) -> None:
    shared.disturb("nis", drop_answer_ratio=1)
    with pytest.raises(requests.ConnectionError):
        put_device(shared, "answer dropped")
    shared.disturb("nis", drop_before_ratio=1)
    with pytest.raises(requests.ConnectionError):
        put_device(shared, "request dropped")
    shared.calm("nis")
    keys = [one["key"] for one in shared.ledger("nis", "applied")]
    assert "answer dropped" in keys
    assert "request dropped" not in keys
    assert put_device(shared, "answer dropped").status_code == 200


def test_a_hanging_answer_was_recorded_and_is_let_go_when_the_fault_is_cleared(
    shared: RunningRehearsal,
) -> None:
    shared.disturb("nis", hang_s=60)
    with pytest.raises(requests.ReadTimeout):
        put_device(shared, "hangs", timeout_s=0.3)
    assert [one for one in shared.ledger("nis", "applied") if one["key"] == "hangs"]
    shared.calm("nis")
    began = time.monotonic()
    assert put_device(shared, "hangs").status_code == 200
    assert time.monotonic() - began < 5


def test_a_delay_comes_before_the_answer(shared: RunningRehearsal) -> None:
    shared.disturb("nis", delay_ms=200, jitter_ms=50)
    began = time.monotonic()
    put_device(shared, "slow")
    took_s = time.monotonic() - began
    shared.calm("nis")
    assert 0.2 <= took_s < 5


def put_device(shared: RunningRehearsal, key: str, timeout_s: float = 10) -> requests.Response:
    """One device of the key's own."""
    gsrn = make_gsrn(zlib.crc32(key.encode()))
    return requests.put(
        f"{shared.url}/nis/devices/{gsrn}",
        json={
            "gsrn": gsrn,
            "meterNumber": key,
            "model": "6534",
            "installedAt": "2026-03-01T10:00:00Z",
            "version": 1,
        },
        headers={
            "Authorization": f"Bearer {shared.config['nis']['token']}",
            "Idempotency-Key": key,
        },
        timeout=timeout_s,
    )
