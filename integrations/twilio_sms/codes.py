"""Twilio's codes and statuses, and what they mean to us, as data.

Twilio adds codes and warns against relying on them, so the rule for an unknown code is the
careful one: rejected, never sent again, shown to somebody.
Source: Twilio's error dictionary, read for each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from integrations.outcomes import CallError, ContractBroken, LaneDown, Rejected, Retryable
from integrations.outcomes import UnknownOutcome as Unknown


@dataclass(frozen=True, slots=True)
class CodeRule:
    """One code.

    permanent: this message can never arrive at this number, whatever we repair.
    marks_contact_invalid: the number cannot get text messages; ask the customer for another.
    is_hard_bounce: so says a carrier, which may err; believed when it has said so several times.
    means_opted_out: the customer told the provider to stop; the same as telling us.
    """

    outcome: type[CallError]
    text: str
    permanent: bool = False
    marks_contact_invalid: bool = False
    is_hard_bounce: bool = False
    means_opted_out: bool = False


def _bad_number(text: str) -> CodeRule:
    return CodeRule(Rejected, text, permanent=True, marks_contact_invalid=True)


def _bounced(text: str) -> CodeRule:
    return CodeRule(Rejected, text, permanent=True, is_hard_bounce=True)


CODES: Mapping[int, CodeRule] = MappingProxyType(
    {
        # The account: nothing will get through until somebody repairs it.
        10001: CodeRule(LaneDown, "account not active"),
        20003: CodeRule(LaneDown, "credentials not accepted"),
        20005: CodeRule(LaneDown, "account not active"),
        20008: CodeRule(LaneDown, "test credentials used"),
        20403: CodeRule(LaneDown, "account suspended or closed"),
        20404: CodeRule(LaneDown, "account or address not found"),
        30404: CodeRule(LaneDown, "account or address not found"),
        63038: CodeRule(LaneDown, "daily limit of the account reached"),
        70051: CodeRule(LaneDown, "credentials not accepted"),
        # Rates: documented as not processed.
        14107: CodeRule(Retryable, "rate limit of the sender reached"),
        20429: CodeRule(Retryable, "too many requests"),
        21611: CodeRule(Retryable, "queue of the sender is full"),
        63017: CodeRule(Retryable, "too many requests"),
        # The recipient.
        21211: _bad_number("recipient is not a valid phone number"),
        21217: _bad_number("recipient is not a valid phone number"),
        21265: _bad_number("recipient is a short code"),
        21268: _bad_number("recipient is a premium number"),
        21610: CodeRule(Rejected, "recipient has opted out", permanent=True, means_opted_out=True),
        21614: _bad_number("recipient is not a mobile number"),
        21635: _bad_number("recipient is a landline"),
        21408: CodeRule(Rejected, "country of the recipient not enabled in the account"),
        21608: CodeRule(Rejected, "trial account: recipient not verified"),
        21612: CodeRule(Rejected, "no route from this sender to this recipient", permanent=True),
        # The sender: may hold for one country only, so the lane stays open.
        21212: CodeRule(Rejected, "sender is not valid"),
        21266: CodeRule(Rejected, "sender and recipient are the same", permanent=True),
        21267: CodeRule(Rejected, "trial account: sender id not allowed"),
        21401: CodeRule(Rejected, "sender is not valid"),
        21601: CodeRule(Rejected, "sender cannot send text messages"),
        21603: CodeRule(Rejected, "sender is missing"),
        21606: CodeRule(Rejected, "sender not usable for this recipient or account"),
        21657: CodeRule(Rejected, "sender id not supported for this country"),
        21659: CodeRule(Rejected, "sender is not a number of Twilio's"),
        21660: CodeRule(Rejected, "sender belongs to another account"),
        21661: CodeRule(Rejected, "sender cannot send text messages"),
        # The message.
        21602: CodeRule(Rejected, "text is empty", permanent=True),
        21604: CodeRule(Rejected, "recipient is missing", permanent=True),
        21609: CodeRule(Rejected, "callback address is not valid"),
        21617: CodeRule(Rejected, "text is longer than 1,600 characters", permanent=True),
        21619: CodeRule(Rejected, "text is empty", permanent=True),
        21624: CodeRule(Rejected, "validity is out of range"),
        90007: CodeRule(Rejected, "validity is out of range"),
        # Reported later, by status callback or look-up.
        30001: CodeRule(Rejected, "queue overflow at Twilio"),
        30002: CodeRule(Rejected, "account suspended"),
        30003: CodeRule(Rejected, "handset not reachable"),
        30004: CodeRule(Rejected, "message blocked"),
        30005: _bounced("number does not exist"),
        30006: _bounced("landline or carrier not reachable"),
        30007: CodeRule(Rejected, "filtered by the carrier"),
        30008: CodeRule(Rejected, "not delivered, reason not known"),
        30024: CodeRule(Rejected, "sender not provisioned at the carrier"),
        30036: CodeRule(Rejected, "validity had passed before it could be sent", permanent=True),
        30042: CodeRule(Rejected, "sender id blocked as generic or for its characters"),
    }
)

UNKNOWN_CODE = CodeRule(Rejected, "code not in our table")

# An HTTP status, where the answer has no code that we know. 2xx is judged by its body.
STATUSES: Mapping[int, type[CallError]] = MappingProxyType(
    {
        401: LaneDown,
        403: LaneDown,
        404: LaneDown,
        408: Unknown,
        # Documented as never processed, so it is safe to send again.
        429: Retryable,
    }
)

# Twilio's message status to the state of our notice; none of them ever moves it back.
STATES: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "SENT",
        "scheduled": "SENT",
        "queued": "SENT",
        "sending": "SENT",
        "sent": "SENT",
        "delivered": "DELIVERED",
        "read": "DELIVERED",
        "undelivered": "UNDELIVERED",
        "failed": "UNDELIVERED",
        "canceled": "UNDELIVERED",
    }
)


def rule_for(code: int | str | None) -> CodeRule:
    """The rule of a code as Twilio writes it; the careful one when it is not in the table."""
    try:
        return CODES.get(int(code or 0), UNKNOWN_CODE)
    except ValueError:
        return UNKNOWN_CODE


def outcome_of(status: int) -> type[CallError]:
    """The error that an HTTP status stands for after a message was posted."""
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return Rejected
    # A redirect was not processed, but following it would be a guess.
    return ContractBroken if 300 <= status < 400 else Unknown
