"""The runner's durable memory: what it has claimed, begun and ended, one SQLite file.

Every method commits with an fsync before it returns. So an attempt is on disk before its call, and
its outcome before it is reported; what a killed process had begun and not ended is known as such.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import msgspec

from integrations.runner_api.types import Item, Report

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (runner TEXT NOT NULL, zone TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claim (id TEXT PRIMARY KEY, lane TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (
    attempt TEXT PRIMARY KEY, lane TEXT NOT NULL, lease INTEGER NOT NULL, item BLOB,
    state TEXT NOT NULL, report BLOB);
CREATE INDEX IF NOT EXISTS item_state ON item (state);
"""
_LANES_HELD = "SELECT DISTINCT lane FROM item WHERE state = 'CLAIMED'"


class JournalUnusable(Exception):
    """Another process has it, it belongs to another zone, or it cannot be read or written."""


class RunnerReplaced(Exception):
    """Another process speaks for this journal, or the zone is not the journal's: end, and look."""


@dataclass(frozen=True, slots=True)
class Held:
    """An item that was claimed and has not been begun."""

    lane: str
    lease: int
    item: Item


class Journal:
    """One journal, for one process at a time."""

    def __init__(self, path: Path, zone: str) -> None:
        """Open or make the journal. Raises: JournalUnusable."""
        self._lock = _locked(path.with_name(path.name + ".lock"))
        try:
            # Payloads hold names and addresses.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            # In WAL mode only FULL syncs at every commit.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_SCHEMA)
            self.runner = self._identity(zone)
        except (OSError, sqlite3.Error) as error:
            raise JournalUnusable(f"{path.name}: {error}") from None

    def open_claims(self) -> Mapping[UUID, str]:
        """Claims that were asked for and whose answer has not been written down, with their lanes."""
        rows = self._db.execute("SELECT id, lane FROM claim ORDER BY rowid")
        return {UUID(row[0]): row[1] for row in rows}

    def begin_claim(self, lane: str) -> UUID:
        """Name a claim before it is asked for, so that a lost answer can be asked for again."""
        claim = uuid4()
        with self._written() as db:
            db.execute("INSERT INTO claim (id, lane) VALUES (?, ?)", (str(claim), lane))
        return claim

    def take(self, claim: UUID, lane: str, lease: int, items: Sequence[Item]) -> None:
        """Write down what a claim was answered with."""
        with self._written() as db:
            db.executemany(
                "INSERT OR IGNORE INTO item (attempt, lane, lease, item, state)"
                " VALUES (?, ?, ?, ?, 'CLAIMED')",
                [(str(one.attempt), lane, lease, msgspec.json.encode(one)) for one in items],
            )
            db.execute("DELETE FROM claim WHERE id = ?", (str(claim),))

    def drop_claim(self, claim: UUID) -> None:
        """Forget a claim that the centre refuses for good."""
        with self._written() as db:
            db.execute("DELETE FROM claim WHERE id = ?", (str(claim),))

    def begin(self, attempts: Sequence[UUID]) -> None:
        """Write down that calls are about to be made."""
        with self._written() as db:
            db.executemany(
                "UPDATE item SET state = 'BEGUN' WHERE attempt = ? AND state = 'CLAIMED'",
                [(str(one),) for one in attempts],
            )

    def end(self, reports: Sequence[Report]) -> None:
        """Write down how attempts ended; what was sent is not kept any longer."""
        with self._written() as db:
            db.executemany(
                "UPDATE item SET state = 'ENDED', report = ?, item = NULL WHERE attempt = ?",
                [(msgspec.json.encode(one), str(one.attempt)) for one in reports],
            )

    def end_dead_calls(self) -> int:
        """What a process before us had begun and not ended may have arrived; returns how many."""
        rows = self._db.execute("SELECT attempt FROM item WHERE state = 'BEGUN'").fetchall()
        self.end([Report(attempt=UUID(row[0]), end="DIED") for row in rows])
        return len(rows)

    def held(self, lane: str | None = None) -> list[Held]:
        """What was claimed and has not been begun, in the order in which it came."""
        rows = self._db.execute(
            "SELECT lane, lease, item FROM item WHERE state = 'CLAIMED'"
            " AND (? IS NULL OR lane = ?) ORDER BY rowid",
            (lane, lane),
        )
        return [Held(row[0], row[1], msgspec.json.decode(row[2], type=Item)) for row in rows]

    def lanes_held(self) -> set[str]:
        """The lanes of what was claimed and has not been begun."""
        return {row[0] for row in self._db.execute(_LANES_HELD)}

    def unreported(self, most: int) -> list[tuple[UUID, bytes]]:
        """How attempts ended that the centre has not been told of, the oldest first."""
        rows = self._db.execute(
            "SELECT attempt, report FROM item WHERE state = 'ENDED' ORDER BY rowid LIMIT ?", (most,)
        )
        return [(UUID(row[0]), row[1]) for row in rows]

    def forget(self, attempts: Sequence[UUID]) -> None:
        """Let go of what the centre has on record."""
        with self._written() as db:
            db.executemany(
                "DELETE FROM item WHERE attempt = ? AND state = 'ENDED'",
                [(str(one),) for one in attempts],
            )

    def counts(self) -> tuple[int, int]:
        """How many are claimed or begun, and how many have ended and are not reported."""
        row = self._db.execute(
            "SELECT count(*) FILTER (WHERE state <> 'ENDED'),"
            " count(*) FILTER (WHERE state = 'ENDED') FROM item"
        ).fetchone()
        return int(row[0]), int(row[1])

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._db.close()
        os.close(self._lock)

    def _identity(self, zone: str) -> UUID:
        row = self._db.execute("SELECT runner, zone FROM identity").fetchone()
        if row is None:
            runner = uuid4()
            with self._written() as db:
                db.execute("INSERT INTO identity VALUES (?, ?)", (str(runner), zone))
            return runner
        if row[1] != zone:
            raise JournalUnusable(f"the journal is that of the zone {row[1]}")
        return UUID(row[0])

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """One durable change: all of it or nothing, on disk at the end."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _locked(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise JournalUnusable(f"{path.name}: {error.strerror}") from None
    return handle
