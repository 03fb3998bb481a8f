"""The DMS as it states its outages to the product: signed, in any order, until it is thanked for."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulators.cis.world import make_point
from tests.chaos.news_plan import Statement

TAKEN = 202
AGAIN_S = 0.3
TIMEOUT_S = 3


def make_record(statement: Statement, seed: int, began: datetime) -> dict[str, Any]:
    """The statement as the DMS writes it."""

    def at(seconds: float) -> str:
        return (began + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")

    points: list[dict[str, str]] = []
    for place in statement.off:
        point = {"gsrn": make_point(seed, statement.first + place).gsrn}
        if place in statement.back:
            point["onAt"] = at(statement.back[place])
        points.append(point)
    record: dict[str, Any] = {
        "sourceRef": statement.ref,
        "version": statement.version,
        "kind": statement.kind,
        "state": statement.state,
        "statedAt": at(statement.at_s),
        "points": points,
    }
    if statement.kind == "PLANNED":
        day = (began + timedelta(days=14)).replace(hour=7, minute=0, second=0, microsecond=0)
        record["plannedFrom"] = day.isoformat()
        record["plannedTo"] = (day + timedelta(hours=3)).isoformat()
        record["causeCode"] = "MAINTENANCE"
        return record
    record |= {"startedAt": at(statement.off_at_s), "causeCode": "TREE"}
    if statement.etr_h is not None and statement.etr_set_s is not None:
        etr = began.replace(second=0, microsecond=0) + timedelta(hours=statement.etr_h)
        record |= {"etrAt": etr.isoformat(), "etrSetAt": at(statement.etr_set_s)}
    return record


class Feed:
    """Posts from a thread of its own, so that a portal that is away holds nothing else up.

    Ledger: `stated` (a version is about to be put on the wire), `answer` (what was answered),
    `approved` (a person approved a planned cut, and was told so).
    """

    def __init__(self, url: str, key: Mapping[str, str], ledger: Path) -> None:
        self._url = f"{url}/api/v1/dms/outages"
        self._key = key
        self._ledger = ledger.open("a", encoding="utf-8")
        self._count = 0
        self._due: list[tuple[float, int, dict[str, Any]]] = []
        self._lock = threading.Condition()
        self._stopping = False
        self._taken: set[tuple[str, int]] = set()
        self._thread = threading.Thread(target=self._run, name="dms feed", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def put(self, record: Mapping[str, Any], in_s: float) -> None:
        """Have a version stated so many seconds from now."""
        with self._lock:
            self._add(dict(record), time.monotonic() + in_s)
            self._lock.notify()

    def stop(self) -> None:
        """Post no more."""
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._ledger.close()

    @property
    def waiting(self) -> int:
        """How many posts are not answered yet."""
        with self._lock:
            return len(self._due)

    def has_taken(self, ref: str, version: int) -> bool:
        """Whether the product has said that it has this version."""
        return (ref, version) in self._taken

    def _add(self, record: dict[str, Any], at: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, record))

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._stopping and (not self._due or self._due[0][0] > time.monotonic()):
                    wait_s = self._due[0][0] - time.monotonic() if self._due else None
                    self._lock.wait(wait_s)
                if self._stopping:
                    return
                at, number, record = self._due[0]
            answered = self._post(record)
            with self._lock:
                # Nobody else takes anything away, but something more urgent may have come.
                self._due.remove((at, number, record))
                heapq.heapify(self._due)
                if answered != TAKEN:
                    self._add(record, time.monotonic() + AGAIN_S)

    def _post(self, record: dict[str, Any]) -> int:
        # The same bytes are the same message to the product, whoever posts them again.
        body = json.dumps({"outages": [record]}).encode()
        timestamp = str(int(time.time()))
        signed = hmac.new(
            self._key["secret"].encode(), timestamp.encode() + b"." + body, hashlib.sha256
        )
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._key['token']}",
            "Tiedolla-Key": self._key["key_id"],
            "Tiedolla-Timestamp": timestamp,
            "Tiedolla-Signature": f"v1={signed.hexdigest()}",
        }
        named = {"ref": record["sourceRef"], "version": record["version"]}
        self.note("stated", {**named, "record": record})
        answered = _answer(lambda: urllib.request.Request(self._url, body, headers))  # noqa: S310
        if answered == TAKEN:
            self._taken.add((record["sourceRef"], record["version"]))
        self.note("answer", {**named, "answered": answered})
        return answered

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write into the ledger; from either thread, a line at a time."""
        entry = {"at": datetime.now(UTC).isoformat(), "kind": kind, **facts}
        self._ledger.write(f"{json.dumps(entry)}\n")
        self._ledger.flush()


def _answer(make: Callable[[], urllib.request.Request]) -> int:
    """The status of the answer, 0 without one."""
    try:
        with urllib.request.urlopen(make(), timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own.
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
