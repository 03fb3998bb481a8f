"""Phone numbers and addresses in a form that tells their owner which one is meant, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.domain.languages import Language, Names
from app.domain.notice_values import HIDDEN_ADDRESS
from app.domain.sms_text import plain_sms

_ENDS_SHOWN = 3
_NUMBER = Names("numero, jonka loppu on", "numret som slutar på", "number ending in")
_NUMBERS = Names("numerot, jotka päättyvät", "numren som slutar på", "numbers ending in")
_AND = Names("ja", "och", "and")
_MORE = Names("muuta", "andra", "more")
_EMAIL = Names("sähköposti", "e-post", "e-mail")


def masked_phone(number: str) -> str:
    """The last three digits: enough to tell one's own numbers apart."""
    return f"•••{number[-3:]}"


def others_named(phones: Sequence[str], email_count: int, language: Language) -> str:
    """Contacts that stay active: "numbers ending in 567 and 890, e-mail" (REQ-12)."""
    ends = list(dict.fromkeys(phone[-3:] for phone in phones))
    parts = []
    if ends:
        shown, rest = ends[:_ENDS_SHOWN], len(ends) - _ENDS_SHOWN
        words = (_NUMBER if len(ends) == 1 else _NUMBERS).in_language(language)
        named = [*shown, f"{rest} {_MORE.in_language(language)}"] if rest > 0 else shown
        listed = ", ".join(named[:-1])
        last = named[-1]
        joint = f"{listed} {_AND.in_language(language)} {last}" if listed else last
        parts.append(f"{words} {joint}")
    if email_count:
        parts.append(_EMAIL.in_language(language))
    return ", ".join(parts)


def without_streets(words: str, streets: Iterable[str], language: Language) -> str:
    """What was written, without addresses in these streets, whole or in part (REQ-31)."""
    for street in streets:
        for form in dict.fromkeys((street, plain_sms(street))):
            words = re.sub(
                re.escape(form) + _HOUSE, HIDDEN_ADDRESS.in_language(language), words, flags=re.I
            )
    return words


# House number, staircase and apartment as short_address() writes them, as far as they are there.
_HOUSE = r"(?: \d+[A-Za-z]?(?:[-/]\d+[A-Za-z]?)?(?: [A-Za-z](?![A-Za-z]))?(?: \d+[A-Za-z]?)?)?"
