"""Field checks of the REST systems: which fields a body must have, and what they must look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulators.gsrn import is_gsrn

Error = dict[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field by its dotted path; `looks` answers whether a value is right."""

    path: str
    looks: Callable[[Any], bool]
    wanted: str
    required: bool = True


def check_fields(body: Mapping[str, Any], expected: Sequence[Field]) -> list[Error]:
    """One error per missing or wrong field, in the order of `expected`."""
    errors: list[Error] = []
    for one in expected:
        value = value_at(body, one.path)
        if value is None:
            if one.required:
                errors.append(_error(one.path, "MISSING", "is missing"))
        elif not one.looks(value):
            errors.append(_error(one.path, "INVALID", f"must be {one.wanted}"))
    return errors


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None when any part of the path is not there."""
    value: Any = body
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def text(path: str, *, required: bool = True) -> Field:
    """A text that is not empty."""
    return Field(path, lambda value: isinstance(value, str) and value != "", "a text", required)


def choice(path: str, values: Sequence[str], *, required: bool = True) -> Field:
    """One of the values."""
    return Field(path, lambda value: value in values, f"one of {', '.join(values)}", required)


def whole(path: str, least: int = 1, *, required: bool = True) -> Field:
    """A whole number, not below `least`."""
    return Field(
        path,
        lambda value: type(value) is int and value >= least,
        f"a whole number from {least}",
        required,
    )


def number(path: str, *, required: bool = True) -> Field:
    """A number that is not negative."""
    return Field(
        path,
        lambda value: type(value) in (int, float) and value >= 0,
        "a number from 0",
        required,
    )


def moment(path: str, *, required: bool = True) -> Field:
    """An ISO 8601 time with its offset."""
    return Field(path, _is_moment, "an ISO 8601 time with an offset", required)


def gsrn(path: str) -> Field:
    """A metering point id with the right check digit."""
    return Field(path, is_gsrn, "18 digits with the right check digit")


def listing(path: str, least: int = 0, *, required: bool = True) -> Field:
    """A list with at least that many members."""
    return Field(
        path,
        lambda value: isinstance(value, list) and len(value) >= least,
        f"a list of at least {least}",
        required,
    )


def readings(path: str, *, required: bool = True) -> Field:
    """A list of meter readings, each with register, value and unit."""
    return Field(path, _are_readings, "a list of {register, value, unit}", required)


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _are_readings(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(one, Mapping)
            and isinstance(one.get("register"), str)
            and type(one.get("value")) in (int, float)
            and isinstance(one.get("unit"), str)
            for one in value
        )
    )


def _error(path: str, code: str, words: str) -> Error:
    return {"field": path, "code": code, "message": f"{path} {words}"}
