"""What our records say, read out in the reader's language: details of alarms, reasons, causes.

The record keeps its sentence in English, as it was when it was written; here it is recognised and
said anew, with its numbers, times and names as the reader writes them. What is not recognised is
read out as it stands, marked as English. tests/web/test_record_words.py looks for sentences that
the code writes and that are missing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from flask import Flask
from flask_babel import LazyString, gettext, ngettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from app.domain.municipalities import MUNICIPALITIES, municipality_names
from app.web.finding_words import FINDINGS
from app.web.formats import day, moment, quantity
from app.web.i18n import current_language
from app.web.labels import label, lane_name
from app.web.reconciliation_words import difference_text
from app.web.wording import (
    actor_name,
    code_text,
    codes_text,
    error_text,
    mass_hold_text,
    outcome_name,
)

# Words, or what makes them of a number and the parts that were found.
_Words: TypeAlias = LazyString | str | Callable[[int, Mapping[str, str]], str]
_AT = r"\d{4}-\d\d-\d\d \d\d:\d\d"
# What stands in braces in the patterns below, by how its name begins.
_GROUPS = {
    "at": rf"{_AT} UTC",
    "on": r"\d{4}-\d\d-\d\d",
    "count": r"\d+",
    "since": r"\d{4}-\d\d-\d\dT\d\d:\d\d\+\d\d:\d\d",
    "moment": r"\d{4}-\d\d-\d\dT[\d:.]+\+\d\d:\d\d",
    "error": "Retryable|Rejected|LaneDown|UnknownOutcome|ContractBroken",
    "fault": "[A-Z]+(?:_[A-Z]+)+",
    "ours": r"[A-Za-z]+(?:Error|Exception|Warning|Exit|Interrupt)",
}
_ALARMS: tuple[tuple[str, _Words], ...] = (
    (
        "{count} orders are sent and not acknowledged, the oldest since {at}.",
        lambda count, told: ngettext(
            "%(count)s order is sent and not acknowledged, since %(at)s.",
            "%(count)s orders are sent and not acknowledged, the oldest since %(at)s.",
            count,
            **told,
        ),
    ),
    ("{count} wait, the oldest since {at}.", _l("%(count)s wait, the oldest since %(at)s.")),
    ("{count} will not be tried again.", _l("%(count)s will not be tried again.")),
    (
        "Of {count} calls nobody knows whether they reached the receiver.",
        lambda count, told: ngettext(
            "Of %(count)s call nobody knows whether it reached the receiver.",
            "Of %(count)s calls nobody knows whether they reached the receiver.",
            count,
            **told,
        ),
    ),
    (
        "{count} received messages wait for a person, the first is number {number}.",
        lambda count, told: ngettext(
            "%(count)s received message waits for a person: number %(number)s.",
            "%(count)s received messages wait for a person, the first is number %(number)s.",
            count,
            **told,
        ),
    ),
    ("The circuit opened: {why}", _l("The circuit opened: %(why)s")),
    (
        "Redis does not answer: each worker looks for itself, more slowly.",
        _l("Redis does not answer: each worker looks for itself, more slowly."),
    ),
    ("{rule}: {value}, the limit is {limit}.", _l("%(rule)s: %(value)s, the limit is %(limit)s.")),
    ("No runner drains this zone.", _l("No runner drains this zone.")),
    (
        "No runner of this zone was heard of since {at}.",
        _l("No runner of this zone was heard of since %(at)s."),
    ),
    (
        "It holds {count} items and was heard of last at {at}; only its journal knows what became of"
        " them.",
        lambda count, told: ngettext(
            "It holds %(count)s item and was heard of last at %(at)s; only its journal knows what"
            " became of it.",
            "It holds %(count)s items and was heard of last at %(at)s; only its journal knows what"
            " became of them.",
            count,
            **told,
        ),
    ),
    (
        "Fields that no rule reads: {fields} ({count} times)",
        lambda count, told: ngettext(
            "Fields that no rule reads: %(fields)s (%(count)s time)",
            "Fields that no rule reads: %(fields)s (%(count)s times)",
            count,
            **told,
        ),
    ),
    ("Its newest list is of {at}.", _l("Its newest list is of %(at)s.")),
    (
        "It has given no list since {at}.",
        _l("It has given no list since %(at)s."),
    ),
    (
        "Nobody could be reminded of the visit: {ours}.",
        _l("Nobody could be reminded of the visit: a fault of ours (%(ours)s)."),
    ),
    (
        "This program cannot run {bundles}: {why}",
        _l("This program cannot run %(bundles)s: %(why)s"),
    ),
    ("No partition reaches {on}.", _l("No partition reaches %(on)s.")),
    (
        "Rows lie in the default partition, outside of every month.",
        _l("Rows lie in the default partition, outside of every month."),
    ),
    (
        "The estimate {at} has passed without an update.",
        _l("The estimate %(at)s has passed without an update."),
    ),
    (
        "Meters or customers report no power, and nobody has confirmed or dismissed it.",
        _l("Meters or customers report no power, and nobody has confirmed or dismissed it."),
    ),
    (
        "A customer at {gsrn} has no power although the fault was reported as over.",
        _l("A customer at %(gsrn)s has no power although the fault was reported as over."),
    ),
    (
        "{kind} about {subject} would reach about {count} metering points and waits for a second"
        " person.",
        _l(
            "%(kind)s about %(subject)s would reach about %(count)s metering points and waits for a"
            " second person."
        ),
    ),
    (
        "The power is off since {at} and no end was reported.",
        _l("The power is off since %(at)s and no end was reported."),
    ),
    ("Stopped by {who}: {why}", _l("Stopped by %(who)s: %(why)s")),
    ("{partner} reported {code} at {gsrn}.", _l("%(partner)s reported %(code)s at %(gsrn)s.")),
    (
        "Notice {number} did not arrive, and no other text could be made of it.",
        _l("Message %(number)s did not arrive, and no other text could be made of it."),
    ),
    (
        "{count} differences, the oldest since {at}.",
        lambda count, told: ngettext(
            "%(count)s difference, since %(at)s.",
            "%(count)s differences, the oldest since %(at)s.",
            count,
            **told,
        ),
    ),
    (
        "The money for this hour is spent; messages wait for the next or for more.",
        _l("The money for this hour is spent; messages wait for the next or for more."),
    ),
    (
        "The money for this day is spent; messages wait for the next or for more.",
        _l("The money for this day is spent; messages wait for the next or for more."),
    ),
    (
        "{mass}: {count} items, {hold}",
        lambda count, told: ngettext(
            "%(mass)s: %(count)s item. %(hold)s",
            "%(mass)s: %(count)s items. %(hold)s",
            count,
            **told,
        ),
    ),
    (
        "Nobody has approved the draft; soon it is too late to announce it in time.",
        _l("Nobody has approved the draft; soon it is too late to announce it in time."),
    ),
    (
        "It is approved, but can be announced only later than two working days ahead.",
        _l("It is approved, but can be announced only later than two working days ahead."),
    ),
    (
        "It should have begun at {at} and nobody has been told of it.",
        _l("It should have begun at %(at)s and nobody has been told of it."),
    ),
    (
        "It should have ended at {at} and nobody has reported the end.",
        _l("It should have ended at %(at)s and nobody has reported the end."),
    ),
    ("The DMS wants it changed: {why}.", _l("The DMS wants it changed: %(why)s.")),
    (
        "The completion was taken back after others had been told: {lanes}.",
        _l("The completion was taken back after others had been told: %(lanes)s."),
    ),
    (
        "The DMS reports that it has begun, although it was cancelled and people were told.",
        _l("The DMS reports that it has begun, although it was cancelled and people were told."),
    ),
    (
        "The public status cannot be written: {why}.",
        _l("The public status cannot be written: %(why)s."),
    ),
    (
        "The clock could not do what is due: {ours}.",
        _l("The clock could not do what is due: a fault of ours (%(ours)s)."),
    ),
    ("{error}: {why}", "%(error)s: %(why)s"),
    ("{fault}: {why}", "%(fault)s: %(why)s"),
    ("{mass}: {ours}", _l("%(mass)s: a fault of ours (%(ours)s)")),
    ("{ours}", _l("A fault of ours (%(ours)s)")),
)
_ROUTES: tuple[tuple[str, _Words], ...] = (
    (
        "Rule {rule} sends {what} to {partner}. But {reason_why}",
        _l("Rule %(rule)s sends it to %(partner)s (%(what)s). But %(reason_why)s"),
    ),
    (
        "Rule {rule} sends {what} to {partner}.",
        _l("Rule %(rule)s sends it to %(partner)s (%(what)s)."),
    ),
    ("There is no routing rule at all.", _l("There is no routing rule at all.")),
    (
        "No rule fits. The nearest one, {rule}, does not because {misses}.",
        _l("No rule fits. The nearest one is %(rule)s, but %(misses)s."),
    ),
    (
        "{partner} has been told of this revision that it is called off, and would ignore it: the CIS"
        " has to send a new revision.",
        _l(
            "%(partner)s has been told of this revision that it is called off, and would ignore it:"
            " the CIS has to send a new revision."
        ),
    ),
    (
        "this program cannot run the bundle of {partner}: {why}.",
        _l("this program cannot run the bundle of %(partner)s: %(why)s."),
    ),
    (
        "{partner} has no bundle in force for orders.",
        _l("%(partner)s has no bundle in force for orders."),
    ),
    (
        "the bundle of {partner} cannot write it: {why}.",
        _l("the bundle of %(partner)s cannot write it: %(why)s."),
    ),
    ("it lacks what {partner} needs: {why}.", _l("it lacks what %(partner)s needs: %(why)s.")),
)
_CAUSES: tuple[tuple[str, _Words], ...] = (
    ("partner has it", _l("The contractor has it")),
    ("partner refused it: {why}", _l("The contractor refused it: %(why)s")),
    ("CIS {verdict}: {reason}", _l("CIS %(verdict)s: %(reason)s")),
    ("rules {number}: {reason}", _l("Version %(number)s of the rules: %(reason)s")),
    ("{partner} reported {state} (ack {ack})", _l("%(partner)s reported: %(state)s")),
    ("every system has been told", _l("All systems have been told")),
)
# The parts of a rule that an order met, and what kept the nearest rule from fitting.
_MATCHES: tuple[tuple[str, _Words], ...] = (
    ("order type {type}", _l("order type %(type)s")),
    ("municipality {area}", _l("municipality %(area)s")),
    ("meter model {model}", _l("meter model %(model)s")),
    ("orders of a mass order", _l("orders of mass orders")),
    ("single orders", _l("single orders")),
    ("every order", _l("every order")),
)
_MISSES: tuple[tuple[str, _Words], ...] = (
    (
        "it is for order type {wanted} and the order has {has}",
        _l("it is for order type %(wanted)s and the order has %(has)s"),
    ),
    (
        "it is for municipality {wanted_area} and the order names none",
        _l("it is for municipality %(wanted_area)s and the order names none"),
    ),
    (
        "it is for municipality {wanted_area} and the order has {area}",
        _l("it is for municipality %(wanted_area)s and the order has %(area)s"),
    ),
    (
        "it is for meter model {wanted} and the order names none",
        _l("it is for meter model %(wanted)s and the order names none"),
    ),
    (
        "it is for meter model {wanted} and the order wants {has}",
        _l("it is for meter model %(wanted)s and the order wants %(has)s"),
    ),
    ("it is for orders of a mass order only", _l("it is for orders of mass orders only")),
    ("it is for single orders only", _l("it is for single orders only")),
    (
        "partner {partner} does not take order type {has}",
        _l("contractor %(partner)s does not take order type %(has)s"),
    ),
    ("it begins only at {since}", _l("it begins only at %(since)s")),
    ("it ended at {since}", _l("it ended at %(since)s")),
)
_PARTS = re.compile(r"\{(\w+)\}")
_OR_MORE = re.compile(r"(.*) or (\d+) more")
_AND_MORE = re.compile(r"(.*) and (\d+) more")
_ALL_CODES = re.compile(r"[A-Z]+(?:_[A-Z]+)*(?:, [A-Z]+(?:_[A-Z]+)*)*")


def init(app: Flask) -> None:
    """Give the templates this word."""
    app.add_template_global(record_text)


def record_text(sentence: str | None) -> Markup:
    """A sentence of a record in the reader's language; as it stands and marked, if nobody knows it."""
    if not sentence:
        return Markup("")
    words, known = read_out(sentence)
    if known or current_language() == "en":
        return escape(words)
    return Markup('<span lang="en">{}</span>').format(words)


