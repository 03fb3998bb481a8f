"""Numbers of metering points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gsrn import check_digit, is_valid_gsrn


@pytest.mark.parametrize("gsrn", ["649999000000000013", "645823734848458216"])
def test_a_number_with_the_right_check_digit_is_valid(gsrn: str) -> None:
    assert is_valid_gsrn(gsrn)
    assert check_digit(gsrn[:17]) == gsrn[17]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "649999000000000014",
        "64999900000000001",
        "6499990000000000130",
        "64999900000000001X",
        "649999000000000 13",
        "٦٤٩٩٩٩٠٠٠٠٠٠٠٠٠٠١٣",
        "64999900000000001³",
    ],
)
def test_anything_else_is_not_a_metering_point(text: str) -> None:
    assert not is_valid_gsrn(text)


@given(st.text("0123456789", min_size=17, max_size=17))
def test_exactly_one_check_digit_fits(first: str) -> None:
    fitting = [digit for digit in "0123456789" if is_valid_gsrn(first + digit)]
    assert fitting == [check_digit(first)]


@given(st.text("0123456789", min_size=17, max_size=17), st.integers(0, 17), st.integers(1, 9))
def test_one_mistyped_digit_is_always_noticed(first: str, place: int, off_by: int) -> None:
    gsrn = first + check_digit(first)
    wrong = str((int(gsrn[place]) + off_by) % 10)
    assert not is_valid_gsrn(gsrn[:place] + wrong + gsrn[place + 1 :])


@pytest.mark.parametrize("text", ["", "6499990000000000", "64999900000000000a"])
def test_a_check_digit_needs_seventeen_digits(text: str) -> None:
    with pytest.raises(ValueError, match="17 digits"):
        check_digit(text)
