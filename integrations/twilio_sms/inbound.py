"""Twilio's webhook for text messages to us: a signed form to one message.

What people write is free, and the signature does not mark where names and values end (callbacks.py).
So only the body may hold anything: it stands between two values of strict forms, and no other
parameter may hold what looks like a telephone number, so no part of a body can pass for a sender.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from integrations.twilio_sms.callbacks import CallbackInvalid, verify_form
from integrations.twilio_sms.types import InboundSms

_SID = r"[0-9A-Za-z]{32}"
_PLACE = r"[^\x00-\x1f\d+]{0,100}"
_NUMBER = r"\+[1-9]\d{4,14}|\d{3,8}"

KNOWN: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile(form, re.ASCII)
        for name, form in {
            "AccountSid": r"AC[0-9A-Za-z]{1,32}",
            "ApiVersion": r"\d{4}-\d{2}-\d{2}",
            # A name, as companies send under, unless it is the rest of another parameter's name.
            "From": rf"{_NUMBER}|(?!City|Country|State|Zip)[0-9A-Za-z &._-]{{1,15}}",
            "FromCity": _PLACE,
            "FromCountry": r"[A-Z]{0,2}",
            "FromState": _PLACE,
            "FromZip": r"[0-9A-Za-z -]{0,12}",
            "MessageSid": rf"(SM|MM){_SID}",
            "MessagingServiceSid": rf"(MG{_SID})?",
            "NumMedia": r"\d{0,2}",
            "NumSegments": r"\d{1,2}",
            "OptOutType": r"(STOP|START|HELP)?",
            "ReferralNumMedia": r"\d{0,2}",
            "SmsMessageSid": rf"(SM|MM){_SID}",
            "SmsSid": rf"(SM|MM){_SID}",
            "SmsStatus": r"receiv(ed|ing)",
            "To": _NUMBER,
            "ToCity": _PLACE,
            "ToCountry": r"[A-Z]{0,2}",
            "ToState": _PLACE,
            "ToZip": r"[0-9A-Za-z -]{0,12}",
        }.items()
    }
)
BODY = "Body"
BODY_MAX_CHARS = 10_000
_REQUIRED = ("AccountSid", BODY, "From", "MessageSid", "To")
_SAME_SIDS = ("SmsMessageSid", "SmsSid")
# Names that Twilio adds without notice, pictures' addresses among them: Media and a number behind.
_NEW_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}\d{0,2}", re.ASCII)
_TELEPHONE = re.compile(r"\+\d")


def verify_inbound_sms(
    url: str,
    params: Iterable[tuple[str, str]],
    signature: str | None,
    auth_token: str,
    account_sid: str,
) -> InboundSms:
    """The message in one request.

    url: our public address as Twilio was given it, from the settings. params: every pair of the
    form, repeated names included.

    Raises: CallbackInvalid (answer by its code).
    """
    form = verify_form(url, params, signature, auth_token)
    for name in _REQUIRED:
        if name not in form:
            raise CallbackInvalid("PARAMETER_MISSING", f"{name} is missing")
    for name, value in form.items():
        _check(name, value)
    if form["AccountSid"] != account_sid:
        raise CallbackInvalid("VALUE_INVALID", "AccountSid is not ours")
    if any(form.get(name, form["MessageSid"]) != form["MessageSid"] for name in _SAME_SIDS):
        raise CallbackInvalid("VALUE_INVALID", "the names of the message differ")
    return InboundSms(
        sid=form["MessageSid"],
        sender=form["From"],
        to=form["To"],
        body=form[BODY],
        media_count=int(form.get("NumMedia") or 0),
    )


def _check(name: str, value: str) -> None:
    if name == BODY:
        if len(value) > BODY_MAX_CHARS:
            raise CallbackInvalid("VALUE_INVALID", "Body is too long")
        return
    pattern = KNOWN.get(name)
    if pattern is not None:
        if not pattern.fullmatch(value):
            raise CallbackInvalid("VALUE_INVALID", f"{name} does not have its form")
        return
    if not _can_be_new(name) or _TELEPHONE.search(value):
        raise CallbackInvalid("PARAMETER_UNKNOWN", "a parameter is not known")


def _can_be_new(name: str) -> bool:
    """A name of Twilio's style that neither begins a known name nor goes on after one.

    The end of a body, cut off at a capital letter, looks like one, too. It would stand between the
    body and From, which always follows it, so nothing new is taken there.
    """
    return (
        bool(_NEW_NAME.fullmatch(name))
        and not BODY < name < "From"
        and not any(name.startswith(known) or known.startswith(name) for known in (*KNOWN, BODY))
    )
