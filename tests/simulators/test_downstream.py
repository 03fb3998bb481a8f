"""NIS, DMS and billing take each thing once, keep its newest version, and say so after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from simulators.gsrn import make_gsrn
from tests.simulators.running import RunningRehearsal

SYSTEMS = ("nis", "dms", "billing")
READINGS = [{"register": "1.8.0", "value": 48_211.5, "unit": "kWh"}]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_first_put_is_created_and_the_same_again_is_the_same_answer(
    shared: RunningRehearsal, system: str
) -> None:
    first = put(shared, system, 1, "key-1")
    again = put(shared, system, 1, "key-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    kinds = [one["kind"] for one in shared.ledger(system) if one["key"] == "key-1"]
    assert kinds == ["applied", "repeat"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_key_with_another_content_is_a_conflict(
    shared: RunningRehearsal, system: str
) -> None:
    put(shared, system, 2, "key-2")
    answer = put(shared, system, 2, "key-2", version=2)
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_newer_version_replaces_and_an_older_one_is_ignored(
    shared: RunningRehearsal, system: str
) -> None:
    put(shared, system, 3, "key-3-v5", version=5)
    newer = put(shared, system, 3, "key-3-v6", version=6)
    older = put(shared, system, 3, "key-3-v4", version=4)
    assert (newer.status_code, older.status_code) == (200, 200)
    assert older.json() == {"ref": newer.json()["ref"], "status": "IGNORED_OLDER"}
    mine = [one for one in shared.ledger(system) if one["key"].startswith("key-3")]
    assert [(one["kind"], one["version"]) for one in mine] == [
        ("applied", 5),
        ("applied", 6),
        ("ignored_older", 4),
    ]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_version_with_another_content_is_a_conflict(
    shared: RunningRehearsal, system: str
) -> None:
    put(shared, system, 4, "key-4-a")
    changed = content(system, 4, 1) | {"gsrn": make_gsrn(4), "note": "changed"}
    assert put(shared, system, 4, "key-4-b", body=changed).status_code == 409
    assert put(shared, system, 4, "key-4-c").status_code == 200


@pytest.mark.parametrize("system", SYSTEMS)
def test_missing_and_wrong_fields_are_named(shared: RunningRehearsal, system: str) -> None:
    body = content(system, 5, 1) | {"gsrn": make_gsrn(5)[:-1] + "x"}
    del body["version"]
    answer = put(shared, system, 5, "key-5", body=body)
    assert answer.status_code == 422
    named = {one["field"]: one["code"] for one in answer.json()["errors"]}
    assert named["gsrn"] == "INVALID"
    assert named["version"] == "MISSING"


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_id_that_differs_from_the_address_is_refused(
    shared: RunningRehearsal, system: str
) -> None:
    body = content(system, 7, 1)
    answer = put(shared, system, 6, "key-6", body=body)
    assert "MISMATCH" in [one["code"] for one in answer.json()["errors"]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_wrong_token_key_or_body_goes_no_further(shared: RunningRehearsal, system: str) -> None:
    assert put(shared, system, 8, "key-8", token="guess").status_code == 401
    assert put(shared, system, 8, "").status_code == 400
    url, headers = address(shared, system, 8), {"Authorization": bearer(shared, system)}
    plain = requests.put(url, data="{}", headers=headers, timeout=10)
    assert plain.status_code == 415
    headers |= {"Content-Type": "application/json", "Idempotency-Key": "k"}
    assert requests.put(url, data="{", headers=headers, timeout=10).status_code == 400
    assert requests.put(url, data="[]", headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize("system", SYSTEMS)
def test_many_at_once_with_one_key_are_applied_once(shared: RunningRehearsal, system: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: put(shared, system, 9, "key-9").status_code, range(16)))
    assert sorted(answers) == [200] * 15 + [201]
    mine = [one["kind"] for one in shared.ledger(system) if one["key"] == "key-9"]
    assert sorted(mine) == ["applied"] + ["repeat"] * 15


@pytest.mark.parametrize("system", SYSTEMS)
def test_keys_and_versions_survive_kill_9(rehearsal: RunningRehearsal, system: str) -> None:
    rehearsal.disturb(system, drop_answer_ratio=1)
    with pytest.raises(requests.ConnectionError):
        put(rehearsal, system, 1, "unanswered", version=3)
    before = rehearsal.ledger_bytes(system)
    rehearsal.kill()
    rehearsal.start()
    assert put(rehearsal, system, 1, "unanswered", version=3).status_code == 200
    older = put(rehearsal, system, 1, "older", version=2)
    assert older.json()["status"] == "IGNORED_OLDER"
    assert len(rehearsal.ledger(system, "applied")) == 1
    assert rehearsal.ledger_bytes(system).startswith(before)


def put(
    rehearsal: RunningRehearsal,
    system: str,
    number: int,
    key: str,
    *,
    version: int = 1,
    token: str | None = None,
    body: dict[str, Any] | None = None,
) -> requests.Response:
    """PUT the thing with this number."""
    return requests.put(
        address(rehearsal, system, number),
        json=content(system, number, version) if body is None else body,
        headers={
            "Authorization": f"Bearer {token}" if token else bearer(rehearsal, system),
            "Idempotency-Key": key,
        },
        timeout=10,
    )


def bearer(rehearsal: RunningRehearsal, system: str) -> str:
    """The right Authorization header."""
    return f"Bearer {rehearsal.config[system]['token']}"


def address(rehearsal: RunningRehearsal, system: str, number: int) -> str:
    """Where the thing with this number is."""
    folder = {"nis": "devices", "dms": "swap-outages", "billing": "meter-changes"}[system]
    name = make_gsrn(number) if system == "nis" else f"order-{number}"
    return f"{rehearsal.url}/{system}/{folder}/{name}"


def content(system: str, number: int, version: int) -> dict[str, Any]:
    """A valid body for the thing with this number."""
    body: dict[str, Any] = {"gsrn": make_gsrn(number), "version": version}
    if system == "nis":
        return body | {
            "meterNumber": "65340000000001",
            "model": "6534",
            "installedAt": "2026-03-01T10:20:00Z",
            "mainFuseA": 25,
            "phases": 3,
        }
    body |= {"orderId": f"order-{number}"}
    if system == "dms":
        return body | {
            "meterNumber": "65340000000001",
            "offAt": "2026-03-01T10:00:00Z",
            "onAt": "2026-03-01T10:20:00+00:00",
        }
    return body | {
        "changedAt": "2026-03-01T10:20:00Z",
        "oldMeter": {"number": "55300000000001", "finalReadings": READINGS},
        "newMeter": {"number": "65340000000001", "startReadings": READINGS, "multiplier": 1},
    }
