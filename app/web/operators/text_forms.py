"""The form in which staff write the texts of one kind, all languages side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, StringField, TextAreaField, ValidationError
from wtforms.validators import Length

from app.domain.languages import Language
from app.domain.message_text import MessageSet, MessageText

SMS_MAX_CHARS = 500
LINE_MAX_CHARS = 600
LINES_MAX_COUNT = 12


class TextForm(FlaskForm):
    """What everybody writes once; the fields of each language are added below."""

    note = StringField(
        _l("What changes and why"), [Length(max=300, message=_l("Use 300 characters at most"))]
    )
    service_only = BooleanField(_l("It is about the service only and advertises nothing"))
    base = HiddenField()
    seen_at = HiddenField()

    def part(self, name: str, language: str) -> Field:
        """One field of one language."""
        return self[f"{name}_{language}"]

    def has_faults(self, language: str) -> bool:
        """Whether a field of the language has to be mended."""
        return any(self.part(name, language).errors for name in PART_NAMES)


def _check_lines(_form: FlaskForm, field: Field) -> None:
    lines = _lines(field.data)
    if len(lines) > LINES_MAX_COUNT:
        raise ValidationError(gettext("Use %(count)s lines at most", count=LINES_MAX_COUNT))
    if any(len(line) > LINE_MAX_CHARS for line in lines):
        raise ValidationError(
            gettext("Use %(count)s characters a line at most", count=LINE_MAX_CHARS)
        )


def _check_facts(form: FlaskForm, field: Field) -> None:
    _check_lines(form, field)
    for line in _lines(field.data):
        if not all(part.strip() for part in line.partition(": ")):
            raise ValidationError(
                gettext("Write each fact as “Name: value”; this is none: %(line)s", line=line)
            )


_TOO_LONG = Length(max=SMS_MAX_CHARS, message=_l("Use 500 characters at most"))
PART_NAMES = ("sms", "one_way", "subject", "lines", "facts")
for _language in Language:
    for _name, _field in {
        "sms": TextAreaField(_l("Text message"), [_TOO_LONG]),
        "one_way": TextAreaField(_l("Text message where nobody can answer"), [_TOO_LONG]),
        "subject": StringField(
            _l("Subject of the e-mail"), [Length(max=150, message=_l("Use 150 characters at most"))]
        ),
        "lines": TextAreaField(_l("Paragraphs of the e-mail, one a line"), [_check_lines]),
        "facts": TextAreaField(_l("Facts of the e-mail, one a line"), [_check_facts]),
    }.items():
        setattr(TextForm, f"{_name}_{_language}", _field)


def form_for(
    texts: MessageSet, *, note: str, service_only: bool, base: int, seen_at: datetime | None
) -> TextForm:
    """The form as it stands when somebody begins to write."""
    data: dict[str, Any] = {
        "note": note,
        "service_only": service_only,
        "base": str(base),
        "seen_at": seen_at.isoformat() if seen_at else "",
    }
    for language in Language:
        text = texts.get(language)
        if text is not None:
            data |= {
                f"sms_{language}": text.sms,
                f"one_way_{language}": text.sms_one_way or "",
                f"subject_{language}": text.subject,
                f"lines_{language}": "\n".join(text.email_lines),
                f"facts_{language}": "\n".join(f"{label}: {value}" for label, value in text.facts),
            }
    return TextForm(data=data)


def texts_of(form: TextForm) -> MessageSet:
    """The texts as they are written now, whole or not."""
    return {language: _text_of(form, language) for language in Language}


def seen_at_of(form: TextForm) -> datetime | None:
    """Which state of the draft the writer saw; what somebody made up counts as none."""
    try:
        return datetime.fromisoformat(form.seen_at.data or "")
    except ValueError:
        return None


def base_of(form: TextForm) -> int:
    """The version that it is made from."""
    number = form.base.data or ""
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 0


def _text_of(form: TextForm, language: Language) -> MessageText:
    def written(name: str) -> str:
        return form.part(name, language).data or ""

    facts = [line.partition(": ") for line in _lines(written("facts"))]
    return MessageText(
        sms=_one_line(written("sms")),
        subject=_one_line(written("subject")),
        email_lines=tuple(_lines(written("lines"))),
        facts=tuple((label.strip(), value.strip()) for label, _, value in facts),
        sms_one_way=_one_line(written("one_way")) or None,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _lines(text: str | None) -> list[str]:
    return [one for line in (text or "").splitlines() if (one := _one_line(line))]
