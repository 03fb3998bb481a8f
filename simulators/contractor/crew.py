"""The contractor at work: takes order files out of its folder, and writes reports as files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.agenda import Agenda
from simulators.cis.file_record import is_finished
from simulators.contractor.rows import (
    REASONS,
    OrderUnreadable,
    make_report,
    read_order,
    write_reports,
)
from simulators.faults import FaultBox
from simulators.ledger import Entry, Ledger, LedgerError
from simulators.settings import Contractor

ORDERS, ACKS, REJECTS, TAKEN = "orders", "acks", "rejects", "taken"
FOLDERS = (ORDERS, ACKS, "processing", "archive", "quarantine", REJECTS)
BACK_OFF_S = 1.0
CANCELLED = "PERUTTU"


class ContractorCrew:
    """One contractor with its SFTP folders.

    Ledger: `order` (a file of a name that was not known), `repeat` (the same name and content
    again), `changed` (the same name with another content), `unreadable`, `report` (a row as it is
    going to be written), `file` (a file of reports that lies in its folder), `reject` (what Tiedolla
    could not take), `move` and `remove` (everything else).
    """

    def __init__(self, folder: Path, contractor: Contractor, seed: int, faults: FaultBox) -> None:
        self._contractor = contractor
        self._root = contractor.root_dir.resolve()
        self._taken = self._root.parent / f"{self._root.name}-{TAKEN}"
        self._seed = seed
        self._faults = faults
        self._digests: dict[str, str] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        # Reports whose file may not lie in its folder yet.
        self._unwritten: dict[int, dict[str, str]] = {}
        self._lock = asyncio.Lock()
        self._agenda: Agenda[tuple[str, int, int]] = Agenda(self._step, at_once=1)
        self._live = False
        self.ledger = Ledger("contractor", folder / "contractor.jsonl", self._remember)

    def make_folders(self) -> None:
        """The folders that the contractor and Tiedolla agreed on."""
        for name in FOLDERS:
            (self._root / name).mkdir(parents=True, exist_ok=True)
        self._taken.mkdir(parents=True, exist_ok=True)

    async def catch_up(self) -> None:
        """Take what was left in the folder, and write what a death kept from being written."""
        for path in sorted((self._root / ORDERS).iterdir()):
            await self.note_finished(path)
        for n, row in list(self._unwritten.items()):
            await self._write([row], n)

    def start(self) -> None:
        """Begin to work; what was planned goes on."""
        self._live = True
        self._agenda.start()
        for order_id in self._jobs:
            self._plan(order_id)

    async def stop(self) -> None:
        """Go home."""
        await self._agenda.stop()

    async def note_finished(self, path: Path) -> None:
        """A file got its last byte or its final name: an order, or a reject."""
        folder = self._folder_of(path)
        if folder not in (ORDERS, REJECTS) or not is_finished(path.name) or not path.is_file():
            return
        async with self._lock:
            body = await asyncio.to_thread(path.read_bytes)
            facts: Entry = {
                "name": path.name,
                "bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "text": body.decode("utf-8-sig", "replace")[:20_000],
            }
            if folder == REJECTS:
                await self.ledger.append("reject", facts)
                return
            await self._take(path, body, facts)

    async def note_move(self, old: Path, new: Path) -> None:
        """A file was renamed."""
        if self._folder_of(new) in (ORDERS, REJECTS) and is_finished(new.name):
            await self.note_finished(new)
        elif is_finished(old.name):
            await self.ledger.append("move", {"from": self._shown(old), "to": self._shown(new)})

    async def note_removed(self, path: Path) -> None:
        """A file was deleted."""
        await self.ledger.append("remove", {"path": self._shown(path)})

    async def _take(self, path: Path, body: bytes, facts: Entry) -> None:
        """Note an order and carry its file away, as somebody would who has read it."""
        known = self._digests.get(path.name)
        if known is not None:
            kind = "repeat" if known == facts["sha256"] else "changed"
            await self.ledger.append(kind, facts)
        else:
            try:
                order = read_order(body)
            except OrderUnreadable as error:
                await self.ledger.append("unreadable", {**facts, "why": str(error)})
            else:
                plan = self._make_plan(order)
                named = {"order_id": order["TILAUS"], "revision": int(order["REVISIO"])}
                await self.ledger.append("order", {**facts, **named, "order": order, "plan": plan})
        with contextlib.suppress(FileNotFoundError):
            path.replace(self._taken / path.name)

    def _make_plan(self, order: dict[str, str]) -> dict[str, Any]:
        usual, faults = self._contractor, self._faults.now
        draw = random.Random(f"{self._seed} {order['TILAUS']} {order['REVISIO']}")
        if order["TOIMINTO"] == CANCELLED:
            return {"steps": [{"type": CANCELLED, "after_s": usual.accepted_after_s[0]}]}
        ratio = usual.fail_ratio if faults.ack_fail_ratio is None else faults.ack_fail_ratio
        fails = draw.random() < ratio
        kinds = [("VASTAANOTETTU", usual.accepted_after_s)]
        if not fails:
            kinds.append(("ALOITETTU", usual.started_after_s))
        kinds.append(("KESKEYTYNYT" if fails else "VALMIS", usual.completed_after_s))
        after_s, steps = 0.0, []
        for kind, span in kinds:
            # Reports have whole seconds, and two steps of one order never share one.
            after_s = max(after_s + 1.1, draw.uniform(*span))
            steps.append({"type": kind, "after_s": round(after_s, 3)})
        return {"steps": steps, "reason": draw.choice(REASONS) if fails else None}

    def _plan(self, order_id: str) -> None:
        job = self._jobs[order_id]
        if self._live and job["step"] < len(job["plan"]["steps"]):
            due = job["at"] + job["plan"]["steps"][job["step"]]["after_s"]
            self._agenda.put(due, (order_id, job["n"], job["step"]))

    async def _step(self, item: tuple[str, int, int]) -> None:
        order_id, number, step = item
        job = self._jobs[order_id]
        if (job["n"], job["step"]) != (number, step) or self._faults.now.callbacks == "none":
            return
        now = datetime.now(UTC)
        kind = job["plan"]["steps"][step]["type"]
        row = make_report(job, kind, step + 1, job["plan"].get("reason"), now)
        try:
            n = await self.ledger.append(
                "report",
                {"order_id": order_id, "type": kind, "step": step, "row": row, "order_n": number},
            )
            await self._write([row], n)
        except (LedgerError, OSError):
            self._agenda.put(now.timestamp() + BACK_OFF_S, item)

    async def _write(self, rows: list[dict[str, str]], n: int) -> None:
        """Leave a file of reports, under a draft name first; twice where the faults ask for it."""
        body = write_reports(rows)
        names = [f"kuittaukset-{n:06d}.csv"]
        if self._faults.now.callbacks == "duplicate":
            names.append(f"kuittaukset-{n:06d}-uusi.csv")
        for name in names:
            path = self._root / ACKS / name
            draft = path.with_name(f"{name}.tmp")
            await asyncio.to_thread(_write_whole, draft, path, body)
            facts = {"name": name, "bytes": len(body), "rows": len(rows), "report_n": n}
            self.ledger.note("file", facts)

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] == "order":
            self._digests[entry["name"]] = entry["sha256"]
            known = self._jobs.get(entry["order_id"])
            if known is not None and known["revision"] >= entry["revision"]:
                return
            self._jobs[entry["order_id"]] = {
                "n": entry["n"],
                "ref": f"RS-{hashlib.sha256(entry['name'].encode()).hexdigest()[:8].upper()}",
                "revision": entry["revision"],
                "order": entry["order"],
                "plan": entry["plan"],
                "at": datetime.fromisoformat(entry["at"]).timestamp(),
                "step": 0,
            }
            self._plan(entry["order_id"])
        elif entry["kind"] == "file":
            self._unwritten.pop(entry["report_n"], None)
        elif entry["kind"] == "report":
            self._unwritten[entry["n"]] = entry["row"]
            job = self._jobs.get(entry["order_id"])
            if job is None or job["n"] != entry["order_n"]:
                return
            job["step"] = entry["step"] + 1
            if entry["type"] == "ALOITETTU":
                job["off_at"] = entry["row"]["POIKKI"]
            self._plan(entry["order_id"])

    def _folder_of(self, path: Path) -> str:
        parts = path.relative_to(self._root).parts
        return parts[0] if len(parts) == 2 else ""

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix().encode("utf-8", "replace").decode()


def _write_whole(draft: Path, path: Path, body: bytes) -> None:
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
