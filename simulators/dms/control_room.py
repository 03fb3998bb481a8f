"""The control room at work: states faults version by version, each until it was taken."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.dms.course import Body, Plan, make_faults, read_plan, statement
from simulators.exchange import json_answer, parse_json, problem
from simulators.faults import FaultBox
from simulators.installer.crews import BACK_OFF_S, TAKEN
from simulators.ledger import Entry, Ledger
from simulators.settings import Feed
from simulators.signed_post import signed_headers

SYSTEM = "dms_feed"
_COUNT_MOST = 2_000


@dataclass(slots=True)
class _Fault:
    """One fault under way: which version was written last, and which are not taken yet."""

    plan: Plan
    every_s: float
    version: int = 0
    last: Body | None = None
    pending: dict[int, Body] = field(default_factory=dict)


class ControlRoom:
    """Makes faults when asked to and tells Tiedolla of them.

    Ledger: `fault` (its plan), `statement` (a version, before it first leaves), `answer` (what one
    try of sending it met). A restart goes on where the ledger ends.
    """

    def __init__(
        self, folder: Path, feed: Feed, *, url: str, faults: FaultBox, courier: Courier
    ) -> None:
        self._feed = feed
        self._url = url
        self._box = faults
        self._courier = courier
        self._faults: dict[str, _Fault] = {}
        self._steps: Agenda[str] = Agenda(self._step)
        self._reports: Agenda[tuple[str, int, int]] = Agenda(self._report)
        self._live = False
        self.ledger = Ledger(SYSTEM, folder / f"{SYSTEM}.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """Where `simulate dms faults` asks for faults."""
        return [web.post(f"/{SYSTEM}/make", self._make)]

    def start(self) -> None:
        """Go on with what the last run left open."""
        self._live = True
        self._steps.start()
        self._reports.start()
        for fault in self._faults.values():
            self._plan(fault, fault.every_s)
            for version in fault.pending:
                self._reports.put(time.time(), (fault.plan.ref, version, 0))

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        await self._steps.stop()
        await self._reports.stop()

    async def _make(self, request: web.Request) -> web.Response:
        try:
            asked = parse_json(await request.read())
            count, points = int(asked["count"]), int(asked["points"])
            seed, every_s = int(asked["seed"]), float(asked["every_s"])
            after_s = float(asked.get("after_s", 0))
        except (ValueError, KeyError, TypeError) as error:
            return problem(400, "count, points, seed and every_s are needed", detail=str(error))
        if not 1 <= count <= _COUNT_MOST or points < 1 or every_s < 0 or after_s < 0:
            return problem(422, f"1 to {_COUNT_MOST} faults are possible")
        now = datetime.now(UTC)
        mark = f"{now:%y%m%d%H%M%S}"
        made = list(make_faults(seed, points, count, now, mark))
        for plan in made:
            facts = {"plan": plan.as_json(), "every_s": every_s, "after_s": after_s}
            await self.ledger.append("fault", facts)
        return json_answer({"refs": [plan.ref for plan in made]})

    def _remember(self, entry: Entry) -> None:
        kind = entry["kind"]
        if kind == "fault":
            fault = _Fault(read_plan(entry["plan"]), entry["every_s"])
            self._faults[fault.plan.ref] = fault
            self._plan(fault, entry["after_s"])
            return
        fault = self._faults[entry["ref"]]
        if kind == "statement":
            fault.version, fault.last = entry["version"], entry["body"]
            fault.pending[entry["version"]] = entry["body"]
            if self._live:
                self._reports.put(time.time() + self._held_s(), (entry["ref"], entry["version"], 0))
            self._plan(fault, fault.every_s)
        elif entry["done"]:
            fault.pending.pop(entry["version"], None)

    def _plan(self, fault: _Fault, after_s: float) -> None:
        if self._live and fault.version < len(fault.plan.steps):
            self._steps.put(time.time() + after_s, fault.plan.ref)

    async def _step(self, ref: str) -> None:
        fault = self._faults[ref]
        version = fault.version + 1
        if version > len(fault.plan.steps):
            return
        body = statement(fault.plan, version, datetime.now(UTC), fault.last)
        await self.ledger.append("statement", {"ref": ref, "version": version, "body": body})

    async def _report(self, item: tuple[str, int, int]) -> None:
        ref, version, tries = item
        body = self._faults[ref].pending.get(version)
        if body is None:
            return
        times = 2 if self._box.now.callbacks == "duplicate" else 1
        answered, why = 0, ""
        for _ in range(times):
            answered, why = await self._post({"messageId": f"{ref}-{version}", "outages": [body]})
        facts: dict[str, Any] = {
            "ref": ref,
            "version": version,
            "tries": tries + 1,
            "answered": answered,
            "why": why,
            "done": answered == TAKEN,
        }
        self.ledger.note("answer", facts)
        if answered != TAKEN:
            wait_s = BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]
            self._reports.put(time.time() + wait_s, (ref, version, tries + 1))

    def _held_s(self) -> float:
        return self._box.draw_late_s() if self._box.now.callbacks == "late" else 0.0

    async def _post(self, message: Body) -> tuple[int, str]:
        body = json.dumps(message, ensure_ascii=False).encode()
        feed = self._feed
        headers = signed_headers(
            key_id=feed.key_id, token=feed.token, secret=feed.secret, body=body
        )
        return await self._courier.post(self._url, body, headers)
