"""Small words that many pages share: what processes, counts and codes are called, where keys lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from app.domain.codes import REJECT_CODES, RejectCode
from app.domain.gsrn import is_valid_gsrn
from app.domain.lanes import partner_of
from app.domain.municipalities import municipality_names
from app.web.formats import moment, quantity
from app.web.i18n import current_language
from app.web.labels import LANE, label, lane_name

# Order ids of the CIS have a digit in them; names of our own parts have none.
_FAULT = re.compile(r"fault:\d{1,18}")
_DUE = re.compile(r"(.+) (\d{4}-\d\d-\d\dT\d\d:\d\dZ)", re.ASCII)
_ORDER_ID = re.compile(r"(?=.*\d)[\w./-]{2,40}")

_PLANNED_CUT = re.compile(r"planned-cut:(\d{1,18})", re.ASCII)

_PROCESS = {
    "mass split": _l("Making the orders of mass orders"),
    "mass follow": _l("Holding, releasing or calling off mass orders"),
    "meter deliveries": _l("Taking in meter deliveries"),
    "answer requests": _l("Answering changes to orders under way"),
    "poll CIS": _l("Fetching CIS files"),
    "poll partners": _l("Fetching partners' files"),
    "fetch lists": _l("Fetching lists in other networks"),
    "partner files": _l("Reading partners' files"),
    "apply receipts": _l("Delivery reports"),
    "plan notices": _l("Deciding whom to tell"),
    "resolve unknown": _l("Settling unknown outcomes"),
    "watch swaps": _l("Watching open meter replacements"),
    "watch faults": _l("Watching faults and storms"),
    "remind of visits": _l("Reminding of visits"),
    "planned cuts": _l("Planned cuts by the clock"),
    "welcome": _l("Confirming new enrolments"),
    "tenancies": _l("Ending what ended contracts had"),
    "retention": _l("Removing what may not be kept"),
    "routing": _l("Looking again at orders without a route"),
    "replay": _l("Sending again what was chosen"),
}

_PROCESS |= {
    "mailboxes": _l("Fetching e-mails"),
    "public status": _l("Renewing the public status"),
    "service level": _l("Counting the public figures"),
    "purge": _l("Clearing away what nobody needs"),
    "read held": _l("Reading again what was put aside"),
    "retry dead": _l("Trying again what was given up"),
    "signal": _l("Signal to the webhook"),
    "reconcile": _l("Comparing whole lists of other systems"),
    "reconcile changes": _l("Comparing what changed in other systems"),
}

_TRIGGER = {
    "doorbell": _l("A ring"),
    "schedule": _l("The schedule"),
    "operator": _l("An operator"),
    "dispatcher (no Redis)": _l("The dispatcher, without Redis"),
    "no Redis": _l("The worker itself, without Redis"),
    "file": _l("Arrival of a file"),
    "mail": _l("E-mail to a mailbox"),
    "http": _l("Request by HTTP"),
    "change": _l("Change in the database"),
    "end": _l("End of another process"),
    "manual": _l("By hand"),
    "replay": _l("Run again"),
}

# What an outbox item carries, or what a step was about.
_KIND = {
    "WORK_ORDER": _l("Work order"),
    "CIS_COMPLETION": _l("Completion"),
    "CIS_ORDER_END": _l("End without a completion"),
    "CIS_REJECT": _l("Reject file"),
    "CIS_REPLY": _l("Reply to an IEC message"),
    "PARTNER_REJECT": _l("Reject file for a partner"),
    "METERS": _l("Meters of a delivery"),
    "ORDER_REQUEST": _l("Change to an order under way"),
    "NIS_DEVICE": _l("Device at the point"),
    "DMS_SWAP_OUTAGE": _l("Power cut of a replacement"),
    "BILLING_METER_CHANGE": _l("Meter change"),
    "NOTICE": _l("Message to a customer"),
    "ACKNOWLEDGEMENT": _l("Acknowledgement"),
    "DMS_OUTAGE": _l("Outage stated by the DMS"),
    "METER_EVENTS": _l("Meter events"),
    "REPLY": _l("Reply of a customer"),
    "STORE_FILE": _l("File stored"),
    "STORE_MAIL": _l("E-mail stored"),
    "SIGNAL": _l("Alarm or signal"),
    "FETCH": _l("File fetched"),
    "LOOK_AGAIN": _l("File looked at again"),
    "READ_FILE": _l("File read"),
    "RESOLVE_UNKNOWN": _l("Unknown outcome looked up"),
    "MASTER_DATA_CUSTOMER": _l("Master data: customer"),
    "MASTER_DATA_METERINGPOINT": _l("Master data: metering point"),
    "MASTER_DATA_CONTRACT": _l("Master data: contract"),
    "PLANNED_ANNOUNCE": _l("Planned cut announced"),
    "PLANNED_REMIND": _l("Planned cut reminded of"),
    "PLANNED_BEGIN": _l("Planned cut begun"),
    "PLANNED_OVERRUN": _l("Planned cut overran"),
    "CONNECTION_ORDER": _l("Connection order"),
    "COMPARE_LIST": _l("List compared"),
}

# What outcomes are called where they are counted: "12 sent, 1 rejected".
_COUNT = {
    "SENT": _l("sent"),
    "NOT_SENT": _l("not sent"),
    "REJECTED": _l("rejected"),
    "UNKNOWN": _l("unknown"),
    "SKIPPED": _l("skipped"),
    "NEW": _l("new"),
    "UPDATE": _l("changed"),
    "CANCEL": _l("cancelled"),
    "DUPLICATE": _l("repeated"),
    "TAKEN_BEFORE": _l("taken in before"),
    "STALE": _l("out of date"),
    "CONFLICT": _l("in conflict"),
    "NO_ROUTE": _l("without a route"),
    "ROUTED": _l("given a route"),
    "GONE": _l("settled meanwhile"),
    "QUEUED": _l("due again"),
    "PROPOSED": _l("waiting for a second person"),
    "APPLIED": _l("applied"),
    "TAKEN": _l("taken in"),
    "HOLD": _l("waiting for the visit's end"),
    "ASK": _l("asked to stop"),
    "SUPERSEDED": _l("replaced"),
    "HELD": _l("held"),
    "LATE": _l("too late"),
    "STORED": _l("stored"),
    "FOUND": _l("found"),
    "REPORTED": _l("reported"),
    "LOOKED_AT": _l("looked at"),
    "KNOWN": _l("known already"),
    "EXPECTED": _l("expected"),
    "EXPIRED": _l("estimates passed"),
    "UNCONFIRMED": _l("not confirmed"),
    "SILENT": _l("silent meters"),
    "CLOSED": _l("closed"),
    "COMPARED": _l("compared"),
    "MISSING": _l("missing there"),
    "EXTRA": _l("only there"),
    "DIFFERENT": _l("otherwise there"),
    "ON_THE_WAY": _l("late"),
    "RESOLVED": _l("over"),
    "REMOVED": _l("removed"),
    "BULLETINS": _l("bulletins"),
    "CALLS": _l("calls to make"),
    "told": _l("told"),
    "suppressed": _l("not told"),
    "CHANGED": _l("changed while read"),
    "GROWN": _l("grown since"),
    "WAITING": _l("waiting"),
    "REFUSED": _l("not readable"),
    "POSTPONED": _l("postponed"),
    "FAILED": _l("failed"),
    "NOT_FOUND_YET": _l("not found yet"),
    "NOT_ASKED": _l("could not be asked about"),
    "SETTLED_MEANWHILE": _l("settled meanwhile"),
    "LEFT_TO_A_PERSON": _l("left to a person"),
    "UNKNOWN_ATTEMPT": _l("not about a message of ours"),
    "ANNOUNCE": _l("announced"),
    "REMIND": _l("reminded"),
    "BEGIN": _l("begun"),
    "OVERRUN": _l("overran"),
}

_PROVIDERS = {"twilio": "Twilio", "sendgrid": "SendGrid"}

# What is wrong with a partner's body, where the partner gets the code itself.
_BODY_CODES = {
    "MASS_PAUSED": _l("The mass order is paused"),
    "BUNDLE_UNREADABLE": _l("This program cannot bring it into the partner's form"),
    "JSON_MALFORMED": _l("The body is no JSON object"),
    "TYPE_WRONG": _l("A value has the wrong type"),
    "VALUE_UNKNOWN": _l("A value is not in its code list"),
    "VALUE_INVALID": _l("A value is not possible"),
    "TIME_WITHOUT_OFFSET": _l("A time has no offset"),
    "TIME_INVALID": _l("A time is not possible"),
    "TEXT_INVALID": _l("A text has signs that are not allowed"),
    "ORDER_WRONG": _l("Times come in the wrong sequence"),
}
_OUR_FAULT = "INTERNAL "
# How a call ends, by what has to be done about it: see integrations/outcomes.py.
_ERROR = {
    "Retryable": _l("It did not arrive"),
    "Rejected": _l("The receiver refused it"),
    "LaneDown": _l("The receiver cannot be reached"),
    "UnknownOutcome": _l("Nobody knows whether it arrived"),
    "ContractBroken": _l("The answer cannot be understood"),
    "LeaseLost": _l("The sender died during the call"),
    "NotBegun": _l("It was not begun"),
    "Skipped": _l("It was not sent any more"),
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (
        process_name,
        trigger_name,
        cause_text,
        kind_name,
        step_name,
        counts_line,
        code_text,
        codes_text,
        error_text,
        mass_hold_text,
        suppress_text,
        announcement_reason,
        actor_name,
        key_href,
        subject_link,
        about_link,
        here,
    ):
        app.add_template_global(word)


def process_name(process: str) -> str:
    """A process by what it does; a drain by where it sends."""
    known = _PROCESS.get(process)
    if known is not None:
        return str(known)
    if process.startswith("drain "):
        return gettext("Sending: %(lane)s", lane=lane_name(process.removeprefix("drain ")))
    return lane_name(process)


def trigger_name(trigger: str) -> str:
    """What made a run begin; of a process's start its kind and cause."""
    kind, colon, cause = trigger.partition(": ")
    known = _TRIGGER.get(trigger) or _TRIGGER.get(kind)
    if known is None:
        return trigger
    return f"{known}: {cause_text(cause)}" if colon else str(known)


