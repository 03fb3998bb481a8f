"""Metering point ids: 18 digits, the last one a mod-10 check digit with weights 3 and 1."""

from __future__ import annotations

import re

# A made-up company prefix: never send these ids outside.
TEST_PREFIX = "6499990"


def check_digit(body: str) -> str:
    """The digit that follows the 17 given ones; the rightmost of them has weight 3."""
    total = sum(
        int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))
    )
    return str(-total % 10)


def make_gsrn(number: int) -> str:
    """The test metering point with this number (0 to 9,999,999,999)."""
    body = f"{TEST_PREFIX}{number:010d}"
    return body + check_digit(body)


def is_gsrn(text: object) -> bool:
    """True for 18 ASCII digits with the right check digit."""
    return (
        isinstance(text, str)
        and re.fullmatch(r"[0-9]{18}", text) is not None
        and check_digit(text[:-1]) == text[-1]
    )
