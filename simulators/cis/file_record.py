"""What the CIS notes of the files that come and go on its server, above all what is returned to it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from lxml import etree

from simulators.ledger import Entry, Ledger
from simulators.snapshots import Kept

INBOX, RETURNS, SNAPSHOTS = "inbox", "returns", "snapshots"
FOLDERS = (INBOX, "processing", "archive", "quarantine", RETURNS, SNAPSHOTS)
READ_MOST_BYTES = 4 << 20
KEPT_MOST_CHARACTERS = 64_000


class FileRecord:
    """The ledger of the file server.

    Ledger: `put` (a file in the inbox was closed under its final name, or got it), `return` (the first file of its name in
    returns), `repeat` (the same name and content again), `changed` (the same name with another
    content), `move` and `remove` (everything else).
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root
        self._returned: dict[str, str] = {}
        # What the CIS knows of each completed order, as its lists for reconciliation say it.
        self.completions: dict[str, Kept] = {}
        self.ledger = Ledger("cis", folder / "cis.jsonl", self._remember)

    async def catch_up(self) -> None:
        """Note what was returned when a crash came between the file and its entry."""
        for path in sorted((self._root / RETURNS).iterdir()):
            if not is_finished(path.name) or path.is_symlink() or not path.is_file():
                continue
            known = self._returned.get(path.name)
            if known is None or known != _measure(path)[1]:
                kind = "return" if known is None else "changed"
                await self.ledger.append(kind, {"found_at_start": True, **read_returned(path)})

    async def note_finished(self, path: Path) -> None:
        """A file got its last byte or its final name."""
        folder = self._folder_of(path)
        if not is_finished(path.name) or path.is_symlink() or not path.is_file():
            return
        if folder == INBOX:
            size, digest = await asyncio.to_thread(_measure, path)
            await self.ledger.append(
                "put", {"folder": folder, "name": path.name, "bytes": size, "sha256": digest}
            )
        elif folder == RETURNS:
            facts = await asyncio.to_thread(read_returned, path)
            known = self._returned.get(path.name)
            kind = "return" if known is None else "changed"
            await self.ledger.append("repeat" if known == facts["sha256"] else kind, facts)

    async def note_move(self, old: Path, new: Path) -> None:
        """A file was renamed: into its final name, or from one folder to another."""
        if self._folder_of(new) in (INBOX, RETURNS) and is_finished(new.name):
            await self.note_finished(new)
        elif is_finished(old.name):
            await self.ledger.append("move", {"from": self._shown(old), "to": self._shown(new)})

    async def note_removed(self, path: Path) -> None:
        """A file was deleted."""
        await self.ledger.append("remove", {"path": self._shown(path)})

    def place_of_lists(self) -> Path:
        """The folder in which the CIS lays down its lists."""
        return self._root / SNAPSHOTS

    def _folder_of(self, path: Path) -> str:
        parts = path.relative_to(self._root).parts
        return parts[0] if len(parts) == 2 else ""

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix().encode("utf-8", "replace").decode()

    def _remember(self, entry: Entry) -> None:
        if entry["kind"] in ("return", "repeat", "changed"):
            self._returned[entry["name"]] = entry["sha256"]
        if entry["kind"] == "return" and entry.get("final_state") and entry.get("order_id"):
            record = {"id": entry["order_id"], "finalState": entry["final_state"]}
            if entry.get("new_meter"):
                record["meterNumber"] = entry["new_meter"]
            self.completions[entry["order_id"]] = Kept(record, entry["at"])


def is_finished(name: str) -> bool:
    """Names that end in .tmp or begin with a dot are still being written."""
    return not name.endswith(".tmp") and not name.startswith(".")


def read_returned(path: Path) -> Entry:
    """The facts of a returned file: who it is about, and the text itself when it is not long."""
    size, digest = _measure(path)
    facts: Entry = {"name": path.name, "bytes": size, "sha256": digest}
    with path.open("rb") as file:
        data = file.read(READ_MOST_BYTES)
    try:
        facts |= _read_xml(data)
    except etree.XMLSyntaxError as error:
        facts["not_xml"] = str(error)
    return {**facts, "text": data.decode("utf-8", "replace")[:KEPT_MOST_CHARACTERS]}


def _read_xml(data: bytes) -> dict[str, Any]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(data, parser)
    name = etree.QName(root)
    texts: dict[str, list[str]] = {"OrderId": [], "Revision": [], "MessageId": [], "Code": []}
    for element in root.iter(etree.Element):
        local = etree.QName(element).localname
        if local in texts and element.text and element.text.strip():
            texts[local].append(element.text.strip())
    new_meter = root.find(".//{*}NewMeter/{*}MeterIdentification")
    return {
        **(
            {"final_state": state.text}
            if (state := root.find(".//{*}FinalState")) is not None
            else {}
        ),
        **({"new_meter": new_meter.text} if new_meter is not None else {}),
        "root": name.localname,
        "namespace": name.namespace,
        "message_id": _first(texts["MessageId"]),
        "order_id": _first(texts["OrderId"]),
        "order_ids": texts["OrderId"],
        "revision": _first(texts["Revision"]),
        "codes": texts["Code"],
    }


def _first(values: list[str]) -> str | None:
    return values[0] if values else None


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
