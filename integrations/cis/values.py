"""Texts of XML elements to Python values.

Each `to_…` takes the text as it stands in the file and either gives the value, or None for a blank
text, or raises ValueError. They run for every field of every order, so they do nothing else.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from unicodedata import normalize
from zoneinfo import ZoneInfo

_HELSINKI = ZoneInfo("Europe/Helsinki")
# Years outside cannot be meant, and the extremes cannot be turned into local time or back.
_FIRST_YEAR = 1900
_LAST_YEAR = 2200
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class LocalTime(ValueError):
    """The time has no UTC offset, so somebody has to say what it means."""


def to_text(text: str) -> str | None:
    """One line of composed letters: decomposed ones look the same but are found by nobody."""
    text = " ".join(text.split())
    if text.isascii():
        return text or None
    return normalize("NFC", text)


def to_lower(text: str) -> str | None:
    """Like `to_text`, in small letters, for codes that are the same in either."""
    value = to_text(text)
    return value and value.lower()


def to_int(text: str) -> int:
    return int(text)


def to_float(text: str) -> float:
    return float(text)


def to_decimal(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except ArithmeticError:
        raise ValueError(text) from None


def to_bool(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip()]
    except KeyError:
        raise ValueError(text) from None


def to_day(text: str) -> date:
    # XML allows a zone after a day, which says nothing about a day in Finland.
    day = date.fromisoformat(text.strip()[:10])
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(text)
    return day


def to_moment(text: str) -> datetime:
    """A moment in UTC; raises LocalTime when the text has no offset."""
    moment = datetime.fromisoformat(text.strip())
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(text)
    if moment.tzinfo is None:
        raise LocalTime(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def to_moment_in_finland(text: str) -> tuple[datetime, str]:
    """Read a time without an offset as Finnish wall-clock time, and say what was assumed.

    An hour that exists twice is taken as the first, one that does not exist as an hour later, as
    clocks show it.
    """
    naive = datetime.fromisoformat(text.strip())
    first = naive.replace(tzinfo=_HELSINKI, fold=0)
    moment = first.astimezone(UTC)
    if first.utcoffset() == naive.replace(tzinfo=_HELSINKI, fold=1).utcoffset():
        return moment, "no UTC offset; taken as Finnish time"
    if moment.astimezone(_HELSINKI).replace(tzinfo=None) == naive:
        return moment, "no UTC offset in the hour that comes twice; the first was taken"
    return moment, "no UTC offset in the hour that is skipped; an hour later was taken"


def to_moment_utc(text: str) -> datetime:
    """Like `to_moment`, for fields that are UTC by agreement and may leave the Z out."""
    try:
        return to_moment(text)
    except LocalTime:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
