"""What a set of texts looks like and weighs before it is used: the editor's preview (REQ-25)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.languages import Language
from app.domain.message_text import MessageText, TemplateError, render, render_sms
from app.domain.notice_types import NoticeType
from app.domain.sample_facts import Sample, sample_values
from app.domain.sms_text import Encoding, SmsSize, foreign_to_gsm7

PARTS_USUAL = 1
PARTS_MAX = 2


class Concern(StrEnum):
    """What makes a text message dearer than it need be; it may be used all the same.

    FOREIGN_SIGNS: letters outside the GSM alphabet more than halve what fits into a part.
    """

    FOREIGN_SIGNS = "FOREIGN_SIGNS"
    USUAL_TOO_LONG = "USUAL_TOO_LONG"
    LONGEST_TOO_LONG = "LONGEST_TOO_LONG"


@dataclass(frozen=True, slots=True)
class SmsPreview:
    """One text message with one set of values; foreign: the signs that force another encoding."""

    sample: Sample
    takes_replies: bool
    body: str
    size: SmsSize
    foreign: tuple[str, ...]

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What to say about it."""
        found = []
        if self.size.encoding is Encoding.UCS2:
            found.append(Concern.FOREIGN_SIGNS)
        if self.sample is Sample.TYPICAL and self.size.parts > PARTS_USUAL:
            found.append(Concern.USUAL_TOO_LONG)
        if self.sample is Sample.WORST and self.size.parts > PARTS_MAX:
            found.append(Concern.LONGEST_TOO_LONG)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class EmailPreview:
    """The e-mail with usual values."""

    subject: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """One language; parts that cannot be filled in are left out, and the checks say why."""

    language: Language
    sms: tuple[SmsPreview, ...]
    email: EmailPreview | None


def preview_text(
    kind: NoticeType, language: Language, text: MessageText, *, brand: str, phone: str
) -> Preview:
    """Fill one language's texts with usual values and with the longest."""
    values = {
        sample: sample_values(kind, language, sample, brand=brand, phone=phone) for sample in Sample
    }
    variants = (True,) if text.sms_one_way is None else (True, False)
    found = []
    for takes_replies in variants:
        for sample in Sample:
            try:
                sms = render_sms(
                    {language: text}, language, values[sample], takes_replies=takes_replies
                )
            except TemplateError:
                continue
            foreign = foreign_to_gsm7(sms.body)
            found.append(SmsPreview(sample, takes_replies, sms.body, sms.size, foreign))
    return Preview(language, tuple(found), _email(text, values[Sample.TYPICAL]))


def _email(text: MessageText, values: dict[str, str]) -> EmailPreview | None:
    try:
        return EmailPreview(
            render(text.subject, values),
            tuple(render(line, values) for line in text.email_lines),
            tuple((render(label, values), render(value, values)) for label, value in text.facts),
        )
    except TemplateError:
        return None
