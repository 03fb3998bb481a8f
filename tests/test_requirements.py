"""Every requirement that the product claims to meet has a test that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
DOMAIN = TESTS.parent / "docs" / "domain.md"
ROW = re.compile(r"^\| REQ-(\d\d) \|", re.MULTILINE)
NAMED = re.compile(r"^ *(?:async )?def (test_\w*req_(\d\d)_\w+)\(", re.MULTILINE)
# Requirements that are not met yet, and of which nothing says that they are.
NOT_YET: set[str] = set()


def test_every_requirement_is_proved_by_a_test_of_its_name() -> None:
    assert requirements() - named().keys() == NOT_YET


def test_no_test_is_named_after_a_requirement_that_nobody_wrote_down() -> None:
    assert named().keys() <= requirements()


def test_the_list_of_requirements_is_whole() -> None:
    assert requirements() == {f"{number:02d}" for number in range(1, 39)}


def requirements() -> set[str]:
    return set(ROW.findall(DOMAIN.read_text("utf-8")))


def named() -> dict[str, list[str]]:
    """The names of the tests by the requirement's number."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name, number in NAMED.findall(path.read_text("utf-8")):
            found.setdefault(number, []).append(name)
    return found
