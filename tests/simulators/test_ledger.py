"""The ledger keeps what was answered, in one order, whatever happens to its process or disk."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from simulators.ledger import Entry, Ledger, LedgerError


def test_entries_are_numbered_in_the_order_they_were_added(path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        ledger.note("first", {"word": "ä"})
        assert await ledger.append("second", {}) == 2

    with_ledger(path, work)
    first, second = read(path)
    assert (first["n"], first["kind"], first["word"]) == (1, "first", "ä")
    assert (second["n"], second["kind"]) == (2, "second")


def test_an_append_returns_only_after_an_fsync_that_covers_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = [0]
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", watch)

    async def work(ledger: Ledger) -> None:
        for _ in range(5):
            number = await ledger.append("entry", {})
            end = sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:number])
            assert synced[-1] >= end

    with_ledger(path, work)


def test_appends_at_the_same_time_share_an_fsync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(fd), fsync(fd))[1])

    async def work(ledger: Ledger) -> None:
        calls.clear()
        numbers = await asyncio.gather(*(ledger.append("entry", {}) for _ in range(500)))
        assert numbers == list(range(1, 501))

    with_ledger(path, work)
    assert len(calls) < 20


def test_what_was_written_is_replayed_and_never_changed(path: Path) -> None:
    async def write(ledger: Ledger) -> None:
        await ledger.append("old", {"value": 1})

    with_ledger(path, write)
    before = path.read_bytes()
    replayed: list[Entry] = []

    async def add(ledger: Ledger) -> None:
        assert ledger.count == 1
        await ledger.append("new", {"value": 2})

    with_ledger(path, add, replayed.append)
    assert path.read_bytes().startswith(before)
    assert [(entry["n"], entry["kind"]) for entry in replayed] == [(1, "old"), (2, "new")]


def test_a_line_that_a_crash_left_half_written_is_cut_and_its_number_used_again(path: Path) -> None:
    async def write(ledger: Ledger) -> None:
        await ledger.append("whole", {})

    with_ledger(path, write)
    with path.open("ab") as file:
        file.write(b'{"n":2,"at":"2026-01-01T00:00:00.000Z","kind":"torn","te')

    async def add(ledger: Ledger) -> None:
        assert await ledger.append("next", {}) == 2

    with_ledger(path, add)
    assert [entry["kind"] for entry in read(path)] == ["whole", "next"]


def test_a_full_disk_refuses_the_entry_and_leaves_no_half_line(path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.append("before", {})
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, most))
        try:
            with pytest.raises(LedgerError):
                await ledger.append("too much", {"text": "x" * 200})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        assert await ledger.append("after", {}) == 2

    remembered: list[Entry] = []
    with_ledger(path, work, remembered.append)
    assert [entry["kind"] for entry in read(path)] == ["before", "after"]
    assert [entry["kind"] for entry in remembered] == ["before", "after"]


def test_a_lone_surrogate_and_a_line_break_stay_inside_one_line(path: Path) -> None:
    text = "a\ud800\u2028\nb"

    async def work(ledger: Ledger) -> None:
        await ledger.append("odd", {"text": text})
        await ledger.append("next", {})

    with_ledger(path, work)
    assert [entry.get("text") for entry in read(path)] == [text, None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger of the test is."""
    return tmp_path / "ledger" / "system.jsonl"


def with_ledger(
    path: Path,
    work: Callable[[Ledger], Coroutine[Any, Any, None]],
    remember: Callable[[Entry], None] = lambda _entry: None,
) -> None:
    """Open the ledger in a loop of its own, do the work, close it."""

    async def run() -> None:
        ledger = Ledger("system", path, remember)
        await work(ledger)
        await ledger.close()

    asyncio.run(run())


def read(path: Path) -> list[Entry]:
    """The entries in the file."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
