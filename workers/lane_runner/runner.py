"""Claims from the centre, calls near by, tells the centre; goes on while the centre is away.

In this order, each step on disk before the next begins: the claim is named, its items are written
down, the attempts are written down, the calls are made, their ends are written down, the centre is
told, its answer lets them be forgotten. So a death at any line leaves something that the next
process finds; what it had begun and not ended is told as such and never called again by it.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import structlog

from integrations.outcomes import LaneDown
from integrations.runner_api.client import Away, Central, NotAdmitted, Refused
from integrations.runner_api.types import (
    CLAIM_MOST,
    REPORTS_MOST,
    ClaimAsked,
    Heartbeat,
    LaneState,
    Report,
    Settlements,
    Standing,
)
from workers.lane_runner.calls import batches, call, report_of
from workers.lane_runner.journal import Held, Journal, RunnerReplaced
from workers.lane_runner.looks import Looks
from workers.lane_runner.reach import Reach

log = structlog.get_logger()

# What the centre is not told of yet must not grow for ever while it is away.
_UNREPORTED_MOST = 5_000
# No call begins so shortly before the lease ends that it could outlast it.
_CALL_MOST_S = 30.0
_AWAY_MOST_S = 15.0
_LOCKED_OUT_S = 30.0
_FAULT_PAUSE_S = 5.0
_LAST_WORD_S = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to beat, and how much to claim at once."""

    poll_s: float = 2.0
    claim_most: int = 500


