"""The short chaos run: fifty processes are killed while work flows, and every promise is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import run_chaos

KILLS, SEED = 50, 11


@pytest.mark.chaos
def test_fifty_kills_break_no_promise(tmp_path: Path) -> None:
    outcome = run_chaos(tmp_path, kills=KILLS, seed=SEED, say=print)
    assert outcome.findings.breaches == []
    assert outcome.stuck is None
    assert outcome.done["kills"] >= KILLS
    # A run without work would keep every promise as well.
    assert outcome.findings.counts["completions"] >= 30
    assert outcome.findings.counts["messages"] >= 50
    assert outcome.findings.counts["told of a cut"] >= 20
    assert outcome.findings.counts["told of its end"] >= 10
    assert outcome.findings.counts["told that it is off"] >= 3
    assert outcome.findings.counts["texts to us"] >= 5
