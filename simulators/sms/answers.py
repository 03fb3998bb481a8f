"""The SMS provider's error answers, and the reading of numbers and times in its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from simulators.exchange import Refusal, json_answer

PARAMETER_WRONG = 20001


def error(status: int, code: int, words: str) -> web.Response:
    """An error as the provider words it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer(
        {"code": code, "message": words, "more_info": more, "status": status}, status
    )


def read_whole(form: Mapping[str, str], name: str, default: int, least: int) -> int:
    """A whole number, not below `least`.

    Raises: Refusal (the parameter is something else).
    """
    given = form.get(name, "")
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 9 or int(given) < least:
        raise Refusal(error(400, PARAMETER_WRONG, f"Invalid {name}: {given[:40]}"))
    return int(given)


def read_time(form: Mapping[str, str], name: str) -> float | None:
    """A time in seconds since the epoch; without an offset it is UTC.

    Raises: Refusal (the parameter is something else).
    """
    given = form.get(name, "")
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Refusal(error(400, PARAMETER_WRONG, f"Invalid {name}: {given[:40]}")) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
