"""How text is folded so that people find it: case, accents, å, ä and ö make no difference."""

from __future__ import annotations

import re
import unicodedata

# Letters that do not come apart into a letter and a mark.
_SINGLE = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l"})
_MARKS = re.compile(r"[\u0300-\u036f]")
_SPACES = re.compile(r"\s+")
_PHONE = re.compile(r"\+?[\d\s()/-]{5,}")


def fold(text: str) -> str:
    """Small letters without marks, single spaces: Hämeenkatu 3 and HAMEENKATU 3 become the same."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return _SPACES.sub(" ", _MARKS.sub("", apart).translate(_SINGLE)).strip()


def words(query: str) -> list[str]:
    """The folded parts that must all be found; a number typed in groups is one part.

    A Finnish number's leading 0 stands for +358, so it is left out: both forms then fit.
    """
    text = fold(query)
    if _PHONE.fullmatch(text):
        digits = "".join(sign for sign in text if sign.isdigit())
        if len(digits) >= 5:
            return [digits[1:] if digits.startswith("0") and len(digits) <= 11 else digits]
    return text.split(" ") if text else []