class Runner:
    """One runner process; run() ends when it is told to stop."""

    def __init__(
        self,
        central: Central,
        journal: Journal,
        reach: Reach,
        *,
        version: str,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._central, self._journal, self._reach = central, journal, reach
        self._version = version
        self._pace = pace or Pace()
        self._monotonic = monotonic
        self._boot = uuid4()
        self._started_at = datetime.now(UTC)
        self._introduced = False
        self._lease = 0
        self._lease_ends = 0.0
        # Until when each item may be begun, of those for which the centre set a time.
        self._begin_until: dict[UUID, float] = {}
        self._lanes: dict[str, LaneState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: dict[str, asyncio.Event] = {}
        self._told_something = asyncio.Event()
        self._stop = asyncio.Event()
        self._error: str | None = None
        self._reports_most = REPORTS_MOST
        self._held_back: dict[UUID, float] = {}
        self._looks = Looks(central, reach, journal.runner, self._boot, self._note, monotonic)

    def stop(self) -> None:
        """End after the calls under way."""
        self._stop.set()
        self._told_something.set()
        for wanted in self._wanted.values():
            wanted.set()

    async def run(self) -> None:
        """Work until stop(). Raises: RunnerReplaced; sqlite3.Error (the journal cannot be written)."""
        died = self._journal.end_dead_calls()
        if died:
            log.warning("calls_of_a_dead_runner", count=died)
        beats = asyncio.create_task(self._beat_on())
        reports = asyncio.create_task(self._report_on())
        looks = asyncio.create_task(self._look_on())
        asks = asyncio.create_task(self._ask_on())
        stopped = asyncio.create_task(self._until_stopped())
        try:
            await asyncio.wait(
                {beats, reports, looks, asks, stopped}, return_when=asyncio.FIRST_COMPLETED
            )
            self.stop()
            lanes = list(self._tasks.values())
            # The calls under way end first, whatever else there is to say.
            await asyncio.gather(*lanes, return_exceptions=True)
            for task in (beats, reports, looks, asks, *lanes):
                if task.done() and not task.cancelled():
                    task.result()
            await self._last_words()
        finally:
            for task in (beats, reports, looks, asks, stopped, *self._tasks.values()):
                task.cancel()
            await asyncio.gather(
                *(beats, reports, looks, asks, stopped),
                *self._tasks.values(),
                return_exceptions=True,
            )
            self._looks.close()
            await self._reach.aclose()
            await self._central.aclose()

    async def _until_stopped(self) -> None:
        await self._stop.wait()

    # What the centre is told, and what it says

    async def _beat_on(self) -> None:
        away_s = self._pace.poll_s
        while not self._stop.is_set():
            pause_s = self._pace.poll_s
            try:
                await self._beat()
                away_s = self._pace.poll_s
            except Away as error:
                self._note(f"the centre is away: {error}")
                pause_s = away_s = min(away_s * 2, _AWAY_MOST_S)
            except NotAdmitted as error:
                self._note(f"not admitted: {error}")
                pause_s = _LOCKED_OUT_S if self._pace.poll_s >= 1 else self._pace.poll_s
            except Refused as error:
                raise RunnerReplaced(str(error)) from None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)

    async def _beat(self, *, ended: bool = False) -> None:
        open_count, unreported = self._journal.counts()
        asked = self._asked()
        answer = await self._central.beat(
            Heartbeat(
                runner=self._journal.runner,
                boot=self._boot,
                first=not self._introduced,
                host=socket.gethostname()[:200],
                version=self._version,
                started_at=self._started_at,
                clock_offset_ms=round(self._central.clock_offset_s * 1000),
                open=open_count,
                unreported=unreported,
                missing=[
                    one.name
                    for one in self._lanes.values()
                    if not self._reach.serves(one.name, one.mode)
                ],
                troubles=dict(self._looks.troubles),
                left_alone=dict(self._looks.left_alone),
                list_troubles=dict(self._looks.list_troubles),
                error=self._error,
                ended=ended,
            )
        )
        self._learn(answer.standing, asked)
        self._introduced = True
        self._error = None
        self._lanes = {one.name: one for one in answer.lanes}
        self._looks.know(answer)
        held = self._journal.lanes_held()
        asked_for = set(self._journal.open_claims().values())
        for name in held | asked_for | {one.name for one in answer.lanes if one.due}:
            lane = self._lanes.get(name)
            serves = lane is not None and self._reach.serves(name, lane.mode)
            if serves or name in held or name in asked_for:
                self._want(name)

    def _want(self, lane: str) -> None:
        if self._stop.is_set():
            return
        self._wanted.setdefault(lane, asyncio.Event()).set()
        if lane not in self._tasks or self._tasks[lane].done():
            self._tasks[lane] = asyncio.create_task(self._serve_on(lane))

    def _asked(self) -> tuple[float, float]:
        return self._monotonic(), time.time()

    def _learn(self, standing: Standing, asked: tuple[float, float]) -> None:
        """The lease as the centre has it; an answer that was overtaken says nothing new."""
        self._central.note_clock(standing.now, asked[1])
        ends = asked[0] + standing.lease_within_s
        if standing.lease > self._lease:
            self._lease, self._lease_ends = standing.lease, ends
        elif standing.lease == self._lease:
            self._lease_ends = max(self._lease_ends, ends)

    def _note(self, error: str) -> None:
        if error != self._error:
            log.warning("centre_not_reached", why=error)
        self._error = error[:2000]

    # Lanes

    async def _serve_on(self, lane: str) -> None:
        wanted = self._wanted[lane]
        while not self._stop.is_set():
            await wanted.wait()
            wanted.clear()
            try:
                await self._serve(lane)
            except (sqlite3.Error, RunnerReplaced):
                self.stop()
                raise
            except Exception:
                # One lane's trouble must not end what the others do.
                log.exception("lane_failed", lane=lane)
                await asyncio.sleep(_FAULT_PAUSE_S)

    async def _serve(self, lane: str) -> None:
        """Claim and work off until there is nothing more, or the centre is away."""
        await self._work_off(lane)
        while not self._stop.is_set():
            count = await self._claim(lane)
            await self._work_off(lane)
            if count < min(self._pace.claim_most, CLAIM_MOST):
                return

    async def _claim(self, lane: str) -> int:
        """Ask for a lane's items; a claim without an answer is asked for again under its name."""
        open_claim = next(
            (claim for claim, of in self._journal.open_claims().items() if of == lane), None
        )
        if open_claim is None:
            known = self._lanes.get(lane)
            if known is None or not self._reach.serves(lane, known.mode):
                return 0
            if self._journal.counts()[1] > _UNREPORTED_MOST:
                return 0
        claim = open_claim or self._journal.begin_claim(lane)
        asked = self._asked()
        try:
            answer = await self._central.claim(
                ClaimAsked(
                    runner=self._journal.runner,
                    boot=self._boot,
                    claim=claim,
                    lane=lane,
                    most=min(self._pace.claim_most, CLAIM_MOST),
                )
            )
        except (Away, NotAdmitted) as error:
            self._note(f"the centre is away: {error}")
            return 0
        except Refused as error:
            raise RunnerReplaced(str(error)) from None
        self._learn(answer.standing, asked)
        self._journal.take(claim, lane, answer.standing.lease, answer.items)
        for item in answer.items:
            if item.begin_within_s is not None:
                self._begin_until[item.attempt] = asked[0] + item.begin_within_s
        return len(answer.items)

    async def _work_off(self, lane: str) -> None:
        held = self._journal.held(lane)
        known = self._lanes.get(lane)
        width = known.width if known is not None else 1
        for at in range(0, len(held), width):
            part = held[at : at + width]
            if self._stop.is_set():
                return
            go = [one for one in part if self._may_begin(lane, one)]
            late = [one for one in part if one not in go]
            if late:
                self._end([Report(attempt=one.item.attempt, end="NOT_BEGUN") for one in late])
            if go:
                await self._send(lane, go)

    def _may_begin(self, lane: str, held: Held) -> bool:
        """Whether the centre still counts on us for this item, and nothing made it too late."""
        now = self._monotonic()
        known = self._lanes.get(lane)
        if known is not None and known.paused:
            # As far as we have heard; what goes back comes again once the lane may send.
            return False
        if held.lease != self._lease or now > self._lease_ends - _CALL_MOST_S:
            return False
        if held.item.begin_within_s is None:
            return True
        # Of an item of the process before us nobody knows when its time began.
        until = self._begin_until.get(held.item.attempt)
        return until is not None and now <= until

    async def _send(self, lane: str, go: Sequence[Held]) -> None:
        ways: dict[tuple[str | None, str | None], list[Held]] = {}
        for one in go:
            ways.setdefault((one.item.adapter, one.item.account), []).append(one)
        calls = []
        for (adapter, account), own in ways.items():
            items = [one.item for one in own]
            try:
                client = self._reach.client(lane, adapter, account)
            except LaneDown as error:
                now = self._central.now()
                self._end([report_of(item, error, now, now) for item in items])
                continue
            calls += [(client, batch) for batch in batches(client, items)]
        if not calls:
            return
        self._journal.begin([item.attempt for _, batch in calls for item in batch])
        pending = {
            asyncio.ensure_future(call(client, batch, self._central.now)) for client, batch in calls
        }
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            self._end([report for task in done for report in task.result()])

    def _end(self, reports: Sequence[Report]) -> None:
        self._journal.end(reports)
        for report in reports:
            self._begin_until.pop(report.attempt, None)
        self._told_something.set()

    # What is fetched near by

    async def _look_on(self) -> None:
        await self._again(self._looks.look)

    async def _ask_on(self) -> None:
        await self._again(self._looks.ask)

    async def _again(self, look: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            await look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._pace.poll_s)

    # Reports

    async def _report_on(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told_something.wait(), self._pace.poll_s)
            self._told_something.clear()
            if not self._introduced:
                continue
            try:
                while await self._report():
                    pass
            except (Away, NotAdmitted) as error:
                self._note(f"the centre is away: {error}")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), self._pace.poll_s)

    async def _report(self) -> bool:
        """Tell some ends; whether there may be more. Raises: Away, NotAdmitted, RunnerReplaced."""
        now = self._monotonic()
        self._held_back = {one: until for one, until in self._held_back.items() if until > now}
        rows = self._journal.unreported(self._reports_most + len(self._held_back))
        rows = [row for row in rows if row[0] not in self._held_back][: self._reports_most]
        if not rows:
            return False
        asked = self._asked()
        try:
            answer = await self._central.settle(
                Settlements(
                    runner=self._journal.runner,
                    boot=self._boot,
                    reports=[msgspec.Raw(report) for _, report in rows],
                )
            )
        except Away as error:
            if error.ours:
                self._narrow(rows[0][0], len(rows))
            raise
        except Refused as error:
            raise RunnerReplaced(str(error)) from None
        self._learn(answer.standing, asked)
        self._reports_most = min(REPORTS_MOST, self._reports_most * 2)
        taken, unreadable = [], []
        for (attempt, report), result in zip(rows, answer.results, strict=True):
            known_as_dead = msgspec.json.decode(report, type=Report).end == "DIED"
            if result.result == "INVALID" and not known_as_dead:
                log.error("report_not_readable", attempt=str(attempt), why=result.why)
                unreadable.append(Report(attempt=attempt, end="DIED"))
            else:
                taken.append(attempt)
        if unreadable:
            # The centre has to hear something of them, or it would wait for ever.
            self._journal.end(unreadable)
        self._journal.forget(taken)
        # The next item of a key can be claimed once the one before it is settled.
        for lane in self._lanes.values():
            if lane.due:
                self._want(lane.name)
        return True

    def _narrow(self, first: UUID, count: int) -> None:
        """One report that the centre stumbles over must not keep the others from being told."""
        if count > 1:
            self._reports_most = max(1, count // 2)
        else:
            self._held_back[first] = self._monotonic() + 60.0

    async def _last_words(self) -> None:
        """Give back what was not begun, tell what has ended, say goodbye, as far as it is heard."""
        rest = [Report(attempt=one.item.attempt, end="NOT_BEGUN") for one in self._journal.held()]
        if rest:
            self._journal.end(rest)
        if not self._introduced:
            return
        with suppress(Away, NotAdmitted, Refused, RunnerReplaced, TimeoutError):
            async with asyncio.timeout(_LAST_WORD_S):
                while await self._report():
                    pass
                await self._beat(ended=self._journal.counts() == (0, 0))
