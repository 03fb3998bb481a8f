"""The page about the field names everything that the code knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from app.domain import states
from app.domain.codes import (
    DEFAULT_METER_MODELS,
    DEFAULT_ORDER_TYPES,
    FAILURE_REASONS,
    REJECT_CODES,
    RejectCode,
)
from app.domain.delay_reasons import DELAY_REASONS
from app.domain.notice_policy import SuppressReason
from app.domain.notice_types import NoticeType
from app.domain.reconciliation import DifferenceKind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "names",
    [
        RejectCode,
        FAILURE_REASONS,
        DELAY_REASONS,
        SuppressReason,
        NoticeType,
        states.WorkOrderState,
        states.NoticeState,
        states.MeterState,
        states.SwapOutageState,
        states.OrderRequestState,
        states.MismatchState,
        states.ConnectionStage,
        states.FaultState,
        states.PlannedCutState,
        states.AnnouncementState,
        states.OutboxState,
        states.DifferenceState,
        states.SnapshotState,
        DifferenceKind,
        states.RuleSetState,
        states.ReplayState,
        states.RouteMoveState,
        states.ImportState,
        states.RunState,
        states.AckVerdict,
        [kind.code for kind in DEFAULT_ORDER_TYPES],
        [model.model for model in DEFAULT_METER_MODELS],
    ],
)
def test_every_code_and_state_is_on_the_page(names: Iterable[str]) -> None:
    assert [name for name in names if not re.search(rf"\b{name}\b", PAGE)] == []


def test_reject_codes_stand_beside_their_reply_codes() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    for code, info in REJECT_CODES.items():
        (row,) = [row for row in rows if re.search(rf"^\| [A-Z_, ]*\b{code}\b[A-Z_, ]* \|", row)]
        assert info.iec in row.split("|")[2]


def test_every_requirement_that_a_rule_names_is_explained() -> None:
    named = {
        found
        for path in (ROOT / "app" / "domain").glob("*.py")
        for found in re.findall(r"REQ-\d\d", path.read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if f"| {name} |" not in PAGE] == []
