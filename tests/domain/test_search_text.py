"""Folding: however a name is typed, it is found."""

from __future__ import annotations

import pytest

from app.domain.search_text import fold, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hämeenkatu 3", "hameenkatu 3"),
        ("HÄMEENKATU 3", "hameenkatu 3"),
        ("Ha\u0308meenkatu 3", "hameenkatu 3"),
        ("Åke  Öström ", "ake ostrom"),
        ("Šakki & Žiguli", "sakki & ziguli"),
        ("Søren Ærø", "soren aero"),
        ("maija@example.fi", "maija@example.fi"),
        ("", ""),
    ],
)
def test_case_marks_and_spaces_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("Koivutie 12", ["koivutie", "12"]),
        ("040 123 4567", ["401234567"]),
        ("+358 40 123 4567", ["358401234567"]),
        ("040-1234567", ["401234567"]),
        ("12 3", ["12", "3"]),
        ("6499990 0000 0000 013", ["649999000000000013"]),
        ("00123", ["0123"]),
        ("   ", []),
    ],
)
def test_numbers_typed_in_groups_are_one_part(query: str, parts: list[str]) -> None:
    assert words(query) == parts
