"""What is read of the ledgers while they grow."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.evidence import Ledgers


def test_each_entry_is_read_once_and_a_half_written_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "nis.jsonl"
    ledgers = Ledgers(tmp_path)
    assert ledgers.read() == {}
    path.write_bytes(b'{"n":1}\n{"n":2')
    assert ledgers.read() == {"nis": [{"n": 1}]}
    path.write_bytes(b'{"n":1}\n{"n":22}\n')
    assert ledgers.read() == {"nis": [{"n": 1}, {"n": 22}]}
    assert ledgers.read() == {"nis": [{"n": 1}, {"n": 22}]}
