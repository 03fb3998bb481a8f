"""What a run leaves behind outside the product: ledgers, the CIS's files, opt-outs and what the product itself counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

# feed is the DMS as it states outages to us; dms is the DMS as it is told of swaps.
SYSTEMS = ("cis", "installer", "nis", "dms", "billing", "twilio", "twilio2", "sendgrid", "feed")

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CisFile:
    """A file as it lies on the CIS's server: which folder, which name, which bytes."""

    folder: str
    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class OptOut:
    """Somebody who wanted nothing more; done_at is when the product had said yes."""

    contact: str
    done_at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """What the product says of its own doubts, by kind of text.

    resent: messages that left once more although the first may have arrived; given_up: messages
    of which it will never know whether they arrived.
    """

    resent: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the checker may look at; not one row of the product's database.

    doubt_s: how long the product has to wait at least before it may send a doubtful message again.
    late_s: how late the plan itself was at its latest, next to nothing on a machine that keeps up. What
    has to happen within some seconds may be as late.
    """

    ledgers: Mapping[str, Sequence[Entry]]
    files: Sequence[CisFile]
    opt_outs: Sequence[OptOut] = ()
    counted: Counted = field(default_factory=Counted)
    doubt_s: float = 0.0
    late_s: float = 0.0

    @property
    def lateness(self) -> timedelta:
        """How late anything may be because the machine was."""
        return timedelta(seconds=self.late_s)

    def entries(self, system: str, *kinds: str) -> list[Entry]:
        """One system's entries of these kinds, in the order in which they happened."""
        return [entry for entry in self.ledgers.get(system, ()) if entry["kind"] in kinds]


class Ledgers:
    """The ledgers of a rehearsal, straight from their files; they only grow, so only growth is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends: dict[str, int] = {}
        self._entries: dict[str, list[Entry]] = {}

    def read(self) -> Mapping[str, Sequence[Entry]]:
        """Every entry so far, by system; a line that is just being written is read next time."""
        for system in SYSTEMS:
            path = self._folder / f"{system}.jsonl"
            if path.exists():
                self._read_on(system, path)
        return self._entries

    def _read_on(self, system: str, path: Path) -> None:
        entries = self._entries.setdefault(system, [])
        with path.open("rb") as ledger:
            ledger.seek(self._ends.get(system, 0))
            whole = ledger.read().rpartition(b"\n")[0]
        entries += [json.loads(line) for line in whole.splitlines()]
        if whole:
            self._ends[system] = self._ends.get(system, 0) + len(whole) + 1


def read_files(root: Path) -> list[CisFile]:
    """Every file in the folders of the CIS's server that the CIS has filled.

    While work flows, one may move on under our eyes: it is then found further down, or next time.
    """
    found = []
    for folder in ("inbox", "processing", "archive", "quarantine"):
        for path in sorted((root / folder).iterdir()):
            if path.is_file():
                with suppress(FileNotFoundError):
                    found.append(CisFile(folder, path.name, path.read_bytes()))
    return found


def moment(text: str) -> datetime:
    """A time as the ledgers write it."""
    return datetime.fromisoformat(text)
