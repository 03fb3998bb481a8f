"""The converters that a mapping may name: a fixed list, each a total function or a ValueError.

None of them looks at anything but the one value. They take what any codec gives: texts of CSV and
XML, JSON's values, and the values of our own documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from app.domain.clock import HELSINKI
from app.domain.wall_clock import instants_of

Converter = Callable[[Any], Any]

_TEXT_MOST = 2000
_TRUE = frozenset({"true", "1", "yes", "y", "k", "kylla", "kyllä", "ja", "j"})
_FALSE = frozenset({"false", "0", "no", "n", "e", "ei", "nej"})
# Under this name ids that are no UUIDs become some, the same one each time.
_IDS = "urn:tiedolla:partner-id:"
_WALL_CLOCKS = (
    "%d.%m.%Y %H.%M",
    "%d.%m.%Y %H.%M.%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("a text")
    text = " ".join(str(value).split())
    if len(text) > _TEXT_MOST or "\0" in text:
        raise ValueError("a text of at most 2000 characters")
    return text


def _upper(value: Any) -> str:
    return _text(value).upper()


def _lower(value: Any) -> str:
    return _text(value).lower()


def _integer(value: Any) -> int:
    number = _exact(value)
    if number != number.to_integral_value():
        raise ValueError("a whole number")
    return int(number)


def _number(value: Any) -> float:
    if value.__class__ is Decimal:
        # Ours are checked; this is what most orders have.
        return float(value)
    return float(_exact(value))


def _number_comma(value: Any) -> float:
    """A number with a decimal comma, as it is written in Finland."""
    return float(_exact(value.replace(",", ".") if isinstance(value, str) else value))


def _decimal(value: Any) -> str:
    """A number as a text with a decimal point, never with an exponent."""
    return format(_exact(value), "f")


def _decimal_comma(value: Any) -> str:
    return _decimal(value).replace(".", ",")


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("a number")
    if isinstance(value, Decimal):
        return value
    try:
        number = Decimal(str(value).strip().replace("\u00a0", ""))
    except InvalidOperation:
        raise ValueError("a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 15:
        raise ValueError("a number")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("yes or no")


def _time_utc(value: Any) -> str:
    """A moment in UTC, as 2026-11-28T07:00:00Z; a text needs an offset."""
    return _moment(value).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time_helsinki(value: Any) -> str:
    """A moment on the Finnish clock with its offset."""
    return _moment(value).astimezone(HELSINKI).isoformat()


def _wall_clock(value: Any) -> str:
    """A moment as people write it in Finland, 28.11.2026 09.00; without the seconds."""
    return f"{_moment(value).astimezone(HELSINKI):%d.%m.%Y %H.%M}"


def _from_wall_clock(value: Any) -> str:
    """Finnish wall-clock time to UTC; one that the clock skips or shows twice is not guessed."""
    text = _text(value)
    for form in _WALL_CLOCKS:
        try:
            naive = datetime.strptime(text, form)  # noqa: DTZ007 - made an instant below.
        except ValueError:
            continue
        found = instants_of(naive.date(), time(naive.hour, naive.minute, naive.second))
        if len(found) != 1:
            raise ValueError("a time that the clock in Finland shows exactly once")
        return _time_utc(found[0])
    raise ValueError("a time as 28.11.2026 09.00")


def _day(value: Any) -> str:
    """A calendar day as 2026-11-28."""
    return _as_day(value).isoformat()


def _day_fi(value: Any) -> str:
    """A calendar day as 28.11.2026."""
    return f"{_as_day(value):%d.%m.%Y}"


def _from_day_fi(value: Any) -> str:
    try:
        return datetime.strptime(_text(value), "%d.%m.%Y").date().isoformat()  # noqa: DTZ007 - a day.
    except ValueError:
        raise ValueError("a day as 28.11.2026") from None


def _join(value: Any) -> str:
    """A list as one text, its parts divided by semicolons."""
    if not isinstance(value, list | tuple):
        raise ValueError("a list")
    return ";".join(_text(one).replace(";", ",") for one in value)


def _split(value: Any) -> list[str]:
    return [part.strip() for part in _text(value).split(";") if part.strip()]


def _one_of_list(value: Any) -> Any:
    """The first of a list; a partner that takes one only gets the one that we would take."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("a list with something in it")
    return value[0]


def _listed(value: Any) -> list[Any]:
    """One value as a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _uuid(value: Any) -> str:
    """A UUID as it is; any other id becomes one, the same each time."""
    text = _text(value)
    if not text:
        raise ValueError("an id")
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, _IDS + text))


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("a time as 2026-11-28T07:00:00Z") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time with Z or an offset")
    if not 1900 <= value.year <= 2200:
        raise ValueError("a time of this century")
    return value


def _as_day(value: Any) -> date:
    if isinstance(value, datetime):
        return value.astimezone(HELSINKI).date()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()[:10])
        except ValueError:
            raise ValueError("a day as 2026-11-28") from None
    if not isinstance(value, date):
        raise ValueError("a day")
    return value


# Left as it is, also a whole object or list.
AS_IS = "as_is"
# Looked up in one of the bundle's code lists.
CODE = "code"

CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {
        "text": _text,
        "upper": _upper,
        "lower": _lower,
        "integer": _integer,
        "number": _number,
        "number_comma": _number_comma,
        "decimal": _decimal,
        "decimal_comma": _decimal_comma,
        "boolean": _boolean,
        "time_utc": _time_utc,
        "time_helsinki": _time_helsinki,
        "wall_clock": _wall_clock,
        "from_wall_clock": _from_wall_clock,
        "day": _day,
        "day_fi": _day_fi,
        "from_day_fi": _from_day_fi,
        "join": _join,
        "split": _split,
        "list": _listed,
        "first": _one_of_list,
        "uuid": _uuid,
    }
)


def code_converter(codes: Mapping[str, Any]) -> Converter:
    """Their word for ours, or ours for theirs."""

    def convert(value: Any) -> Any:
        word = ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
        try:
            return codes[word]
        except KeyError:
            raise ValueError("one of the codes that are agreed") from None

    return convert
