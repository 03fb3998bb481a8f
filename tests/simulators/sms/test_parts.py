"""A text's parts are counted as the operators count them."""

from __future__ import annotations

import pytest

from simulators.sms.parts import count_parts


@pytest.mark.parametrize(
    ("body", "encoding", "parts"),
    [
        ("a" * 160, "GSM-7", 1),
        ("ä" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("š" * 70, "UCS-2", 1),
        ("š" * 71, "UCS-2", 2),
        ("a\u0308", "UCS-2", 1),
        ("–", "UCS-2", 1),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
    ],
)
def test_parts_and_encoding(body: str, encoding: str, parts: int) -> None:
    assert count_parts(body) == (encoding, parts)
