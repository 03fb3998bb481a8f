"""Telephone numbers that behave badly on purpose, by their last four digits."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused at once: the provider's code and words."""

    code: int
    words: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a message ends after it was accepted; a code says why it did not arrive."""

    statuses: tuple[str, ...] = ("queued", "sent", "delivered")
    code: int | None = None


REFUSED = {
    "0003": Refused(21610, "Attempt to send to unsubscribed recipient"),
    "0004": Refused(21614, "'To' number is not a valid mobile number"),
    "0005": Refused(21211, "Invalid 'To' Phone Number"),
    "0006": Refused(21408, "Permission to send an SMS has not been enabled for the region"),
}
ENDINGS = {
    "0000": Ending(("queued", "sent", "undelivered"), 30003),
    "0001": Ending(("queued", "sent", "undelivered"), 30005),
    "0002": Ending(("queued", "failed"), 30008),
    "0007": Ending(("queued", "sent")),
    "0008": Ending(("queued", "sent", "undelivered"), 30006),
}
USUAL = Ending()

E164 = re.compile(r"\+[1-9][0-9]{7,14}")


def refused_at_once(to: str) -> Refused | None:
    """The error that the create call meets, if any."""
    if E164.fullmatch(to) is None:
        return Refused(21211, f"Invalid 'To' Phone Number: {to}")
    return REFUSED.get(to[-4:])


def ending_of(to: str) -> Ending:
    """What becomes of an accepted message to this number."""
    return ENDINGS.get(to[-4:], USUAL)
