"""Twilio's status callbacks: a signed form to a report about one attempt.

The signature covers the address and then every name and value, sorted and joined without
separators: whoever holds one signed request can move the borders between names and values and
still verify. So each value must fit its own form, and each known name may stand in the signed
text only where it is a name. Twilio adds parameters without notice; a new one is taken when it
cannot have been made by moving a border.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator, compare

from integrations.twilio_sms.codes import STATES
from integrations.twilio_sms.types import StatusCallback


class CallbackInvalid(Exception):
    """The request is not taken; nothing of it may be used.

    code: SIGNATURE_MISSING or SIGNATURE_WRONG (answer 403), PARAMETER_REPEATED,
    PARAMETER_UNKNOWN, PARAMETER_MISSING, VALUE_INVALID or ATTEMPT_INVALID (answer 400).
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


_SID = r"[0-9A-Za-z]{32}"
_STATUS = "|".join(STATES)
_FREE = r"[^\x00-\x1f]{0,500}"

KNOWN: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile(form, re.ASCII)
        for name, form in {
            "AccountSid": r"AC[0-9A-Za-z]{1,32}",
            "ApiVersion": r"\d{4}-\d{2}-\d{2}",
            "ChannelInstallSid": rf"XE{_SID}",
            "ChannelPrefix": r"[a-z]{0,20}",
            "ChannelStatusMessage": _FREE,
            "ErrorCode": r"(\d{5})?",
            "ErrorMessage": _FREE,
            "From": r"\+[1-9]\d{4,14}|\d{3,8}|[0-9A-Za-z &+_-]{1,11}",
            "MessageSid": rf"(SM|MM){_SID}",
            "MessageStatus": _STATUS,
            "MessagingServiceSid": rf"(MG{_SID})?",
            "RawDlrDoneDate": r"\d{10,14}",
            "SmsSid": rf"(SM|MM){_SID}",
            "SmsStatus": _STATUS,
            "To": r"\+[1-9]\d{4,14}",
        }.items()
    }
)
_REQUIRED = ("AccountSid", "MessageSid", "MessageStatus")
_NEW_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
_ATTEMPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# Shorter names may well be a part of ordinary text, and nothing is read from them.
_TELLING_LENGTH = 6


def verify_status_callback(
    url: str,
    params: Iterable[tuple[str, str]],
    signature: str | None,
    auth_token: str,
    account_sid: str | None = None,
) -> StatusCallback:
    """The report in one callback.

    url: the public address as Twilio was given it, with its query; from the settings, never from
    the Host header. params: every pair of the form, repeated names included.

    Raises: CallbackInvalid (answer by its code).
    """
    form = verify_form(url, params, signature, auth_token)
    _check_names(form)
    _check_values(form, account_sid)
    return StatusCallback(
        attempt_id=_attempt_of(url),
        sid=form["MessageSid"],
        status=form["MessageStatus"],
        error_code=form.get("ErrorCode") or None,
    )


def verify_form(
    url: str, params: Iterable[tuple[str, str]], signature: str | None, auth_token: str
) -> dict[str, str]:
    """The form that Twilio signed, each name once; where names end is still to be checked.

    Raises: CallbackInvalid (answer by its code).
    """
    if not signature:
        raise CallbackInvalid("SIGNATURE_MISSING", "X-Twilio-Signature is missing")
    form = _single_values(params)
    validator = RequestValidator(auth_token)
    # The address as it was given is what is signed; with or without its port is for what is not.
    signed = compare(validator.compute_signature(url, form), signature)
    if not signed and not validator.validate(url, form, signature):
        raise CallbackInvalid("SIGNATURE_WRONG", "X-Twilio-Signature does not fit")
    return form


def _single_values(params: Iterable[tuple[str, str]]) -> dict[str, str]:
    form: dict[str, str] = {}
    for name, value in params:
        if name in form:
            raise CallbackInvalid("PARAMETER_REPEATED", "a parameter is given twice")
        form[name] = value
    return form


def _check_names(form: Mapping[str, str]) -> None:
    for name in _REQUIRED:
        if name not in form:
            raise CallbackInvalid("PARAMETER_MISSING", f"{name} is missing")
    for name in form:
        if name not in KNOWN and not _can_be_new(name):
            raise CallbackInvalid("PARAMETER_UNKNOWN", "a parameter is not known")
    signed = "".join(name + form[name] for name in sorted(form))
    for name in KNOWN:
        if len(name) >= _TELLING_LENGTH and signed.count(name) != (name in form):
            raise CallbackInvalid("PARAMETER_UNKNOWN", f"{name} stands inside another parameter")


def _can_be_new(name: str) -> bool:
    """A name of Twilio's style that neither begins a known name nor goes on after one."""
    return bool(_NEW_NAME.fullmatch(name)) and not any(
        name.startswith(known) or known.startswith(name) for known in KNOWN
    )


def _check_values(form: Mapping[str, str], account_sid: str | None) -> None:
    for name, pattern in KNOWN.items():
        if name in form and not pattern.fullmatch(form[name]):
            raise CallbackInvalid("VALUE_INVALID", f"{name} does not have its form")
    if account_sid is not None and form["AccountSid"] != account_sid:
        raise CallbackInvalid("VALUE_INVALID", "AccountSid is not ours")
    if form.get("SmsSid", form["MessageSid"]) != form["MessageSid"]:
        raise CallbackInvalid("VALUE_INVALID", "SmsSid and MessageSid differ")
    if form.get("SmsStatus", form["MessageStatus"]) != form["MessageStatus"]:
        raise CallbackInvalid("VALUE_INVALID", "SmsStatus and MessageStatus differ")


def _attempt_of(url: str) -> str:
    match parse_qsl(urlsplit(url).query, keep_blank_values=True):
        case [("attempt", attempt_id)] if _ATTEMPT.fullmatch(attempt_id):
            return attempt_id
    raise CallbackInvalid("ATTEMPT_INVALID", "the address names no attempt")
