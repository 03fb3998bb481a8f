"""The letter version of a notice: the facts of its e-mail, without what only e-mails need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.languages import Language, Names
from app.domain.message_text import MessageSet, render

_QUESTIONS = Names(
    "Kysymyksiin vastaa asiakaspalvelumme, puh. {phone}.",
    "Vår kundtjänst svarar på frågor, tfn {phone}.",
    "Our customer service answers questions, tel. {phone}.",
)
# To whom it goes where nobody's name may stand beside the address, or none is known.
OCCUPANT = Names("Käyttöpaikan haltija", "Innehavaren av förbrukningsplatsen", "The occupant")


@dataclass(frozen=True, slots=True)
class LetterText:
    """What stands on the paper besides sender, receiver and date; paragraphs end in a blank line."""

    subject: str
    body: str


def render_letter(
    message: MessageSet, language: Language, values: Mapping[str, str], *, phone: str
) -> LetterText:
    """Build the text of a letter.

    Raises: TemplateError -> a value is missing; nothing may be printed.
    """
    text = message[language]
    paragraphs = [render(line, values) for line in text.email_lines]
    facts = [f"{render(name, values)}: {render(value, values)}" for name, value in text.facts]
    closing = _QUESTIONS.in_language(language).format(phone=phone)
    return LetterText(
        render(text.subject, values), "\n\n".join([*paragraphs, "\n".join(facts), closing])
    )
