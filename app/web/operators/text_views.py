"""What the pages about texts show of a set of them: previews, faults and changes."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from app.domain.languages import Language
from app.domain.message_preview import Preview, preview_text
from app.domain.message_text import MessageSet, MessageText
from app.domain.notice_types import NoticeType
from app.domain.sender_profiles import TWO_WAY_KINDS, Sender, sender_for
from app.domain.text_diff import Change, Stretch, compare_words
from app.settings import Settings
from app.web.text_words import PARTS


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of one language that reads otherwise than before."""

    language: Language
    part: str
    stretches: tuple[Stretch, ...]


def settings() -> Settings:
    """The settings of this installation."""
    found: Settings = current_app.extensions["tiedolla_settings"]
    return found


def sender(kind: NoticeType) -> Sender:
    """Whom text messages of the kind come from here."""
    return sender_for(kind, settings().sms_senders)


def may_ask(kind: NoticeType) -> bool:
    """Whether texts of the kind may ask for an answer, and so come in two variants."""
    return kind in TWO_WAY_KINDS


def previews(kind: NoticeType, texts: MessageSet) -> list[Preview]:
    """Each language with usual values and with the longest."""
    return [
        preview_text(
            kind,
            language,
            texts[language],
            brand=settings().brand,
            phone=settings().customer_service_phone,
        )
        for language in Language
        if language in texts
    ]


def differences(old: MessageSet, new: MessageSet) -> list[Difference]:
    """What reads otherwise, part by part; nothing where all is the same."""
    found = []
    for language in Language:
        for part in ("sms", "sms_one_way", "subject", "email_lines", "facts"):
            before, after = _words(old.get(language), part), _words(new.get(language), part)
            if before != after:
                found.append(Difference(language, part, compare_words(before, after)))
    return found


def part_name(part: str) -> str:
    """What a part is called; the variant of a text message shares its name."""
    return str(PARTS[part.removesuffix("_one_way")])


def _words(text: MessageText | None, part: str) -> str:
    if text is None:
        return ""
    if part == "email_lines":
        return "\n".join(text.email_lines)
    if part == "facts":
        return "\n".join(f"{label}: {value}" for label, value in text.facts)
    return str(getattr(text, part) or "")


__all__ = ["Change", "Difference", "differences", "may_ask", "part_name", "previews", "sender"]
