"""What a mapping is made of, and what can be wrong with one.

A mapping is a list of rules; each gives one target a value, from a source path, from a default, or
from both. There are no expressions: what cannot be said with these words is not a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class MapCode(StrEnum):
    """Our code for one thing that is wrong with a mapping."""

    MAP_FORM = "MAP_FORM"
    MAP_VERSION = "MAP_VERSION"
    MAP_KEY_UNKNOWN = "MAP_KEY_UNKNOWN"
    MAP_PATH_INVALID = "MAP_PATH_INVALID"
    MAP_SOURCE_UNKNOWN = "MAP_SOURCE_UNKNOWN"
    MAP_TARGET_UNKNOWN = "MAP_TARGET_UNKNOWN"
    MAP_TARGET_TWICE = "MAP_TARGET_TWICE"
    MAP_TARGET_INSIDE = "MAP_TARGET_INSIDE"
    MAP_CONVERTER_UNKNOWN = "MAP_CONVERTER_UNKNOWN"
    MAP_CODES_UNKNOWN = "MAP_CODES_UNKNOWN"
    MAP_DEFAULT_INVALID = "MAP_DEFAULT_INVALID"
    MAP_WHEN_INVALID = "MAP_WHEN_INVALID"
    MAP_NOTHING_GIVEN = "MAP_NOTHING_GIVEN"


@dataclass(frozen=True, slots=True)
class MapFault:
    """One thing that is wrong with a mapping: its code, where it stands, and what would be right."""

    code: MapCode
    place: str
    text: str

    def sentence(self) -> str:
        """All of it on one line."""
        return f"{self.code} {self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule counts when the source is (or is not) there, or when it is one of these values."""

    source: str
    present: bool | None = None
    one_of: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One target and where its value comes from.

    default: taken when the source has nothing; has_default tells None apart from no default.
    required: without a value the document cannot be mapped. when: all of them must hold.
    """

    target: str
    source: str | None = None
    convert: str | None = None
    codes: str | None = None
    required: bool = False
    default: Any = None
    has_default: bool = False
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingRules:
    """A mapping that may be compiled; ignored: source paths that are known and not needed."""

    rules: tuple[Rule, ...]
    codes: Mapping[str, Mapping[str, Any]]
    ignored: tuple[str, ...] = ()


class MappingInvalid(Exception):
    """A mapping that must not be used; faults say everything that is wrong with it."""

    def __init__(self, faults: tuple[MapFault, ...]) -> None:
        super().__init__("; ".join(fault.sentence() for fault in faults))
        self.faults = faults
