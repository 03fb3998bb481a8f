"""Times, days and durations as people in Finland read them, in each language."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from app.domain.clock import HELSINKI
from app.domain.languages import Language, Names

_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = Names("vrk", "dygn", "d")
_AT = Names("klo", "kl.", "")


def format_time(at: datetime, language: str) -> str:
    """The time of day in Finland: 09.05 in Finnish and Swedish, 09:05 in English."""
    local = at.astimezone(HELSINKI)
    return local.strftime("%H:%M" if language == Language.EN else "%H.%M")


def format_day(day: date | datetime, language: str) -> str:
    """A day without weekday and year: 24.11. in Finnish and Swedish, 24 Nov in English."""
    if isinstance(day, datetime):
        day = day.astimezone(HELSINKI).date()
    if language == Language.EN:
        return f"{day.day} {_MONTHS_EN[day.month - 1]}"
    return f"{day.day}.{day.month}."


def format_moment(at: datetime, language: str) -> str:
    """Day and time in one phrase: 24.11. klo 18.00, 24.11. kl. 18.00, 24 Nov 18:00."""
    joint = _AT.in_language(language)
    words = (format_day(at, language), joint, format_time(at, language))
    return " ".join(word for word in words if word)


def format_duration(duration: timedelta, language: str) -> str:
    """A length of time in days, hours and minutes: 2 h 5 min; less than a minute counts as one."""
    minutes = max(1, round(duration.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{days} {_DAYS.in_language(language)}" if days else "",
        f"{hours} h" if hours else "",
        # Nobody counts the minutes of a cut that has lasted for days.
        f"{minutes} min" if minutes and not days else "",
    ]
    return " ".join(part for part in parts if part)
