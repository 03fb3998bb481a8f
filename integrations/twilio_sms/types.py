"""What a text message needs to be sent, and what Twilio reports about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Which account to use, where, and how patiently; times in seconds.

    senders: what this account calls our senders where it does not know them by their own names.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = "https://api.twilio.com"
    connect_s: float = 3.0
    total_s: float = 10.0
    in_flight: int = 100
    senders: Mapping[str, str] = field(default_factory=dict)


class Sms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of one outbox item; `from` on the wire is `sender` here.

    validity_s: how long the text stays true, counted from the sending; expires_at, when given,
    shortens it.
    status_callback_base: public address of our callback, without the attempt.
    """

    to: Annotated[str, Meta(min_length=1)]
    sender: Annotated[str, Meta(min_length=1)] = msgspec.field(name="from")
    body: Annotated[str, Meta(min_length=1)]
    validity_s: int
    status_callback_base: str | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """One verified report; status is Twilio's word, codes.STATES has ours.

    at stays None: Twilio sends no time of its own, and the carrier's has no time zone.
    """

    attempt_id: str
    sid: str
    status: str
    error_code: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InboundSms:
    """One text message that somebody sent to us; body is exactly what came."""

    sid: str
    sender: str
    to: str
    body: str
    media_count: int = 0
