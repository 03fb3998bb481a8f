"""The CIS's list of the completions that it has: laid down as a file when it is asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from simulators.cis.file_record import FileRecord
from simulators.exchange import json_answer
from simulators.faults import FaultBox
from simulators.snapshots import make_list


class CompletionLists:
    """POST /cis/snapshots makes the CIS lay down a list; a real one does it by its own clock."""

    def __init__(self, files: FileRecord, faults: FaultBox) -> None:
        self._files = files
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """The one endpoint, which belongs to the rehearsal and not to the CIS."""
        return [web.post("/cis/snapshots", self._lay_down)]

    async def _lay_down(self, _request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        kept = list(self._files.completions.values())
        data = b"".join(make_list("completions", kept, self._faults.now, now))
        path = self._files.place_of_lists() / f"completions-{now:%Y%m%dT%H%M%S%f}.jsonl"
        await asyncio.to_thread(_write, path, data)
        return json_answer({"name": path.name}, 201)


def _write(path: Path, data: bytes) -> None:
    """Under a draft name first, so that nobody takes half of it."""
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_bytes(data)
    draft.rename(path)
