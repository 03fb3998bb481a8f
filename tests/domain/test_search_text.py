"""Folding, so that people find what they type in their own way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.search_text import fold, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hämeenkatu 3", "hameenkatu 3"),
        ("HA\u0308MEENKATU  3 ", "hameenkatu 3"),
        ("Åkerö Šakki Žižek Édith", "akero sakki zizek edith"),
        ("Sørøya Æbeltoft Straße", "soroya aebeltoft strasse"),
        ("Käpytie\u00a07\tB", "kapytie 7 b"),
        ("", ""),
    ],
)
def test_case_accents_and_spaces_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("Koivutie 12", ["koivutie", "12"]),
        ("  ", []),
        ("040 123 4567", ["401234567"]),
        ("+358 40 123 4567", ["358401234567"]),
        ("6499 9900 0000 0000 13", ["649999000000000013"]),
        ("33100", ["33100"]),
    ],
)
def test_a_query_is_its_words_and_a_number_in_groups_is_one_of_them(
    query: str, parts: list[str]
) -> None:
    assert words(query) == parts


def test_a_finnish_number_is_found_in_both_its_forms() -> None:
    haystack = fold("+358401234567")
    assert all(
        part in haystack for query in ("040 1234567", "+358401234567") for part in words(query)
    )


@given(st.text(st.characters(max_codepoint=0x024F), max_size=60))
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
