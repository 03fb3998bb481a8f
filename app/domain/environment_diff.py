"""The difference between what a file from another environment says and what is here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

Record = Mapping[str, Any]


class What(StrEnum):
    """What would happen to one record."""

    ADDED = "ADDED"
    CHANGED = "CHANGED"
    REMOVED = "REMOVED"


class Standing(StrEnum):
    """DUE: letting the file in does it. WAITS: it is here already and waits for a second person.

    SKIPPED: it has no place here and is left out. BLOCKED: it keeps the whole file from being let
    in; reason says why.
    """

    DUE = "DUE"
    WAITS = "WAITS"
    SKIPPED = "SKIPPED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, before and after, as people read it; None: it is not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One record that differs."""

    kind: str
    key: str
    what: str
    standing: str
    reason: str | None
    fields: tuple[FieldChange, ...]


def compare(
    kind: str,
    key: str,
    before: Record | None,
    after: Record | None,
    *,
    standing: Standing = Standing.DUE,
    reason: str | None = None,
) -> Change | None:
    """The change from one record to another, None when there is none."""
    if before == after:
        return None
    what = What.ADDED if before is None else What.REMOVED if after is None else What.CHANGED
    return Change(
        kind, key, what.value, standing.value, reason, tuple(_fields(before or {}, after or {}))
    )


def to_rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The difference as it is kept."""
    return [asdict(one) for one in changes]


def from_rows(rows: Sequence[Mapping[str, Any]]) -> list[Change]:
    """What to_rows() made."""
    return [
        Change(
            row["kind"],
            row["key"],
            row["what"],
            row["standing"],
            row["reason"],
            tuple(FieldChange(**one) for one in row["fields"]),
        )
        for row in rows
    ]


def fingerprint(changes: Sequence[Change]) -> str:
    """Tells whether a difference is still the one that somebody has looked at."""
    text = json.dumps(to_rows(changes), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _fields(before: Record, after: Record) -> Iterator[FieldChange]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield FieldChange(path, old.get(path), new.get(path))


def _leaves(record: Record, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every plain value by its path; what is empty or not set is left out."""
    for name in record:
        value, path = record[name], f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}.")
        elif value is not None and value not in ([], ""):
            yield path, _words(value)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "\n".join(_words(one) for one in value)
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
