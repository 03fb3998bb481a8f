"""The texts that customers read: templates with ((placeholders)), in three languages together.

Staff can edit them, so they know nothing but placeholders. A text is only usable as a whole set:
a missing language, one that repeats another, or placeholders that differ are faults of the set
(REQ-24), as are links, because nobody should learn to follow links in our name (REQ-28).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.languages import Language
from app.domain.notice_types import NoticeType
from app.domain.sms_text import SmsSize, plain_sms, sms_parts

ALLOWED_PLACEHOLDERS: Mapping[NoticeType, frozenset[str]] = {
    NoticeType.METER_SWAP_STARTED: frozenset({"brand", "addr", "date", "t1", "phone"}),
    NoticeType.METER_SWAP_DONE: frozenset({"brand", "addr", "date", "t2", "phone"}),
    NoticeType.METER_SWAP_FAILED: frozenset({"brand", "addr", "date", "reason", "phone"}),
}
# Without these the text message does not say who, where and what.
REQUIRED_IN_SMS: Mapping[NoticeType, frozenset[str]] = {
    NoticeType.METER_SWAP_STARTED: frozenset({"brand", "addr", "t1"}),
    NoticeType.METER_SWAP_DONE: frozenset({"brand", "addr", "t2", "phone"}),
    NoticeType.METER_SWAP_FAILED: frozenset({"brand", "addr", "date", "reason"}),
}


class TemplateError(Exception):
    """A text cannot be used: show `problems` to whoever wrote it, send nothing."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class MessageText:
    """One kind of notice in one language; facts are the rows of the e-mail's table."""

    sms: str
    subject: str
    email_lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]

    def all_texts(self) -> tuple[str, ...]:
        """Everything in it that may hold placeholders."""
        cells = tuple(cell for row in self.facts for cell in row)
        return (self.sms, self.subject, *self.email_lines, *cells)


MessageSet = Mapping[Language, MessageText]


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message as it leaves, and its weight."""

    body: str
    size: SmsSize


def parse_message(kind: NoticeType, body: bytes) -> MessageSet:
    """Read one kind's texts from TOML: a table per language with sms, subject, email_lines, facts.

    Raises: TemplateError -> the set is not usable; its problems say why, all at once.
    """
    tables = parse_tables(body)
    problems = [
        f"There is no text in {language}." for language in Language if language not in tables
    ]
    problems += [f"{name} is none of our languages." for name in tables if name not in _LANGUAGES]
    if problems:
        raise TemplateError(tuple(problems))
    message = {language: _message_text(language, tables[language]) for language in Language}
    found = tuple(check_message(kind, message))
    if found:
        raise TemplateError(found)
    return message


def parse_tables(body: bytes) -> dict[str, Any]:
    """Read TOML in UTF-8.

    Raises: TemplateError -> the file is not TOML.
    """
    try:
        return tomllib.loads(body.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError((f"The file cannot be read: {error}.",)) from error


def check_message(kind: NoticeType, message: MessageSet) -> Iterator[str]:
    """Yield what keeps a set of texts from being used; shared by shipped and edited texts."""
    allowed, required = ALLOWED_PLACEHOLDERS[kind], REQUIRED_IN_SMS[kind]
    for language, text in message.items():
        used = frozenset().union(*map(placeholders, text.all_texts()))
        for name in sorted(used - allowed):
            yield f"(({name})) in {language} is not known for {kind}."
        for name in sorted(required - placeholders(text.sms)):
            yield f"The text message in {language} lacks (({name}))."
        if any(_LOOSE.search(_PLACEHOLDER.sub("x", part)) for part in text.all_texts()):
            yield f"The text in {language} has brackets that are no placeholder."
        if any(_LINK.search(part) for part in text.all_texts()):
            yield f"The text in {language} has a link."
    yield from _compared(message)


def placeholders(text: str) -> frozenset[str]:
    """The names of the placeholders in a text."""
    return frozenset(_PLACEHOLDER.findall(text))


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders once; what is filled in is never looked at again.

    Raises: TemplateError -> a value is missing; nothing may be sent.
    """
    missing = sorted(placeholders(text) - values.keys())
    if missing:
        raise TemplateError(tuple(f"There is no value for (({name}))." for name in missing))
    return _PLACEHOLDER.sub(lambda found: clean_value(values[found[1]]), text)


def clean_value(value: str) -> str:
    """A value on one line: composed form, no control characters, single spaces."""
    text = unicodedata.normalize("NFC", value)
    visible = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    return " ".join(visible.split())


def render_sms(message: MessageSet, language: Language, values: Mapping[str, str]) -> Sms:
    """The text message that leaves; it is never cut, however many parts it takes."""
    body = plain_sms(render(message[language].sms, values))
    return Sms(body, sms_parts(body))


def _message_text(language: Language, table: Any) -> MessageText:
    try:
        return MessageText(
            sms=_line(table["sms"]),
            subject=_line(table["subject"]),
            email_lines=tuple(_line(line) for line in table["email_lines"]),
            facts=tuple((_line(label), _line(value)) for label, value in table["facts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        problem = f"The text in {language} lacks sms, subject, email_lines or facts: {error}."
        raise TemplateError((problem,)) from error


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise ValueError("a text must be one line and not empty")
    return value


def _compared(message: MessageSet) -> Iterator[str]:
    languages = list(message)
    for place, language in enumerate(languages):
        for other in languages[:place]:
            ours, theirs = message[language], message[other]
            if ours.sms == theirs.sms or ours.subject == theirs.subject:
                yield f"The texts in {other} and {language} are the same."
            if placeholders(ours.sms) != placeholders(theirs.sms):
                yield f"The text messages in {other} and {language} have other placeholders."


_LANGUAGES = frozenset(Language)
_PLACEHOLDER = re.compile(r"\(\(([a-z][a-z0-9_]*)\)\)")
_LOOSE = re.compile(r"\(\(|\)\)")
_LINK = re.compile(r"https?:|www\.|\b[a-z0-9-]+\.(?:fi|com|net|org|io)\b", re.IGNORECASE)
