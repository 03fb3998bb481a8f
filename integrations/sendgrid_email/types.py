"""What an e-mail needs to be sent, and what SendGrid reports about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# "attempt" alone would be hidden by SendGrid's own field of that name, the number of tries, in
# its "deferred" events; it is sent too, for receivers of the plain name.
ATTEMPT_ARGS = ("attempt_id", "attempt")

Line = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00-\x1f]+$")]
Address = Annotated[str, Meta(pattern=r'^[^@\s,;<>"]+@[^@\s,;<>"]+$')]
# An address, or a name and an address: Verkko Oy <tiedotteet@example.fi>.
NamedAddress = Annotated[
    str,
    Meta(pattern=r'^([^@\s,;<>"]+@[^@\s,;<>"]+|[^@,;<>"\x00-\x1f]+ <[^@\s,;<>"]+@[^@\s,;<>"]+>)$'),
]


@dataclass(frozen=True, slots=True)
class SendgridAccount:
    """Which account to use, where, and how patiently; times in seconds.

    in_flight: calls at once, each on a thread and a connection of its own.
    """

    api_key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    connect_s: float = 3.0
    total_s: float = 10.0
    in_flight: int = 16


class Email(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of one outbox item; `from` on the wire is `sender` here.

    unsubscribe_url is where one click stops these e-mails.
    """

    to: Address
    sender: NamedAddress = msgspec.field(name="from")
    subject: Line
    text: Annotated[str, Meta(min_length=1)]
    html: str | None = None
    language: Literal["fi", "sv", "en"]
    unsubscribe_url: Line | None = None


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """One verified event; event is SendGrid's word, codes.EVENTS has what it means.

    bounce_type tells a lasting "bounce" from a passing "blocked". Events repeat: dedupe_key is
    the same for every repetition, unlike SendGrid's own event id.
    """

    attempt_id: str
    event: str
    at: datetime
    message_id: str | None = None
    reason: str | None = None
    bounce_type: str | None = None

    @property
    def dedupe_key(self) -> str:
        return f"{self.attempt_id}:{self.event}:{self.at.timestamp():.0f}:{self.message_id or ''}"
