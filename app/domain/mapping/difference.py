"""Where two documents differ: field by field, for people who compare two versions of a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.mapping.paths import general


class DifferenceKind(StrEnum):
    """MISSING: only the first has it. EXTRA: only the second has it. OTHER: another value."""

    MISSING = "MISSING"
    EXTRA = "EXTRA"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two documents differ, with both values."""

    path: str
    kind: DifferenceKind
    before: Any = None
    after: Any = None

    @property
    def field(self) -> str:
        """The field, whatever its place in a list."""
        return general(self.path)


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """All differences, in the order of the first document and then of the second."""
    if before == after and type(before) is type(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = f"{path}.{name}" if path else str(name)
            if name not in after:
                yield Difference(inner, DifferenceKind.MISSING, before[name])
            elif name not in before:
                yield Difference(inner, DifferenceKind.EXTRA, None, after[name])
            else:
                yield from differences(before[name], after[name], inner)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for place in range(max(len(before), len(after))):
            inner = f"{path}[{place}]"
            if place >= len(after):
                yield Difference(inner, DifferenceKind.MISSING, before[place])
            elif place >= len(before):
                yield Difference(inner, DifferenceKind.EXTRA, None, after[place])
            else:
                yield from differences(before[place], after[place], inner)
    elif before != after or not (_is_number(before) and _is_number(after)):
        yield Difference(path, DifferenceKind.OTHER, before, after)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
