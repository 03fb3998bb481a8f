"""The number of a metering point: 18 digits, the last of which checks the others (GS1 GSRN)."""

from __future__ import annotations

_LENGTH = 18


def is_valid_gsrn(text: str) -> bool:
    """Tell whether a text is a metering point's number with the right check digit."""
    return (
        len(text) == _LENGTH and text.isascii() and text.isdigit() and _weighted_sum(text) % 10 == 0
    )


def check_digit(first_digits: str) -> str:
    """The last digit for the 17 before it.

    Raises: ValueError -> the caller passed something else than 17 digits.
    """
    if len(first_digits) != _LENGTH - 1 or not (first_digits.isascii() and first_digits.isdigit()):
        raise ValueError("A GSRN has 17 digits before its check digit.")
    return str(-_weighted_sum(first_digits + "0") % 10)


def _weighted_sum(digits: str) -> int:
    # Weights 3 and 1 from the right, the check digit itself counting once (GS1 modulo 10). Summed as
    # bytes, since this runs for every order of a file.
    codes = digits.encode()
    return 3 * sum(codes[0::2]) + sum(codes[1::2]) - (3 + 1) * _LENGTH // 2 * ord("0")
