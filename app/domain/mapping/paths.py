"""Paths into documents: names joined by dots, with an index where a list is meant.

`oldMeter.readings[0].value` names one value. What a document holds is told with `[]` in place of
each index, so that a list of any length has one name per field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

# XML attributes and CSV headings are names too; a dot and brackets are ours.
_NAME = r"[^\s.\[\]\"']{1,80}"
_PATH = re.compile(rf"{_NAME}(\[[0-9]{{1,3}}\])?(\.{_NAME}(\[[0-9]{{1,3}}\])?)*")
_PART = re.compile(rf"({_NAME})(?:\[([0-9]+)\])?")
_PATH_MOST = 300
_LEAVES_MOST = 500
# What lies deeper is told of as a whole; no document of ours is half as deep.
_DEPTH_MOST = 40


class Step(NamedTuple):
    """One name of a path, and the place in the list that it holds, if it holds one."""

    name: str
    place: int | None


def is_path(text: str) -> bool:
    """Whether a text can be a path."""
    return len(text) <= _PATH_MOST and _PATH.fullmatch(text) is not None


def split_path(path: str) -> tuple[Step, ...]:
    """The steps of a path that is one."""
    return tuple(Step(name, int(index) if index else None) for name, index in _PART.findall(path))


def read_path(document: Any, steps: Sequence[Step]) -> Any:
    """What a document holds at a path; None where it has nothing there."""
    for name, place in steps:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
        if place is not None:
            if not isinstance(document, list | tuple) or place >= len(document):
                return None
            document = document[place]
    return document


def general(path: str) -> str:
    """The path of a field whatever its place in a list."""
    return re.sub(r"\[[0-9]+\]", "[]", path)


def leaves(document: Any, path: str = "") -> Iterator[str]:
    """The general paths of all values that a document holds, each once, at most some hundred.

    What is empty holds nothing.
    """
    seen: set[str] = set()
    for found in _walk(document, path):
        if found not in seen:
            seen.add(found)
            yield found
            if len(seen) >= _LEAVES_MOST:
                return


def _walk(document: Any, path: str, depth: int = 0) -> Iterator[str]:
    if depth >= _DEPTH_MOST:
        yield path
    elif isinstance(document, Mapping):
        for name, value in document.items():
            yield from _walk(value, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _walk(value, f"{path}[]", depth + 1)
    elif document is not None and document != "" and path:
        yield path


def covers(read: str, leaf: str) -> bool:
    """Whether reading one general path reads a leaf: itself or something that it is inside of."""
    return leaf == read or leaf.startswith((read + ".", read + "["))
