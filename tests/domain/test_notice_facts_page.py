"""The page about facts and placeholders says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.domain.languages import Language
from app.domain.notice_types import NoticeType
from app.domain.notice_values import COMMON_PLACEHOLDERS, placeholders_of, values_for
from app.domain.sample_facts import Sample, sample_values

PAGE = Path(__file__).parents[2] / "docs" / "interfaces" / "notice-facts.md"


@pytest.mark.parametrize("kind", NoticeType)
def test_the_page_names_the_facts_and_the_placeholders_of_each_kind(kind: NoticeType) -> None:
    facts = Asked()
    values_for(kind, Language.FI, facts, brand="b", phone="p", address="a")
    rows = re.findall(
        rf"^\| {kind} \|(.*)\|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == 1
    assert set(re.findall(r"[a-z_]+", rows[0][0])) == facts.asked
    assert set(re.findall(r"\(\((\w+)\)\)", rows[0][1])) == (
        placeholders_of(kind) - COMMON_PLACEHOLDERS
    )


@pytest.mark.parametrize("sample", Sample)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeType)
def test_the_samples_fill_every_placeholder(
    kind: NoticeType, language: Language, sample: Sample
) -> None:
    values = sample_values(kind, language, sample, brand="b", phone="p")
    assert values.keys() == placeholders_of(kind)
    assert all(values.values())


class Asked(Mapping[str, Any]):
    """Facts of which none is known, and that remember what they were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
