"""What is filled into the texts: addresses, times and reasons in the reader's language."""

from __future__ import annotations

from datetime import datetime

from app.domain.failure_reasons import FAILURE_REASONS, UNKNOWN_REASON_SHOWN
from app.domain.languages import Language, Names
from app.domain.local_formats import format_day, format_time

# Stands for the address where it is unknown or must not be told (REQ-31).
HIDDEN_ADDRESS = Names("käyttöpaikkasi", "din förbrukningsplats", "your metering point")


def short_address(
    street_name: str | None,
    house_number: str | None = None,
    staircase: str | None = None,
    apartment: str | None = None,
) -> str | None:
    """Street, house, staircase and apartment as on a letter: Koivutie 12 A 3; None if unknown."""
    if not street_name:
        return None
    return " ".join(part for part in (street_name, house_number, staircase, apartment) if part)


def swap_values(
    language: Language,
    *,
    brand: str,
    phone: str,
    address: str | None,
    happened_at: datetime,
    reason_code: str | None = None,
) -> dict[str, str]:
    """Values for the texts about a meter replacement; no address means that it must stay out."""
    reason = FAILURE_REASONS.get(reason_code or "")
    shown = reason.shown if reason else UNKNOWN_REASON_SHOWN
    clock = format_time(happened_at, language)
    return {
        "brand": brand,
        "phone": phone,
        "addr": address or HIDDEN_ADDRESS.in_language(language),
        "date": format_day(happened_at, language),
        "t1": clock,
        "t2": clock,
        "reason": shown.in_language(language),
    }
