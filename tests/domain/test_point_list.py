"""Lists of points as people paste them: one bad line never spoils the others."""

from __future__ import annotations

import pytest

from app.domain.gsrn import check_digit
from app.domain.languages import Language
from app.domain.point_list import (
    POINT_FINDINGS,
    PointFindingCode,
    read_numbers,
    read_points,
)


def gsrn(number: int) -> str:
    first = f"6499990{number:010d}"
    return first + check_digit(first)


A, B, C = gsrn(1), gsrn(2), gsrn(3)


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n",
        f"{A}\r\n{B}",
        f"{A}, {B}",
        f"{A};Koivutie 1;Tampere\n{B};Koivutie 2;Tampere\n",
        f'"{A}"\n"{B}"',
        f"gsrn\n{A}\n\n{B}\n\n",
        f"\ufeffKäyttöpaikka\n{A}\n{B}",
        f"\t{A}\n  {B}  ",
    ],
)
def test_numbers_are_found_however_they_are_written(text: str) -> None:
    found = read_points(text)
    assert (list(found.lines), found.findings) == ([A, B], ())


def test_each_bad_line_is_told_with_its_number_and_the_good_ones_go_on() -> None:
    wrong = A[:17] + str((int(A[17]) + 1) % 10)
    found = read_points(f"{A}\n{wrong}\n{B}\n{A}\n12345\n6,49999E+17\n{C}\n")
    assert list(found.lines.items()) == [(A, 1), (B, 3), (C, 7)]
    assert [(f.line, f.given, f.code) for f in found.findings] == [
        (2, wrong, PointFindingCode.CHECK_DIGIT),
        (4, A, PointFindingCode.DUPLICATE_LINE),
        (5, "12345", PointFindingCode.NOT_A_NUMBER),
        (6, "6,49999E+17", PointFindingCode.NOT_A_NUMBER),
    ]


def test_other_digits_are_no_digits() -> None:
    arabic = A.translate({ord("0") + n: 0x0660 + n for n in range(10)})
    assert [f.code for f in read_points(arabic).findings] == [PointFindingCode.NOT_A_NUMBER]


def test_what_is_shown_again_is_short_and_printable() -> None:
    (finding,) = read_points("1\x00" + "x" * 500).findings
    assert len(finding.given) == 60
    assert finding.given.isprintable()


def test_numbers_from_another_system_are_read_the_same() -> None:
    found = read_numbers([A, "x", A, B])
    assert list(found.lines) == [A, B]
    assert [f.line for f in found.findings] == [2, 3]


def test_every_finding_has_words_in_three_languages() -> None:
    for code in PointFindingCode:
        words = {POINT_FINDINGS[code].in_language(language) for language in Language}
        assert len(words) == 3
