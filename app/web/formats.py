"""How days, times, spans and numbers are written, in Helsinki time.

The patterns are our own: Babel's short Swedish dates for Finland come out as 2026-11-24, which
nobody in Finland writes.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import get_locale, gettext, ngettext

from app.domain.masking import masked_phone
from app.web.clock import now

HELSINKI = ZoneInfo("Europe/Helsinki")

_DAY = {"fi": "d.M.y", "sv": "d.M.y", "en": "d MMM y"}
_WEEKDAY = {"fi": "ccc d.M.y", "sv": "ccc d.M.y", "en": "ccc d MMM y"}


def init(app: Flask) -> None:
    """Give the templates these words as filters."""
    app.add_template_filter(masked_phone)
    for word in (day, weekday, clock_time, moment, span, quantity, euros, file_size, iso):
        app.add_template_filter(word)


def day(at: datetime | date) -> str:
    """24.11.2026, in English 24 Nov 2026."""
    return _formatted(_local_day(at), _DAY)


def weekday(at: datetime | date) -> str:
    """Tuesday as today, yesterday, or with its short name: ti 24.11.2026."""
    local = _local_day(at)
    today = _local_day(now())
    if local == today:
        return gettext("Today %(day)s", day=day(local))
    if local == today - timedelta(days=1):
        return gettext("Yesterday %(day)s", day=day(local))
    return _formatted(local, _WEEKDAY)


def clock_time(at: datetime, *, seconds: bool = False) -> str:
    """14.05 in Finnish and Swedish, 14:05 in English."""
    local = at.astimezone(HELSINKI)
    mark = ":" if _language() == "en" else "."
    return local.strftime(f"%H{mark}%M{mark}%S" if seconds else f"%H{mark}%M")


def moment(at: datetime, *, seconds: bool = False) -> str:
    """A day and a time in one phrase; today's are said as such."""
    words = {"time": clock_time(at, seconds=seconds)}
    local = _local_day(at)
    today = _local_day(now())
    if local == today:
        return gettext("today at %(time)s", **words)
    if local == today - timedelta(days=1):
        return gettext("yesterday at %(time)s", **words)
    return gettext("%(day)s at %(time)s", day=day(local), **words)


def between(from_at: datetime, to_at: datetime) -> str:
    """A span of time: to 26.11.2026 09.00–12.00, with the second day where it is another one."""
    end = clock_time(to_at)
    if _local_day(from_at) != _local_day(to_at):
        end = f"{weekday(to_at)} {end}"
    return f"{weekday(from_at)} {clock_time(from_at)}–{end}"


def span(length: timedelta | float) -> str:
    """How long something took, with its two largest units: 2 h 10 min."""
    total_s = length.total_seconds() if isinstance(length, timedelta) else float(length)
    total_s = max(0.0, total_s)
    if total_s < 1:
        return gettext("%(count)s ms", count=round(total_s * 1000))
    if total_s < 60:
        return gettext("%(count)s s", count=round(total_s))
    minutes = round(total_s / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        parts = [ngettext("%(num)d day", "%(num)d days", days)]
        if hours and days < 10:
            parts.append(gettext("%(count)s h", count=hours))
    elif hours:
        parts = [gettext("%(count)s h", count=hours)]
        if minutes:
            parts.append(gettext("%(count)s min", count=minutes))
    else:
        parts = [gettext("%(count)s min", count=minutes)]
    return " ".join(parts)


def quantity(number: float) -> str:
    """A number with the language's own signs for thousands and decimals."""
    return _quantity(number, _language())


@lru_cache(maxsize=8192)
def _quantity(number: float, language: str) -> str:
    """Remembered, because a page of figures asks for hundreds, and the next one for the same."""
    return str(format_decimal(number, locale=language))


def euros(sum_: float) -> str:
    """A sum of money: 1 234,50 €, in English 1,234.50 €."""
    return f"{format_decimal(sum_, format='#,##0.00', locale=_language())} €"


def file_size(size_bytes: int) -> str:
    """Bytes in the unit that reads best."""
    if size_bytes < 1000:
        return gettext("%(count)s bytes", count=size_bytes)
    if size_bytes < 1_000_000:
        return gettext("%(count)s kB", count=quantity(round(size_bytes / 1000, 1)))
    return gettext("%(count)s MB", count=quantity(round(size_bytes / 1_000_000, 1)))


def iso(at: datetime) -> str:
    """For the datetime attribute of a time element."""
    return at.isoformat(timespec="seconds")


def _local_day(at: datetime | date) -> date:
    return at.astimezone(HELSINKI).date() if isinstance(at, datetime) else at


def _formatted(local: date, patterns: dict[str, str]) -> str:
    language = _language()
    return format_date(local, patterns[language], locale=language)


def _language() -> str:
    locale = get_locale()
    return locale.language if locale is not None else "fi"
