"""Letters as a PDF for the printer: A4, one page each, the receiver where the window is.

The font is embedded and has the letters of Finnish and Swedish; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from io import BytesIO
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, Spacer

from app.services.letters import PrintableLetter

_FONT, _BOLD = "Vera", "VeraBd"
_LEFT, _RIGHT, _FOOT = 20 * mm, 20 * mm, 20 * mm
# The window of a C5 or C65 envelope: 20 mm from the left, from 45 mm below the top edge on.
_SENDER_FROM_TOP, _WINDOW_FROM_TOP, _DATE_FROM_TOP = 18 * mm, 50 * mm, 50 * mm
_TEXT_FROM_TOP = 98 * mm
_LINE = 13.5
_BODY = ParagraphStyle("body", fontName=_FONT, fontSize=10.5, leading=15)
_SMALLER = ParagraphStyle("smaller", parent=_BODY, fontSize=8.5, leading=11.5)
_HEAD = ParagraphStyle("head", parent=_BODY, fontName=_BOLD, fontSize=13, leading=17)


def build_pdf(letters: Sequence[PrintableLetter], sender: Sequence[str], day: date) -> bytes:
    """One page per letter; day: the date on the paper."""
    for name in (_FONT, _BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1)
    canvas.setTitle(sender[0] if sender else "")
    canvas.setCreator("Tiedolla")
    for letter in letters:
        _page(canvas, letter, sender, day)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _page(canvas: Canvas, letter: PrintableLetter, sender: Sequence[str], day: date) -> None:
    width, height = A4
    _lines(canvas, sender, height - _SENDER_FROM_TOP, 9)
    _lines(canvas, letter.receiver, height - _WINDOW_FROM_TOP, 10.5)
    canvas.setFont(_FONT, 10.5)
    # Written alike in the three languages.
    canvas.drawRightString(
        width - _RIGHT, height - _DATE_FROM_TOP, f"{day.day}.{day.month}.{day.year}"
    )
    room = height - _TEXT_FROM_TOP - _FOOT
    story = _story(letter, _BODY)
    if _height(story, width) > room:
        # A letter is one sheet; a long list of facts is set smaller before anything is lost.
        story = _story(letter, _SMALLER)
    top = height - _TEXT_FROM_TOP
    for part in story:
        _, tall = part.wrap(width - _LEFT - _RIGHT, room)
        part.drawOn(canvas, _LEFT, top - tall)
        top -= tall
    canvas.setFont(_FONT, 7.5)
    canvas.drawString(_LEFT, 12 * mm, f"{letter.id}")


def _story(letter: PrintableLetter, style: ParagraphStyle) -> list[Flowable]:
    story: list[Flowable] = [Paragraph(escape(letter.subject), _HEAD), Spacer(0, 10)]
    for paragraph in letter.body.split("\n\n"):
        story.append(Paragraph(escape(paragraph).replace("\n", "<br/>"), style))
        story.append(Spacer(0, style.leading * 0.6))
    return story


def _height(story: Sequence[Flowable], width: float) -> float:
    return float(sum(part.wrap(width - _LEFT - _RIGHT, A4[1])[1] for part in story))


def _lines(canvas: Canvas, lines: Sequence[str], top: float, size: float) -> None:
    canvas.setFont(_FONT, size)
    for number, line in enumerate(lines):
        canvas.drawString(_LEFT, top - number * _LINE, line)
