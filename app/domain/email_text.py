"""E-mail versions of the notices: the same facts as the text message, as plain text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from app.domain.languages import Language
from app.domain.message_source import parse_tables
from app.domain.message_text import MessageSet, TemplateError, placeholders, render

# By language, the lines below every e-mail: why it came and how to change or stop such messages.
EmailFooter = Mapping[Language, tuple[str, ...]]

_FOOTER_PLACEHOLDERS = frozenset({"brand", "phone"})


@dataclass(frozen=True, slots=True)
class Email:
    """One e-mail as it leaves."""

    subject: str
    text: str
    html: str


def parse_footer(body: bytes) -> EmailFooter:
    """Read the footer from TOML: a table per language with lines.

    Raises: TemplateError -> the footer is not usable.
    """
    tables = parse_tables(body)
    footer: dict[Language, tuple[str, ...]] = {}
    for language in Language:
        lines = tables.get(language, {}).get("lines")
        if not lines or not all(isinstance(line, str) and line for line in lines):
            raise TemplateError((f"There is no footer in {language}.",))
        unknown = frozenset().union(*map(placeholders, lines)) - _FOOTER_PLACEHOLDERS
        if unknown:
            raise TemplateError((f"The footer in {language} has unknown placeholders.",))
        footer[language] = tuple(lines)
    return footer


def render_email(
    message: MessageSet, footer: EmailFooter, language: Language, values: Mapping[str, str]
) -> Email:
    """Build an e-mail whose facts stand in words, never only in a picture or a colour."""
    text = message[language]
    subject = render(text.subject, values)
    lines = [render(line, values) for line in text.email_lines]
    facts = [(render(label, values), render(value, values)) for label, value in text.facts]
    closing = [render(line, values) for line in footer[language]]
    return Email(
        subject,
        _plain(lines, facts, closing),
        _html(language, subject, lines, facts, closing),
    )


def _plain(lines: list[str], facts: list[tuple[str, str]], closing: list[str]) -> str:
    table = "\n".join(f"{label}: {value}" for label, value in facts)
    return "\n\n".join([*lines, table, "\n".join(closing)]) + "\n"


def _html(
    language: Language,
    subject: str,
    lines: list[str],
    facts: list[tuple[str, str]],
    closing: list[str],
) -> str:
    title = escape(subject)
    paragraphs = "\n".join(f"<p>{escape(line)}</p>" for line in lines)
    rows = "\n".join(
        f'<tr><th scope="row" style="{_HEAD}">{escape(label)}</th>'
        f'<td style="{_CELL}">{escape(value)}</td></tr>'
        for label, value in facts
    )
    small = "\n".join(f'<p style="{_SMALL}">{escape(line)}</p>' for line in closing)
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
</head>
<body style="{_BODY}">
<h1 style="{_TITLE}">{title}</h1>
{paragraphs}
<table style="border-collapse:collapse">
{rows}
</table>
{small}
</body>
</html>
"""


# Mail programs drop style sheets, so each element carries its own style.
_BODY = "margin:24px;max-width:36em;font:16px/1.5 Arial,sans-serif;color:#1d1d1d;background:#fff"
_TITLE = "font-size:22px;line-height:1.3"
_HEAD = "text-align:left;vertical-align:top;padding:4px 16px 4px 0;font-weight:bold"
_CELL = "padding:4px 0"
_SMALL = "font-size:14px;color:#4a4a4a"
