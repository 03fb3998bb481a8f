"""Which systems are compared, and which differences sending again can end."""

from __future__ import annotations

import pytest

from app.domain.reconciliation import (
    DifferenceReason,
    SystemUnknown,
    is_repairable,
    list_name,
    stock_of,
    systems,
)


def test_partners_and_stock_stand_for_each_partner() -> None:
    assert systems(["nis", "partners", "stock", "cis"], ["voima", "x"]) == [
        *("cis", "nis", "partner.voima", "partner.x", "stock.voima", "stock.x"),
    ]


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("partner.voima", "orders"),
        ("stock.voima", "stock"),
        ("nis", "devices"),
        ("dms", "swap-outages"),
        ("billing", "meter-changes"),
        ("cis", "completions"),
        ("head_end", "meters"),
    ],
)
def test_each_system_has_its_own_list(system: str, name: str) -> None:
    assert list_name(system) == name


@pytest.mark.parametrize("system", ["", "sms", "partner.", "stock.", "NIS", "nothing"])
def test_other_names_are_no_systems(system: str) -> None:
    with pytest.raises(SystemUnknown):
        list_name(system)
    assert stock_of(system) is None


def test_only_what_we_had_sent_can_be_sent_again() -> None:
    helped = {
        reason
        for reason in DifferenceReason
        if is_repairable("DIFFERENT", reason, 1) or is_repairable("MISSING", reason, 1)
    }
    assert helped == {"NOT_THERE", "OLDER_VERSION", "DEAD"}
    assert not is_repairable("MISSING", "NOT_THERE", None)
    assert not is_repairable("EXTRA", "NOT_THERE", 1)
