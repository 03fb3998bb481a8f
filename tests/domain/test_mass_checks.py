"""What is asked of a mass order's meter models, and when a whole file waits for people."""

from __future__ import annotations

import pytest

from app.domain.mass_checks import (
    FileCounts,
    check_allowed_models,
    check_mass_model,
    decide_hold,
)
from app.domain.meter_models import DEFAULT_METER_MODELS
from app.domain.work_order_checks import CodeLists

LISTS = CodeLists({}, {model.model: model for model in DEFAULT_METER_MODELS}, frozenset())
GOOD = FileCounts(declared=100, items=100, bad=0)


@pytest.mark.parametrize(
    ("model", "allowed", "codes"),
    [
        ("6534", (), []),
        ("6534", ("6511", "6534"), []),
        ("6534", ("6511",), ["MODEL_NOT_FOR_TYPE"]),
        # Known and good for a single order, but no mass installer hangs it.
        ("6550", (), ["MODEL_NOT_FOR_TYPE"]),
        ("6550", ("6550",), ["MODEL_NOT_FOR_TYPE"]),
        # What nobody knows is refused by the checks of any order.
        ("9999", ("6511",), []),
        (None, ("6511",), []),
    ],
)
def test_an_item_may_ask_only_for_a_model_of_mass_replacement_that_its_order_allows(
    model: str | None, allowed: tuple[str, ...], codes: list[str]
) -> None:
    assert [f.code for f in check_mass_model(model, LISTS, allowed)] == codes


def test_models_that_a_head_allows_and_nobody_may_hang_are_named() -> None:
    found = check_allowed_models(("9999", "6534", "6550"), LISTS)
    assert [(f.code, f.path) for f in found] == [
        ("MODEL_NOT_FOR_TYPE", "AllowedModels/Model"),
        ("MODEL_UNKNOWN", "AllowedModels/Model"),
    ]


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (GOOD, None),
        (FileCounts(100, 100, 5), None),
        (FileCounts(100, 100, 6), "BAD_SHARE 6 100 5"),
        (FileCounts(1000, 1000, 20), None),
        (FileCounts(1000, 1000, 21), "BAD_COUNT 21 20"),
        (FileCounts(101, 100, 0), "MASS_COUNT 100 101"),
        (FileCounts(100, 60, 0, "XML_MALFORMED"), "BROKEN XML_MALFORMED 60 100"),
        (FileCounts(100, 100, 0, called_off=True), "CALLED_OFF"),
        (FileCounts(0, 0, 0), None),
    ],
)
def test_a_file_waits_for_people_when_something_is_wrong_with_the_whole(
    counts: FileCounts, reason: str | None
) -> None:
    assert decide_hold(counts, 5.0, 20) == reason


def test_without_a_limit_of_their_number_only_the_share_of_bad_items_counts() -> None:
    assert decide_hold(FileCounts(10_000, 10_000, 500), 5.0, 0) is None
