"""E-mail addresses that behave badly on purpose, by the first word of their local part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")


@dataclass(frozen=True, slots=True)
class Ending:
    """The events that follow an accepted mail, and the provider's extra fields of an event."""

    events: tuple[str, ...] = ("processed", "delivered")
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


DELIVERED = {"response": "250 2.0.0 OK"}
ENDINGS = {
    "bounce": Ending(
        ("processed", "bounce"),
        {"bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 No such account"}},
    ),
    "blocked": Ending(
        ("processed", "bounce"),
        {"bounce": {"type": "blocked", "status": "5.7.1", "reason": "550 5.7.1 Refused"}},
    ),
    "dropped": Ending(("dropped",), {"dropped": {"reason": "Bounced Address", "status": "5.0.0"}}),
    "deferred": Ending(
        ("processed", "deferred", "delivered"),
        {
            "deferred": {"response": "451 4.7.1 Try again later", "attempt": "1"},
            "delivered": DELIVERED,
        },
    ),
    "spam": Ending(("processed", "delivered", "spamreport"), {"delivered": DELIVERED}),
    "silent": Ending(("processed",)),
}
USUAL = Ending(("processed", "delivered"), {"delivered": DELIVERED})


def ending_of(address: str) -> Ending:
    """What becomes of an accepted mail to this address."""
    word = re.split(r"[.+_@-]", address.lower(), maxsplit=1)[0]
    return ENDINGS.get(word, USUAL)


def is_address(value: object) -> bool:
    """True for one plain address."""
    return isinstance(value, str) and ADDRESS.fullmatch(value) is not None
