"""What a create call must look like, with the provider's own error codes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from simulators.ledger import Entry
from simulators.sms.answers import read_whole
from simulators.sms.numbers import E164, Refused, refused_at_once
from simulators.sms.parts import count_parts

ALPHANUMERIC_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
SHORT_CODE = re.compile(r"[0-9]{3,6}")
CHARACTERS_MOST = 1_600
VALIDITY_MOST_S = 36_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameters of a create call that the rehearsal looks at."""

    to: str
    sender: str
    service_sid: str
    body: str
    callback_url: str
    validity_s: int


def read_wanted(form: Mapping[str, str]) -> Wanted:
    """The call's parameters by name.

    Raises: Refusal (ValidityPeriod is not a number).
    """
    return Wanted(
        to=form.get("To", "").strip(),
        sender=form.get("From", "").strip(),
        service_sid=form.get("MessagingServiceSid", ""),
        body=form.get("Body", ""),
        callback_url=form.get("StatusCallback", ""),
        validity_s=read_whole(form, "ValidityPeriod", VALIDITY_MOST_S, least=1),
    )


def check_wanted(wanted: Wanted) -> tuple[int, str] | None:
    """The first thing that is wrong, by the provider's code and words, or None."""
    to, sender, url = wanted.to, wanted.sender, wanted.callback_url
    refused = refused_at_once(to) or Refused(0, "")
    checks = (
        (not to, 21604, "A 'To' phone number is required."),
        (not wanted.body, 21602, "Message body is required."),
        (not sender and not wanted.service_sid, 21603, "A 'From' phone number is required."),
        (len(wanted.body) > CHARACTERS_MOST, 21617, "The body exceeds the 1600 character limit."),
        (sender and not _is_sender(sender), 21212, f"Invalid From Number: {sender}"),
        (to == sender, 21266, "'To' and 'From' number cannot be the same"),
        (url and not _is_url(url), 21609, f"Invalid 'StatusCallback' URL: {url}"),
        (wanted.validity_s > VALIDITY_MOST_S, 20001, "Invalid ValidityPeriod: from 1 to 36000"),
        (refused.code, refused.code, refused.words),
    )
    return next(((code, words) for wrong, code, words in checks if wrong), None)


def make_message(wanted: Wanted, callbacks: str) -> Entry:
    """The facts of a new message, ready for the ledger."""
    encoding, parts = count_parts(wanted.body)
    return {
        "sid": f"SM{secrets.token_hex(16)}",
        "to": wanted.to,
        "from": wanted.sender,
        "messaging_service_sid": wanted.service_sid,
        "body": wanted.body,
        "encoding": encoding,
        "segments": parts,
        "validity_s": wanted.validity_s,
        "status_callback": wanted.callback_url,
        "attempt": _attempt_of(wanted.callback_url),
        "callbacks": callbacks,
    }


def _attempt_of(url: str) -> str | None:
    """The sender's own id of the call, which it puts into the callback's query."""
    if "attempt=" not in url:
        return None
    return next(iter(parse_qs(urlsplit(url).query).get("attempt", ())), None)


def _is_sender(sender: str) -> bool:
    return any(form.fullmatch(sender) for form in (E164, ALPHANUMERIC_SENDER, SHORT_CODE))


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