def read_out(sentence: str) -> tuple[str, bool]:
    """The same as plain text, and whether it is in the reader's language."""
    for pattern, words in _COMPILED:
        found = pattern.fullmatch(sentence)
        if found is not None:
            return _said(words, found.groupdict()), True
    return sentence, False


def _said(words: _Words, parts: Mapping[str, str]) -> str:
    told = {name: _read(name, part) for name, part in parts.items()}
    if not isinstance(words, LazyString | str):
        return words(int(parts["count"]), told)
    return str(words) % told if told else str(words)


def _read(name: str, part: str) -> str:
    reader = _READERS.get(name) or _READERS.get(name.partition("_")[0])
    return reader(part) if reader is not None else part


def _listed(text: str, table: tuple[tuple[str, _Words], ...], mark: str = " and ") -> str:
    """Parts that a sentence joins, each in the reader's language."""
    told = []
    for part in text.split(mark):
        found = next(
            (
                _said(words, match.groupdict())
                for pattern, words in _COMPILED_PARTS[id(table)]
                if (match := pattern.fullmatch(part)) is not None
            ),
            part,
        )
        told.append(found)
    return ", ".join(told)


def _reason(text: str) -> str:
    """A sentence within another one, or the codes of what was wrong."""
    if _ALL_CODES.fullmatch(text):
        return codes_text(text)
    return read_out(text)[0]


