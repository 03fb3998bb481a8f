"""What the parts of reconciliation and retention are called."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.domain.lanes import partner_of
from app.domain.reconciliation import HEAD_END, stock_of
from app.web.labels import Label, lane_name

STATE: Mapping[str, Label] = {
    "OPEN": Label(_l("Unresolved"), "fail", "warn"),
    "REPAIRING": Label(_l("Repair on its way"), "warn", "sent"),
    "ACCEPTED": Label(_l("Accepted"), "calm", "person"),
    "RESOLVED": Label(_l("Over"), "ok", "ok"),
}
KIND: Mapping[str, Label] = {
    "MISSING": Label(_l("Missing there"), "fail", "warn"),
    "EXTRA": Label(_l("Only there"), "warn", "unknown"),
    "DIFFERENT": Label(_l("Otherwise there"), "warn", "warn"),
    "LATE": Label(_l("Late"), "info", "wait"),
}
REASON: Mapping[str, LazyString] = {
    "NOT_THERE": _l("They had confirmed it, and it is not in their list"),
    "UNKNOWN_TO_US": _l("They have it, and we never gave it to them"),
    "TWICE": _l("It is in their list more than once"),
    "OLDER_VERSION": _l("They have an older version than they confirmed"),
    "NEWER_VERSION": _l("They have a version that we never made"),
    "OTHER_CONTENT": _l("The content is not the same"),
    "OTHER_STATE": _l("The work stands otherwise there than here"),
    "ACK_MISSING": _l("The work is over there, and its report never came"),
    "READY": _l("It waits to be sent"),
    "CLAIMED": _l("It is just being sent"),
    "HELD": _l("It is held for a decision"),
    "DEAD": _l("Sending it was given up"),
    "UNKNOWN": _l("Nobody knows whether it arrived"),
}
SNAPSHOT: Mapping[str, Label] = {
    "DIFFED": Label(_l("Compared"), "ok", "ok"),
    "BROKEN": Label(_l("Not usable"), "fail", "fail"),
    "STALE": Label(_l("Older than one before"), "calm", "calm"),
}
FAULT: Mapping[str, LazyString] = {
    "UNREACHABLE": _l("The system gave no list"),
    "HEAD_BAD": _l("Its first line is not as agreed"),
    "OTHER_LIST": _l("It is a list of something else"),
    "RECORD_BAD": _l("A record cannot be read"),
    "COUNT_WRONG": _l("It has not as many records as its first line says"),
    "DIGEST_WRONG": _l("Its records are not those of which its first line speaks"),
    "TOO_LARGE": _l("It is too large"),
    "IN_FUTURE": _l("It says that it was taken in the future"),
    "DELTA_GAP": _l("There is a gap between it and the list before"),
    "STALE": _l("A newer list had been compared before"),
    "INTERNAL": _l("A fault of ours"),
}
RETENTION: Mapping[str, LazyString] = {
    "bodies": _l("Texts of messages"),
    "deliveries": _l("What became of messages"),
    "inbound": _l("Messages as they came in"),
    "outgoing": _l("People and places in what was sent"),
    "payloads": _l("Payloads of steps"),
    "steps": _l("Steps of runs"),
    "audit": _l("Audit trail"),
    "technical": _l("Technical rows"),
}
_MAPS: Mapping[str, Mapping[str, Label]] = {"state": STATE, "kind": KIND, "snapshot": SNAPSHOT}
_TEXTS: Mapping[str, Mapping[str, LazyString]] = {
    "reason": REASON,
    "fault": FAULT,
    "retention": RETENTION,
}
# What the facts are called that are compared, where they are words of ours.
_ORDER_FACTS: Mapping[str, LazyString] = {
    "OPEN": _l("open"),
    "DONE": _l("done"),
    "FAILED": _l("failed"),
    "CANCELLED": _l("cancelled"),
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (difference_label, difference_text, system_name, facts_text):
        app.add_template_global(word)


def difference_label(kind: str, code: str) -> Label:
    """The label of a code of one kind; an unknown code is its own label."""
    return _MAPS[kind].get(code) or Label(code)


def difference_text(kind: str, code: str) -> str:
    """The words of a code of one kind; an unknown code speaks for itself."""
    return str(_TEXTS[kind].get(code, code))


def system_name(system: str) -> str:
    """What a system is called that is compared."""
    stock = stock_of(system)
    if stock is not None:
        return gettext("Stock of %(code)s", code=stock)
    return gettext("Head-end") if system == HEAD_END else lane_name(system)


def facts_text(system: str, facts: str | None) -> str:
    """What is compared, as people read it."""
    if facts is None:
        return "–"
    if partner_of(system) is not None:
        return str(_ORDER_FACTS.get(facts, facts))
    if ">" in facts:
        old, _, new = facts.partition(">")
        return gettext("old %(old)s, new %(new)s", old=old or "–", new=new or "–")
    return facts or gettext("no meter")
