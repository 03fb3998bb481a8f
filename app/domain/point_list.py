"""Lists of metering points as people paste them or planners' systems export them.

One bad line never spoils the others: what can be read goes on, the rest becomes findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.gsrn import is_valid_gsrn
from app.domain.languages import Names

LINES_MOST = 200_000
_GIVEN_CHARS = 60
_BREAKS = re.compile(r"[\s,;\"']+")
_NUMBER = re.compile(r"\d{18}", re.ASCII)


class PointFindingCode(StrEnum):
    """What is wrong with one line of a list of points."""

    NOT_A_NUMBER = "NOT_A_NUMBER"
    CHECK_DIGIT = "CHECK_DIGIT"
    DUPLICATE_LINE = "DUPLICATE_LINE"
    POINT_UNKNOWN = "POINT_UNKNOWN"
    POINT_CLOSED = "POINT_CLOSED"
    NOTHING_THERE = "NOTHING_THERE"
    IN_ANOTHER_CUT = "IN_ANOTHER_CUT"


POINT_FINDINGS: Mapping[PointFindingCode, Names] = {
    PointFindingCode.NOT_A_NUMBER: Names(
        "Rivillä ei ole käyttöpaikan numeroa (18 numeroa)",
        "Raden har inget nummer på förbrukningsplats (18 siffror)",
        "The line has no metering point number (18 digits)",
    ),
    PointFindingCode.CHECK_DIGIT: Names(
        "Tarkistusnumero on väärä", "Kontrollsiffran är fel", "The check digit is wrong"
    ),
    PointFindingCode.DUPLICATE_LINE: Names(
        "Sama käyttöpaikka on jo luettelossa",
        "Samma förbrukningsplats finns redan i listan",
        "The same metering point is in the list already",
    ),
    PointFindingCode.POINT_UNKNOWN: Names(
        "Käyttöpaikkaa ei tunneta",
        "Förbrukningsplatsen är okänd",
        "The metering point is not known",
    ),
    PointFindingCode.POINT_CLOSED: Names(
        "Käyttöpaikka on poistettu käytöstä",
        "Förbrukningsplatsen är tagen ur bruk",
        "The metering point has been closed",
    ),
    PointFindingCode.NOTHING_THERE: Names(
        "Tällä lähdöllä tai muuntamolla ei ole käyttöpaikkoja",
        "Det finns inga förbrukningsplatser på denna linje eller transformator",
        "This feeder or transformer has no metering points",
    ),
    PointFindingCode.IN_ANOTHER_CUT: Names(
        "Samaan aikaan on suunniteltu toinen katko; käyttöpaikka on silti mukana",
        "Ett annat avbrott är planerat samtidigt; platsen är ändå med",
        "Another cut is planned for the same time; the point is in this one all the same",
    ),
}


@dataclass(frozen=True, slots=True)
class PointFinding:
    """One thing found in a list: the line it was on (0 for none) and what stood there."""

    line: int
    given: str
    code: PointFindingCode


@dataclass(frozen=True, slots=True)
class PointList:
    """Numbers with the line of each, and what could not be read."""

    lines: Mapping[str, int]
    findings: tuple[PointFinding, ...]


def read_points(text: str) -> PointList:
    """Read one number per line, or several in a row; other columns and a first headline are let be."""
    lines: dict[str, int] = {}
    findings: list[PointFinding] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines()[:LINES_MOST], start=1):
        words = [word for word in _BREAKS.split(line) if word]
        if not words:
            continue
        numbers = [word for word in words if _NUMBER.fullmatch(word)]
        is_headline = number == 1 and not any(letter.isdigit() for letter in line)
        if not numbers and not is_headline:
            findings.append(_finding(number, line.strip(), PointFindingCode.NOT_A_NUMBER))
        _take(numbers, number, lines, findings)
    return PointList(lines, tuple(findings))


def read_numbers(numbers: Iterable[str]) -> PointList:
    """The same for numbers that come one by one, as from another system."""
    lines: dict[str, int] = {}
    findings: list[PointFinding] = []
    for place, given in enumerate(numbers, start=1):
        if _NUMBER.fullmatch(given):
            _take([given], place, lines, findings)
        else:
            findings.append(_finding(place, given, PointFindingCode.NOT_A_NUMBER))
    return PointList(lines, tuple(findings))


def _take(
    numbers: list[str], line: int, lines: dict[str, int], findings: list[PointFinding]
) -> None:
    for gsrn in numbers:
        if not is_valid_gsrn(gsrn):
            findings.append(_finding(line, gsrn, PointFindingCode.CHECK_DIGIT))
        elif gsrn in lines:
            findings.append(_finding(line, gsrn, PointFindingCode.DUPLICATE_LINE))
        else:
            lines[gsrn] = line


def _finding(line: int, given: str, code: PointFindingCode) -> PointFinding:
    shown = "".join(letter if letter.isprintable() else " " for letter in given[:_GIVEN_CHARS])
    return PointFinding(line, shown, code)
