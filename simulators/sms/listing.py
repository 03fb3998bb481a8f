"""The provider's list of messages: filters by number and time, newest first, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from simulators.sms.answers import read_time, read_whole
from simulators.sms.message import Sms

PAGE_SIZE_MOST = 1_000
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list call asks for; times are seconds since the epoch."""

    to: str | None
    sender: str | None
    from_s: float
    until_s: float
    page: int
    page_size: int

    def lets(self, sms: Sms) -> bool:
        """True for a message that was asked for."""
        return (
            self.from_s <= sms.at_s <= self.until_s
            and self.to in (None, sms.to)
            and self.sender in (None, sms.sender)
        )


def read_filter(query: Mapping[str, str], listed_until_s: float) -> Filter:
    """The call's parameters; nothing younger than `listed_until_s` is listed yet.

    Raises: Refusal (a parameter cannot be read).
    """
    day = {"DateSent": query.get("DateSent", "")[:10]}
    day_s = read_time(day, "DateSent")
    earliest, latest = read_time(query, "DateSent>"), read_time(query, "DateSent<")
    if day_s is not None:
        earliest, latest = day_s, day_s + DAY_S
    return Filter(
        to=query.get("To"),
        sender=query.get("From"),
        from_s=earliest or 0.0,
        until_s=listed_until_s if latest is None else min(latest, listed_until_s),
        page=read_whole(query, "Page", 0, least=0),
        page_size=min(read_whole(query, "PageSize", 50, least=1), PAGE_SIZE_MOST),
    )


def find_page(newest_first: Iterable[Sms], wanted: Filter) -> tuple[list[Sms], bool]:
    """The messages of the page, and whether there is another page."""
    matching: Iterator[Sms] = (sms for sms in newest_first if wanted.lets(sms))
    skip = wanted.page * wanted.page_size
    found = list(islice(matching, skip, skip + wanted.page_size + 1))
    return found[: wanted.page_size], len(found) > wanted.page_size


def page_json(
    path: str,
    query: Mapping[str, str],
    wanted: Filter,
    messages: list[dict[str, Any]],
    *,
    has_more: bool,
) -> dict[str, Any]:
    """The page as the provider shows it, with the addresses of its neighbours."""
    filters = {name: query[name] for name in query if name not in ("Page", "PageToken")}
    start = wanted.page * wanted.page_size

    def at(page: int) -> str:
        return f"{path}?{urlencode({**filters, 'Page': page})}"

    return {
        "messages": messages,
        "page": wanted.page,
        "page_size": wanted.page_size,
        "start": start,
        "end": max(start + len(messages) - 1, 0),
        "uri": at(wanted.page),
        "first_page_uri": at(0),
        "previous_page_uri": at(wanted.page - 1) if wanted.page else None,
        "next_page_uri": at(wanted.page + 1) if has_more else None,
    }
