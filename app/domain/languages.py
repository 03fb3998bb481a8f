"""The three languages of the product, and a name that exists in all of them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Language(StrEnum):
    """A customer's or staff member's language; Finnish where a source named none."""

    FI = "fi"
    SV = "sv"
    EN = "en"


ASSUMED_LANGUAGE = Language.FI


class Names(NamedTuple):
    """One thing's name in Finnish, Swedish and English."""

    fi: str
    sv: str
    en: str

    def in_language(self, language: str) -> str:
        """The name in one language; an unknown language is a defect, never a silent fallback."""
        return {Language.FI: self.fi, Language.SV: self.sv, Language.EN: self.en}[
            Language(language)
        ]
