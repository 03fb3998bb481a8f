"""Things to do at their time, a few at once: reports that the simulated systems send later."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Agenda(Generic[Item]):
    """A heap of (due, item), worked off by one task with at most `at_once` items in hand.

    It promises no durability: whoever uses it fills it again from the ledger at the start.
    """

    def __init__(self, work: Callable[[Item], Awaitable[None]], at_once: int = 16) -> None:
        self._work = work
        self._heap: list[tuple[float, int, Item]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()
        self._free = asyncio.Semaphore(at_once)
        self._in_hand: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    def put(self, due: float, item: Item) -> None:
        """Have the item done at `due` (seconds since the epoch), or at once when that is past."""
        heapq.heappush(self._heap, (due, next(self._order), item))
        if self._heap[0][2] is item:
            self._earlier.set()

    def start(self) -> None:
        """Begin to work in the running loop."""
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Drop everything, also what is in hand."""
        tasks = [*self._in_hand, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wait_for_the_next()
            await self._free.acquire()
            _, _, item = heapq.heappop(self._heap)
            task = asyncio.get_running_loop().create_task(self._do(item))
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)

    async def _wait_for_the_next(self) -> None:
        while True:
            self._earlier.clear()
            wait_s = self._heap[0][0] - time.time() if self._heap else None
            if wait_s is not None and wait_s <= 0:
                return
            try:
                await asyncio.wait_for(self._earlier.wait(), wait_s)
            except TimeoutError:
                return

    async def _do(self, item: Item) -> None:
        try:
            await self._work(item)
        finally:
            self._free.release()
