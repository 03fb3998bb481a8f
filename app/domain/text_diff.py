"""What changed between two wordings, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum


class Change(StrEnum):
    """What became of a stretch of words."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words that stayed, went or came together."""

    change: Change
    text: str


def compare_words(old: str, new: str) -> tuple[Stretch, ...]:
    """The stretches that make the new wording of the old one; what went stands before what came."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    found: list[Stretch] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            found.append(Stretch(Change.SAME, "".join(before[start:end])))
            continue
        if end > start:
            found.append(Stretch(Change.REMOVED, "".join(before[start:end])))
        if new_end > new_start:
            found.append(Stretch(Change.ADDED, "".join(after[new_start:new_end])))
    return tuple(found)


# A word, or what stands between two words.
_WORDS = re.compile(r"\w+|[^\w]")
