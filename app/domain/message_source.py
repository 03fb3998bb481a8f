"""Reads texts of notices from TOML, the form in which they are shipped."""

from __future__ import annotations

import tomllib
from typing import Any

from app.domain.languages import Language
from app.domain.message_checks import check_message
from app.domain.message_text import MessageSet, MessageText, TemplateError
from app.domain.notice_types import NoticeType


def parse_message(kind: NoticeType, body: bytes) -> MessageSet:
    """Read one kind's texts: a table per language with sms, subject, email_lines and facts.

    sms_one_way is there where sms asks for an answer.

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
    found = tuple(fault.sentence() for fault in check_message(kind, message))
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


def _message_text(language: Language, table: Any) -> MessageText:
    try:
        one_way = table.get("sms_one_way")
        return MessageText(
            sms=_line(table["sms"]),
            subject=_line(table["subject"]),
            email_lines=tuple(_line(line) for line in table["email_lines"]),
            facts=tuple((_line(label), _line(value)) for label, value in table["facts"]),
            sms_one_way=None if one_way is None else _line(one_way),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"The text in {language} lacks sms, subject, email_lines or facts: {error}."
        raise TemplateError((problem,)) from error


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise ValueError("a text must be one line and not empty")
    return value


_LANGUAGES = frozenset(Language)
