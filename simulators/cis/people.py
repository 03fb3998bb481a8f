"""Made-up customers: names by language, phones and addresses that belong to nobody."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = {
    "fi": _names(
        "Aino Elina Helmi Kaisa Lahja Maija Päivi Riitta Sirpa Säde Tuuli Venla Antti Eero Heikki "
        "Jyrki Kalle Mikko Olli Pekka Risto Väinö Yrjö Äijö"
    ),
    "sv": _names(
        "Agneta Birgitta Camilla Gunnel Ingrid Linnéa Maj-Britt Åsa Björn Göran Henrik Håkan "
        "Kjell Lars Nils Stig Torbjörn Örjan"
    ),
    "en": _names("Amara Grace Hannah Linh Maria Priya Zoë Ahmed Daniel Ivan John Omar Samuel Wei"),
}
LAST = {
    "fi": _names(
        "Hämäläinen Järvinen Karppinen Korhonen Kärkkäinen Laine Mäkinen Mäki-Petäjä Nieminen "
        "Pöyhönen Rantanen Räsänen Saarinen Tähtinen Virtanen Väisänen Yli-Häkälä Äijälä"
    ),
    "sv": _names(
        "Bergström Björklund Fagerström Grönroos Holmström Lindqvist Nyström Sjöberg Söderholm "
        "Wikström Åberg Öhman"
    ),
    "en": _names("Adeyemi Brown Clarke Garcia Hussain Kumar Nguyen O'Brien Petrov Smith Taylor"),
}
COMPANIES = (
    "Kahvila Kanerva Oy",
    "Asunto Oy {street} {house}",
    "Konepaja Pöyhönen & Pojat Oy",
    "Bostads Ab {street} {house}",
    "Kukkakauppa Lemmikki Tmi",
    "Rehtijärven Leipomo Oy",
)


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of the made-up CIS; `channel` None means that the CIS does not know."""

    customer_id: str
    kind: str
    name: str
    language: str
    phone: str | None
    email: str | None
    channel: str | None
    safety_ban: bool
    priority: bool


# The first points of every world show each kind of customer once, so that small rehearsals do too.
SHOWCASE = (
    ("fi", "SMS", False),
    ("sv", "SMS", False),
    ("en", "EMAIL", False),
    ("fi", "NONE", False),
    ("fi", "SMS", True),
    ("sv", "EMAIL", False),
    ("en", "SMS", False),
    ("fi", "EMAIL", False),
)


def make_person(
    draw: random.Random, seed: int, index: int, shares: tuple[float, float, float], premises: str
) -> Person:
    """The customer with this number; `premises` is the street and house of a company's name."""
    language = draw.choices(("fi", "sv", "en"), shares)[0]
    channel = draw.choices(("SMS", "EMAIL", "NONE", None), (62, 29, 6, 3))[0]
    safety_ban = draw.random() < 0.01
    is_company = draw.random() < 0.06
    if index <= len(SHOWCASE):
        language, channel, safety_ban = SHOWCASE[index - 1]
        is_company = False
    first, last = draw.choice(FIRST[language]), draw.choice(LAST[language])
    name = f"{first} {last}"
    if is_company:
        street, house = premises.rsplit(" ", 1)
        name = draw.choice(COMPANIES).format(street=street, house=house)
    has_phone = channel == "SMS" or draw.random() < 0.85
    has_email = channel == "EMAIL" or draw.random() < 0.70
    local = _plain(f"{first}.{last}") if not is_company else "toimisto"
    return Person(
        customer_id=f"C{seed:03d}{index:07d}",
        kind="company" if is_company else "consumer",
        name=name,
        language=language,
        phone=make_phone(seed, index) if has_phone else None,
        email=f"{local}.{seed}-{index}@example.fi" if has_email else None,
        channel=channel,
        safety_ban=safety_ban,
        priority=draw.random() < 0.005,
    )


def make_phone(seed: int, index: int) -> str:
    """A mobile number of its own for every point.

    7,919 has no factor in common with ten million, so no two points share a number. Endings
    below 0010 misbehave in the SMS simulator: they move to another number block.
    """
    number = (index * 7_919 + seed * 104_729) % 10_000_000
    if number % 10_000 < 10:
        return f"+35840{number + 5_000 if number < 9_995_000 else number - 5_000:07d}"
    return f"+35850{number:07d}"


def _plain(name: str) -> str:
    """Lower-case ASCII letters, dots and hyphens of a name."""
    bare = unicodedata.normalize("NFKD", name.lower())
    return "".join(sign for sign in bare if sign.isascii() and (sign.isalpha() or sign in ".-"))
