"""The shape of a record: which elements it has, what they mean, and what to say when they are bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from integrations.cis import values


class Leaf(NamedTuple):
    """An element that holds one value.

    expects completes the sentence "… should be …"; shown tells that a bad value may be repeated in
    the answer, which personal data and key information may not.
    """

    attribute: str
    convert: Callable[[str], Any]
    expects: str
    required: bool = False
    shown: bool = True
    many: bool = False


class Group(NamedTuple):
    """An element that holds elements.

    The values of an unnamed group join those of the element around it; those of a named one become
    a mapping of their own, or one of several when `many` is set.
    """

    parts: Mapping[str, Leaf | Group]
    attribute: str | None = None
    required: bool = False
    many: bool = False


def text(
    attribute: str,
    most: int,
    *,
    required: bool = False,
    shown: bool = True,
    many: bool = False,
) -> Leaf:
    """A text of at most so many characters."""
    return Leaf(
        attribute, values.to_text, f"a text of at most {most} characters", required, shown, many
    )


def code(attribute: str, *words: str, required: bool = False) -> Leaf:
    """One of a few fixed words."""
    return Leaf(attribute, values.to_text, f"one of {', '.join(words)}", required)


def whole(attribute: str, least: int, most: int | None = None, *, required: bool = False) -> Leaf:
    """A whole number within bounds."""
    limits = f"from {least} to {most}" if most is not None else f"of {least} or more"
    return Leaf(attribute, values.to_int, f"a whole number {limits}", required)


def decimal(attribute: str, expects: str) -> Leaf:
    """A number with a decimal point."""
    return Leaf(attribute, values.to_decimal, f"{expects}, with a decimal point")


def flag(attribute: str) -> Leaf:
    """Yes or no."""
    return Leaf(attribute, values.to_bool, "true or false")


def day(attribute: str, *, required: bool = False) -> Leaf:
    """A calendar day."""
    return Leaf(attribute, values.to_day, "a day such as 2026-03-31", required)


def moment(attribute: str, *, required: bool = False) -> Leaf:
    """A point in time."""
    return Leaf(attribute, values.to_moment, "a time such as 2026-03-31T06:00:00Z", required)


HEADER = Group(
    {
        "MessageId": Leaf("message_id", values.to_lower, "a UUID", required=True),
        "CreatedAt": Leaf(
            "created_at", values.to_moment_utc, "a time such as 2026-03-31T06:00:00Z", required=True
        ),
        "Sender": Leaf("sender", values.to_text, "a GLN of 13 digits", required=True),
        "Receiver": Leaf("receiver", values.to_text, "a GLN of 13 digits", required=True),
        "SchemaVersion": Leaf(
            "schema_version", values.to_text, "a version such as 1.0", required=True
        ),
        "TestIndicator": flag("test"),
    }
)

ADDRESS = Group(
    {
        "StreetName": text("street_name", 100, shown=False),
        "HouseNumber": text("house_number", 20, shown=False),
        "Staircase": text("staircase", 20, shown=False),
        "Apartment": text("apartment", 20, shown=False),
        "PostalCode": Leaf("postal_code", values.to_text, "5 digits"),
        "PostOffice": text("post_office", 100),
        "MunicipalityCode": Leaf("municipality_code", values.to_text, "3 digits"),
        "Lat": Leaf("lat", values.to_float, "degrees from -90 to 90, with a decimal point"),
        "Lon": Leaf("lon", values.to_float, "degrees from -180 to 180, with a decimal point"),
    }
)

TECHNICAL = Group(
    {
        "Phases": whole("phases", 1, 3),
        "MainFuse": whole("main_fuse_a", 1, 10000),
        "MultiplierCt": decimal("multiplier_ct", "a number above 0, at most 1000000"),
        "MeterPlace": text("meter_place", 100),
        "AccessNote": text("access_note", 500, shown=False),
        "KeyInfo": text("key_info", 500, shown=False),
    }
)
