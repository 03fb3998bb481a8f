"""Meters at work: each says that it lost its power and has it again, until that was taken."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators.agenda import Agenda
from simulators.courier import Courier
from simulators.exchange import json_answer, parse_json, problem
from simulators.faults import FaultBox
from simulators.head_end.course import Report, make_cuts, read_report
from simulators.installer.crews import BACK_OFF_S, TAKEN
from simulators.ledger import Entry, Ledger
from simulators.settings import Feed
from simulators.signed_post import signed_headers

SYSTEM = "head_end"
COUNT_MOST = 200


class HeadEnd:
    """Makes cuts when asked to and passes on what the meters report of them.

    Ledger: `cut` (its name and all that its meters will say), `answer` (what one try of passing a
    report on met). A restart goes on where the ledger ends; what came due meanwhile is told late, with
    the time at which it happened.
    """

    def __init__(
        self, folder: Path, feed: Feed, *, url: str, faults: FaultBox, courier: Courier
    ) -> None:
        self._feed = feed
        self._url = url
        self._box = faults
        self._courier = courier
        self._open: dict[str, Report] = {}
        self._reports: Agenda[tuple[str, int]] = Agenda(self._tell)
        self._live = False
        self.ledger = Ledger(SYSTEM, folder / f"{SYSTEM}.jsonl", self._remember)

    def routes(self) -> list[web.RouteDef]:
        """Where `simulate head-end cuts` asks for cuts."""
        return [web.post(f"/{SYSTEM}/make", self._make)]

    def start(self) -> None:
        """Go on with what the last run left open."""
        self._live = True
        self._reports.start()
        for report in self._open.values():
            self._plan(report)

    async def stop(self) -> None:
        """Drop what is in hand; the next start takes it up again from the ledger."""
        await self._reports.stop()

    async def _make(self, request: web.Request) -> web.Response:
        try:
            asked = parse_json(await request.read())
            seed, first, points = int(asked["seed"]), int(asked["first"]), int(asked["points"])
            count, after_s = int(asked["count"]), float(asked["after_s"])
            lasts_s = float(asked["lasts_s"])
        except (ValueError, KeyError, TypeError) as error:
            words = "seed, first, points, count, after_s and lasts_s are needed"
            return problem(400, words, detail=str(error))
        if not 1 <= count <= COUNT_MOST or min(first, points) < 1 or min(after_s, lasts_s) < 0:
            return problem(422, f"1 to {COUNT_MOST} cuts are possible")
        cuts = make_cuts(
            seed=seed,
            first=first,
            points=points,
            count=count,
            begins_at=datetime.now(UTC) + timedelta(seconds=after_s),
            lasts=timedelta(seconds=lasts_s),
        )
        names = []
        for name, reports in cuts:
            said = [report.as_json() for report in reports]
            await self.ledger.append("cut", {"name": name, "reports": said})
            names.append(name)
        return json_answer({"names": names})

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "cut":
            for report in map(read_report, entry["reports"]):
                self._open[report.name] = report
                self._plan(report)
        elif entry["done"]:
            self._open.pop(entry["report"], None)

    def _plan(self, report: Report) -> None:
        if self._live:
            held_s = self._box.draw_late_s() if self._box.now.callbacks == "late" else 0.0
            self._reports.put(report.at.timestamp() + held_s, (report.name, 0))

    async def _tell(self, item: tuple[str, int]) -> None:
        name, tries = item
        report = self._open.get(name)
        if report is None:
            return
        answered, why = 0, ""
        for _ in range(2 if self._box.now.callbacks == "duplicate" else 1):
            answered, why = await self._post({"messageId": name, "events": [report.body()]})
        facts: dict[str, Any] = {
            "report": name,
            "tries": tries + 1,
            "answered": answered,
            "why": why,
            "done": answered == TAKEN,
        }
        self.ledger.note("answer", facts)
        if answered != TAKEN:
            wait_s = BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]
            self._reports.put(time.time() + wait_s, (name, tries + 1))

    async def _post(self, message: dict[str, Any]) -> tuple[int, str]:
        body = json.dumps(message, ensure_ascii=False).encode()
        feed = self._feed
        headers = signed_headers(
            key_id=feed.key_id, token=feed.token, secret=feed.secret, body=body
        )
        return await self._courier.post(self._url, body, headers)
