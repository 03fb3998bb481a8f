"""Newer and older pages of a list that is sorted by a growing number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from flask import request, url_for


class Numbered(Protocol):
    """A row with a number that grows with time."""

    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=Numbered)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list the reader is: beside the row with this id, or at its newest end."""

    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one page and the addresses of its neighbours."""

    rows: Sequence[T]
    previous_href: str | None
    next_href: str | None


def place() -> Place:
    """Read the place from the address; nonsense means the newest end."""
    return Place(_number("before"), _number("after"))


def page_of(rows: Sequence[T], limit: int) -> Page[T]:
    """Make a page of rows that were asked for with one more than `limit`."""
    here = place()
    more = len(rows) > limit
    if here.after is not None:
        shown = rows[-limit:]
        newer, older = more, bool(shown)
    else:
        shown = rows[:limit]
        newer, older = here.before is not None, more
    return Page(
        shown,
        _href(after=shown[0].id) if newer and shown else (_href() if newer else None),
        _href(before=shown[-1].id) if older and shown else None,
    )


def _href(**place_args: int) -> str:
    args = request.args.to_dict()
    for name in ("before", "after", "poll", "lang"):
        args.pop(name, None)
    assert request.endpoint is not None  # noqa: S101 - a view is running.
    return url_for(
        request.endpoint,
        **{**args, **(request.view_args or {}), **place_args},
    )


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    # More digits would not fit into the database's number.
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