def cause_text(cause: str) -> str:
    """What made a process start; the time at which a schedule was due as the reader writes it."""
    due = _DUE.fullmatch(cause)
    if due is None:
        return cause
    at = datetime.strptime(due[2], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
    return f"{due[1]}, {moment(at)}"


def kind_name(kind: str) -> str:
    """What an outbox item carries."""
    known = _KIND.get(kind)
    return str(known) if known else kind.replace("_", " ").capitalize()


def step_name(name: str) -> str:
    """What a step did."""
    if name.startswith("send "):
        return gettext("Send: %(kind)s", kind=kind_name(name.removeprefix("send ")))
    provider, reported, status = name.partition(" reported ")
    if reported:
        provider = _PROVIDERS.get(provider, provider)
        return gettext("%(provider)s reported: %(status)s", provider=provider, status=status)
    return kind_name(name.upper().replace(" ", "_"))


def counts_line(counts: Mapping[str, Any]) -> str:
    """How many of what, in one line; what did not happen is left out."""
    parts = [
        f"{quantity(count)} {_COUNT.get(name, name.replace('_', ' ').lower())}"
        for name, count in counts.items()
        if isinstance(count, int) and count
    ]
    return ", ".join(parts)


def outcome_name(outcome: str) -> str:
    """What became of something, as it is counted: new, changed, rejected."""
    known = _COUNT.get(outcome)
    return str(known) if known else outcome


def code_text(code: str) -> str:
    """What one of our codes means, in the reader's language."""
    if code.startswith(_OUR_FAULT):
        return gettext("A fault of ours (%(name)s)", name=code.removeprefix(_OUR_FAULT))
    try:
        return REJECT_CODES[RejectCode(code)].text.in_language(current_language())
    except (ValueError, KeyError):
        return str(_BODY_CODES.get(code, code))


def codes_text(codes: str) -> str:
    """What several codes mean that stand in one column with commas between."""
    return ", ".join(code_text(code.strip()) for code in codes.split(","))


def error_text(error_class: str) -> str:
    """How a call to the outside ended badly, by the class of its error."""
    known = _ERROR.get(error_class)
    return str(known) if known else code_text(error_class)


def mass_hold_text(reason: str) -> str:
    """Why a mass file waits for people, in words."""
    kind, *rest = reason.split() or [""]
    figures = [*rest, "", "", ""]
    code, bad, most = (code_text(figures[0]), figures[0], figures[1])
    words = {
        "BROKEN": gettext(
            "The file broke off after %(items)s of %(declared)s items: %(code)s",
            items=figures[1],
            declared=figures[2],
            code=code,
        ),
        "MASS_COUNT": gettext(
            "The file has %(items)s items and says that it has %(declared)s",
            items=figures[0],
            declared=figures[1],
        ),
        "BAD_COUNT": ngettext(
            "%(bad)s item is bad, more than %(most)s",
            "%(bad)s items are bad, more than %(most)s",
            int(bad) if bad.isdigit() else 0,
            bad=bad,
            most=most,
        ),
        "BAD_SHARE": gettext(
            "%(bad)s of %(items)s items are bad, more than %(most)s %%",
            bad=bad,
            items=figures[1],
            most=figures[2],
        ),
        "CALLED_OFF": gettext("The mass order was called off, and the file wants it again"),
        "INTERNAL": gettext(
            "Making its orders failed by our own fault: %(what)s", what=" ".join(rest)
        ),
    }
    return words.get(kind, reason)


def suppress_text(reason: str) -> str:
    """Why a message was not sent, in words."""
    words = {
        "OPTED_OUT": gettext("the customer does not want these messages"),
        "NO_CONTACT": gettext("there is no phone number or e-mail address to tell it to"),
        "CONTACT_INVALID": gettext("the phone number or address does not work"),
        "CONTACT_UNVERIFIED": gettext("the phone number or address has not been verified"),
        "UNCONFIRMED": gettext("the event has not been confirmed"),
        "STALE": gettext("the news came too late to be of use"),
        "DUPLICATE": gettext("the customer had been told already"),
        "SUPERSEDED": gettext("what it says was no longer so"),
        "NO_OUTAGE": gettext("the power was not cut"),
        "NEVER_TOLD": gettext("the customer had not been told of it in the first place"),
        "STILL_OFF": gettext("another outage still cuts the power there"),
        "SOME_STILL_OFF": gettext("some of the customer's points are still off"),
        "KNOWS_OTHER": gettext("the customer was told of another outage there"),
        "SAME_ESTIMATE": gettext("the customer has read the same estimate last"),
        "NOT_RESENT": gettext("its outcome stayed unknown, and this kind is not sent again"),
        "RESENT_ALREADY": gettext("its outcome stayed unknown, and it had been sent again once"),
    }
    return words.get(reason) or code_text(reason)


def announcement_reason(reason: str) -> str:
    """Why an announcement was held or withdrawn, in words."""
    words = {
        "MANY_RECIPIENTS": gettext("it would reach very many"),
        "LARGE_SHARE_OF_AREA": gettext("it would reach a large part of a municipality"),
        "CORRECTED": gettext("it was wrong"),
    }
    return words.get(reason, reason)


def actor_name(actor: str) -> str:
    """Who did something: a person by their account, a system by its name.

    An account of a machine is no person of ours, whatever it is called.
    """
    kind, _, name = actor.partition(":")
    if kind == "staff":
        return name
    if kind == "cli":
        return gettext("%(name)s at a terminal", name=name)
    known = label("system", name)
    return str(known.text) if known.text != name else name.capitalize()


def key_href(key: str) -> str:
    """Where a business key leads: points and planned cuts to their pages, the rest to their runs."""
    if (cut := _PLANNED_CUT.fullmatch(key)) is not None:
        return url_for("operators.planned_cut", outage_id=int(cut[1]))
    if is_valid_gsrn(key):
        return url_for("agents.point", gsrn=key)
    return url_for("operators.runs", key=key)


def subject_link(subject: str) -> Markup:
    """An alarm's subject with a link where there is a page for it."""
    text = subject
    if subject in LANE or partner_of(subject) is not None:
        text = lane_name(subject)
        href = url_for("operators.lane", name=subject)
    elif is_valid_gsrn(subject):
        href = url_for("agents.point", gsrn=subject)
    elif (cut := _PLANNED_CUT.fullmatch(subject)) is not None:
        text = gettext("Planned cut %(number)s", number=cut[1])
        href = url_for("operators.planned_cut", outage_id=int(cut[1]))
    elif _FAULT.fullmatch(subject):
        number = subject.removeprefix("fault:")
        text = gettext("Fault %(number)s", number=number)
        href = url_for("operators.outage", outage_id=number)
    elif subject.startswith("alarm-rule:"):
        text = subject.removeprefix("alarm-rule:")
        href = url_for("operators.alarm_rule", code=text)
    elif _ORDER_ID.fullmatch(subject):
        # An order leads to the page of its metering point.
        href = url_for("agents.search", q=subject)
    else:
        return escape(subject)
    return Markup('<a class="govuk-link" href="{}">{}</a>').format(href, text)


def about_link(subject: str) -> Markup:
    """What an announcement is about, in words that lead to its page."""
    kind, _, name = subject.partition(":")
    if kind == "outage":
        text = gettext("Outage %(number)s", number=name)
        href = url_for("operators.outage", outage_id=name)
    elif kind == "connection":
        text = gettext("Connection order %(number)s", number=name)
        href = url_for("agents.connection", order_no=name)
    elif kind == "correction":
        text = gettext("Announcement %(number)s", number=name)
        href = url_for("operators.announcement", number=name)
    elif kind in ("storm", "area"):
        place = municipality_names(name.rpartition("/")[2]).in_language(current_language())
        if kind == "area":
            return escape(gettext("Whoever follows %(area)s", area=place))
        text = gettext("Storm, %(area)s", area=place)
        href = url_for("operators.storms")
    else:
        return escape(subject)
    return Markup('<a class="govuk-link" href="{}">{}</a>').format(href, text)


def here(**changes: object) -> str:
    """This page's address with some of its parts changed; None takes a part away."""
    args: dict[str, Any] = {**request.args.to_dict(), **(request.view_args or {}), **changes}
    for name in ("poll", "lang"):
        if name not in changes:
            args.pop(name, None)
    kept = {name: value for name, value in args.items() if value is not None}
    return url_for(request.endpoint or "agents.search", **kept)
