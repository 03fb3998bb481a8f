"""What the runner fetches near by for the centre: files that partners lay down, and lists for reconciliation.

Each folder and each system is by itself: what keeps one from us is told with the next heartbeat, and
keeps none of the others from being looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeVar
from uuid import UUID

import structlog

from integrations.outcomes import CallError
from integrations.runner_api.client import Away, Central, NotAdmitted, Refused
from integrations.runner_api.types import (
    Beat,
    FileTaken,
    FileTold,
    Folder,
    ListAsked,
    ListFolder,
)
from workers.lane_runner.folders import FolderLook
from workers.lane_runner.journal import RunnerReplaced
from workers.lane_runner.lists import ListLook, ask
from workers.lane_runner.reach import Reach

log = structlog.get_logger()

# Answers that end the process: somebody else speaks for this journal, or nobody may.
_NOT_OURS = ("RUNNER_REPLACED", "RUNNER_ELSEWHERE", "RUNNER_UNKNOWN")
# Nobody could be asked, so what was known of a folder still is what is known.
_UNKNOWN = "UNKNOWN"
# A system that gives no list is left alone for so long.
_ASK_PAUSE_S = 60.0
_WORDS_CHARS = 2_000
F = TypeVar("F", Folder, ListFolder, str)


class Looks:
    """The folders that the centre named last, and the lists that it wants.

    note: is told when the centre is away. Of look() and ask(), each is called by one task only.
    """

    def __init__(
        self,
        central: Central,
        reach: Reach,
        runner: UUID,
        boot: UUID,
        note: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._central, self._reach, self._note = central, reach, note
        self._runner, self._boot = runner, boot
        self._monotonic = monotonic
        self._folders: dict[Folder, FolderLook] = {}
        self._folder_troubles: dict[Folder, str] = {}
        self._lists: dict[ListFolder, ListLook] = {}
        self._list_troubles: dict[ListFolder, str] = {}
        # Lists by HTTP, what keeps us from them, and when to try again.
        self._asked: dict[str, ListAsked] = {}
        self._ask_troubles: dict[str, str] = {}
        self._ask_again_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def know(self, beat: Beat) -> None:
        """What the centre said last is what there is to look into, and to ask for."""
        for folder in self._folders.keys() - set(beat.folders):
            self._folders.pop(folder).close()
            self._folder_troubles.pop(folder, None)
        for listed in self._lists.keys() - set(beat.lists):
            self._lists.pop(listed).close()
            self._list_troubles.pop(listed, None)
        for folder in beat.folders:
            place = self._reach.place(folder.lane)
            if place is not None and folder not in self._folders:
                self._folders[folder] = FolderLook(folder, place, self._monotonic)
        for listed in beat.lists:
            place = self._reach.place(listed.lane)
            if place is not None and listed not in self._lists:
                self._lists[listed] = ListLook(listed, place)
        self._asked = {one.system: one for one in beat.asked}
        for system in self._ask_troubles.keys() - self._asked.keys():
            del self._ask_troubles[system]

    @property
    def troubles(self) -> Mapping[str, str]:
        """Lanes of whose folders nothing can be fetched now, and why."""
        return {folder.lane: why for folder, why in self._folder_troubles.items()}

    @property
    def left_alone(self) -> Mapping[str, str]:
        """What lies in folders of lanes and is never taken."""
        return {
            folder.lane: look.left_alone[:_WORDS_CHARS]
            for folder, look in self._folders.items()
            if look.left_alone
        }

    @property
    def list_troubles(self) -> Mapping[str, str]:
        """Systems whose lists cannot be fetched now, and why."""
        laid = {folder.system: why for folder, why in self._list_troubles.items()}
        return {**laid, **self._ask_troubles}

    async def look(self) -> None:
        """Look into every folder once. Raises: RunnerReplaced."""
        for look in list(self._folders.values()):
            await self._look(look)
        for lists in list(self._lists.values()):
            await self._look_for_lists(lists)

    async def ask(self) -> None:
        """Begin to ask for every list that is wanted; one that takes its time keeps no other waiting.

        Raises: RunnerReplaced.
        """
        for system, task in list(self._asking.items()):
            if task.done():
                del self._asking[system]
                task.result()
        for system, asked in self._asked.items():
            if system not in self._asking:
                self._asking[system] = asyncio.create_task(self._ask(asked))

    def close(self) -> None:
        """Drop every connection."""
        for task in self._asking.values():
            task.cancel()
        for look in self._folders.values():
            look.close()
        for lists in self._lists.values():
            lists.close()

    async def _look(self, look: FolderLook) -> None:
        folder = look.folder

        async def _hand(name: str, size: int, body: bytes | None) -> FileTaken:
            return await self._hand(folder.lane, folder.document, name, size, body)

        async def _at_work() -> str | None:
            return await look.look(_hand, self._central.now())

        told = await self._looked(folder.lane, _at_work)
        # One that is the zone's no more had its connection cut under us.
        if folder in self._folders:
            _note(self._folder_troubles, folder, told)

    async def _look_for_lists(self, look: ListLook) -> None:
        folder = look.folder

        async def _hand(name: str, size: int, body: bytes | None) -> FileTaken:
            return await self._hand(folder.lane, "list", name, size, body, folder.system)

        async def _at_work() -> str | None:
            return await look.look(_hand)

        told = await self._looked(folder.lane, _at_work)
        if folder in self._lists:
            _note(self._list_troubles, folder, told)

    async def _ask(self, asked: ListAsked) -> None:
        system, target = asked.system, self._reach.target(asked.lane)
        if target is None or self._ask_again_at.get(system, 0.0) > self._monotonic():
            return
        self._ask_again_at[system] = self._monotonic() + _ASK_PAUSE_S

        async def _at_work() -> str | None:
            try:
                size, body = await ask(asked, target)
            except CallError as error:
                return f"{type(error).__name__}: {error.why}"
            await self._hand(asked.lane, "list", f"{system}.ndjson", size, body, system)
            return None

        told = await self._looked(asked.lane, _at_work)
        if told is None:
            # Whether it wants another one, the centre says with its next word.
            self._asked.pop(system, None)
            self._ask_again_at.pop(system, None)
        if told is None or system in self._asked:
            _note(self._ask_troubles, system, told)

    async def _hand(
        self,
        lane: str,
        document: Literal["ack", "delivery", "list"],
        name: str,
        size: int,
        body: bytes | None,
        system: str | None = None,
    ) -> FileTaken:
        return await self._central.file(
            FileTold(
                runner=self._runner,
                boot=self._boot,
                lane=lane,
                document=document,
                name=name[:200],
                size=size,
                body=body,
                system=system,
            )
        )

    async def _looked(self, lane: str, look: Callable[[], Awaitable[str | None]]) -> str | None:
        """What kept us from something, None when nothing did; _UNKNOWN while the centre is away."""
        try:
            return await look()
        except (Away, NotAdmitted) as error:
            self._note(f"the centre is away: {error}")
            return _UNKNOWN
        except Refused as error:
            if error.code in _NOT_OURS:
                raise RunnerReplaced(str(error)) from None
            return f"the centre does not take it: {error}"
        except Exception as error:
            # One folder's trouble must not end what the lanes do.
            log.exception("folder_failed", lane=lane)
            return f"our own fault: {type(error).__name__}"


def _note(troubles: dict[F, str], about: F, why: str | None) -> None:
    if why is None:
        troubles.pop(about, None)
    elif why != _UNKNOWN:
        troubles[about] = why[:_WORDS_CHARS]
