"""The texts that customers read: templates with ((placeholders)), in three languages together.

Staff can edit them, so they know nothing but placeholders. What makes a set of texts unusable is in
message_checks.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.languages import Language
from app.domain.sms_text import SmsSize, plain_sms, sms_parts


class TemplateError(Exception):
    """A text cannot be used: show `problems` to whoever wrote it, send nothing."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class MessageText:
    """One kind of notice in one language; facts are the rows of the e-mail's table.

    sms_one_way: what leaves instead of sms from a sender that cannot be answered; None where sms
    asks for no answer.
    """

    sms: str
    subject: str
    email_lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sms_one_way: str | None = None

    def sms_for(self, *, takes_replies: bool) -> str:
        """The text message for a sender that can or cannot be answered."""
        return self.sms if takes_replies or self.sms_one_way is None else self.sms_one_way

    def email_texts(self) -> tuple[str, ...]:
        """Everything in the e-mail that may hold placeholders."""
        return (self.subject, *self.email_lines, *(cell for row in self.facts for cell in row))

    def all_texts(self) -> tuple[str, ...]:
        """Everything in it that may hold placeholders."""
        one_way = () if self.sms_one_way is None else (self.sms_one_way,)
        return (self.sms, *one_way, *self.email_texts())


MessageSet = Mapping[Language, MessageText]


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message as it leaves, and its weight."""

    body: str
    size: SmsSize


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
    if text.isprintable() and "  " not in text and text == text.strip():
        return text
    visible = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    return " ".join(visible.split())


def render_sms(
    message: MessageSet,
    language: Language,
    values: Mapping[str, str],
    *,
    takes_replies: bool = False,
) -> Sms:
    """The text message that leaves; it is never cut, however many parts it takes (REQ-25)."""
    text = message[language].sms_for(takes_replies=takes_replies)
    body = plain_sms(render(text, values))
    return Sms(body, sms_parts(body))


def without_placeholders(text: str) -> str:
    """The words of a text, for checks that look at what somebody wrote."""
    return _PLACEHOLDER.sub("x", text)


_PLACEHOLDER = re.compile(r"\(\(([a-z][a-z0-9_]*)\)\)")
