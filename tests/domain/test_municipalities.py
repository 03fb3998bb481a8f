"""Names of areas in three languages."""

from __future__ import annotations

from app.domain.municipalities import MUNICIPALITIES, municipality_names


def test_every_municipality_has_a_code_of_three_digits_and_names() -> None:
    assert len(MUNICIPALITIES) == 309
    assert all(len(code) == 3 and code.isdigit() for code in MUNICIPALITIES)
    assert all(name and name == name.strip() for names in MUNICIPALITIES.values() for name in names)


def test_names_are_those_of_the_language() -> None:
    assert municipality_names("837") == ("Tampere", "Tammerfors", "Tampere")
    assert municipality_names("149") == ("Inkoo", "Ingå", "Ingå")
    assert municipality_names("078") == ("Hanko", "Hangö", "Hanko")


def test_an_unknown_code_stands_for_itself() -> None:
    assert municipality_names("000") == ("000", "000", "000")
