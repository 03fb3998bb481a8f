"""Texts of notices as they are kept in the database; what is missing reads as not written yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.languages import Language
from app.domain.message_text import MessageSet, MessageText


def texts_to_json(texts: MessageSet) -> dict[str, Any]:
    """The set as JSON, by language."""
    return {
        language.value: {
            "sms": text.sms,
            "sms_one_way": text.sms_one_way,
            "subject": text.subject,
            "email_lines": list(text.email_lines),
            "facts": [list(row) for row in text.facts],
        }
        for language, text in texts.items()
    }


def texts_from_json(body: Mapping[str, Any]) -> MessageSet:
    """The set that texts_to_json made; always all languages, so that a draft can be shown."""
    return {language: _text(body.get(language, {})) for language in Language}


def _text(part: Mapping[str, Any]) -> MessageText:
    return MessageText(
        sms=str(part.get("sms") or ""),
        subject=str(part.get("subject") or ""),
        email_lines=tuple(str(line) for line in part.get("email_lines") or ()),
        facts=tuple((str(label), str(value)) for label, value in part.get("facts") or ()),
        sms_one_way=part.get("sms_one_way") or None,
    )
