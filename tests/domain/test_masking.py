"""What is left out of a text that somebody under a safety ban was sent before the ban."""

from __future__ import annotations

import pytest

from app.domain.languages import Language
from app.domain.masking import without_streets


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("klo 14.05, Koivutie 12 A 3. Sähköt", "klo 14.05, käyttöpaikkasi. Sähköt"),
        ("Katko Koivutie 12b kesti 3 h.", "Katko käyttöpaikkasi kesti 3 h."),
        ("(Koivutie 12 A 3) vaihdetaan 24.11.", "(käyttöpaikkasi) vaihdetaan 24.11."),
        ("Katko, Koivutie 12-14 A 3, on ohi.", "Katko, käyttöpaikkasi, on ohi."),
        ("KOIVUTIE 12 on kytketty", "käyttöpaikkasi on kytketty"),
        ("Koivutie: 3 käyttöpaikkaa", "käyttöpaikkasi: 3 käyttöpaikkaa"),
        ("Rantatie 5. Sähköt", "Rantatie 5. Sähköt"),
    ],
)
def test_req_31_an_address_is_hidden_in_what_was_written_before(words: str, left: str) -> None:
    assert without_streets(words, ["Koivutie"], Language.FI) == left