def _number(text: str) -> str:
    return text if current_language() == "en" else text.replace(".", ",")


def _wanted(text: str) -> str:
    return _more(text, _OR_MORE).replace(" or ", ", ")


def _more(text: str, pattern: re.Pattern[str]) -> str:
    more = pattern.fullmatch(text)
    if more is None:
        return text
    return gettext("%(first)s and %(count)s more", first=more[1], count=more[2])


def _areas(text: str) -> str:
    """Municipalities by name where their codes are known."""
    return re.sub(r"\b\d{3}\b", lambda found: _area(found[0]), _wanted(text))


def _area(code: str) -> str:
    if code not in MUNICIPALITIES:
        return code
    return municipality_names(code).in_language(current_language())


def _compiled(sentence: str) -> re.Pattern[str]:
    """A sentence with names in braces as a pattern that finds what stood there."""
    pieces = _PARTS.split(sentence)
    pattern = ""
    for place, piece in enumerate(pieces):
        if place % 2:
            kind = piece.partition("_")[0]
            pattern += f"(?P<{piece}>{_GROUPS.get(kind, '.+?')})"
        else:
            pattern += re.escape(piece)
    return re.compile(pattern, re.DOTALL)


_READERS: Mapping[str, Callable[[str], str]] = {
    "at": lambda text: moment(datetime.strptime(text, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)),
    "area": _areas,
    "since": lambda text: moment(datetime.fromisoformat(text)),
    "on": lambda text: day(datetime.fromisoformat(text).date()),
    "count": lambda text: quantity(int(text)),
    "code": code_text,
    "codes": codes_text,
    "error": error_text,
    "hold": mass_hold_text,
    "lanes": lambda text: ", ".join(lane_name(one) for one in text.split(", ")),
    "who": actor_name,
    "fault": lambda text: difference_text("fault", text),
    "fields": lambda text: _more(text, _AND_MORE),
    "kind": lambda text: str(label("notice_type", text).text),
    "limit": _number,
    "moment": lambda text: moment(datetime.fromisoformat(text), seconds=True),
    "order": lambda text: str(label("work_order", text).text),
    "reason": _reason,
    "state": lambda text: str(label("ack_type", text).text),
    "stock": lambda text: str(label("meter", text).text),
    "value": _number,
    "verdict": outcome_name,
    "wanted": _wanted,
    "wanted_area": _areas,
    "what": lambda text: _listed(text, _MATCHES),
    "misses": lambda text: _listed(text, _MISSES, ", and "),
}
_COMPILED = tuple(
    (_compiled(one), words) for one, words in (*_ROUTES, *_CAUSES, *FINDINGS, *_ALARMS)
)
_COMPILED_PARTS = {
    id(table): tuple((_compiled(one), words) for one, words in table)
    for table in (_MATCHES, _MISSES)
}
