"""What a codec gives of a file: its records, or why there are none; and the text of a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.outcomes import Finding


class FileUnreadable(Exception):
    """Nothing of the file can be taken; finding says why, without quoting it."""

    def __init__(self, code: str, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.finding = Finding("/" if line is None else f"line {line}", code, text)


@dataclass(frozen=True, slots=True)
class Row:
    """One record and the line on which it begins; fault: why it could not be read."""

    line: int
    record: dict[str, Any]
    fault: Finding | None = None


def text_of(value: Any) -> str:
    """A value as the text of a column or an element. Raises: ValueError (it has no such form)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"a {type(value).__name__} has no form in a row")
