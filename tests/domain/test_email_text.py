"""E-mail versions of the notices."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.domain.email_text import Email, parse_footer, render_email
from app.domain.languages import Language
from app.domain.message_source import parse_message
from app.domain.message_text import TemplateError
from app.domain.notice_types import NoticeType
from app.domain.sample_facts import Sample, sample_values

MESSAGES = Path(__file__).parents[2] / "templates" / "messages"
FOOTER = (MESSAGES / "EMAIL_FOOTER.toml").read_bytes()
NASTY = "<script>alert(\"x\")</script> & 'Koivutie'"


def test_the_plain_version_reads_well_from_top_to_bottom() -> None:
    mail = email_of(NoticeType.METER_SWAP_DONE, Language.FI)
    assert mail.subject == "Mittarinvaihto valmis klo 10.15"
    assert mail.text == (
        "Sähkömittarisi on vaihdettu ja sähköt on kytketty.\n"
        "\n"
        "Jos sähköä ei ole, tarkista pääkytkin tai soita 010 123 4567.\n"
        "\n"
        "Käyttöpaikka: Koivutie 12 A 3\n"
        "Valmistui: 24.11. klo 10.15\n"
        "\n"
        "Lähettäjä: Verkkoyhtiö. Sait tämän viestin, koska tämä sähköpostiosoite on annettu "
        "tilanneviestejämme varten.\n"
        "Viestien kanavan, kielen ja aiheet voit vaihtaa tai viestit lopettaa omilla sivuillasi tai "
        "asiakaspalvelussa, puh. 010 123 4567.\n"
    )


@pytest.mark.parametrize("kind", list(NoticeType))
@pytest.mark.parametrize("language", list(Language))
def test_both_versions_carry_the_same_facts_in_the_readers_language(
    kind: NoticeType, language: Language
) -> None:
    mail = email_of(kind, language)
    page = Page(mail.html)
    assert page.language == language
    assert page.title == page.heading == mail.subject
    assert page.rows
    for label, value in page.rows:
        assert f"{label}: {value}" in mail.text
    for paragraph in page.paragraphs:
        assert paragraph in mail.text
    assert any("010 123 4567" in paragraph for paragraph in page.paragraphs)
    assert "((" not in mail.text + mail.html + mail.subject


@pytest.mark.parametrize("kind", list(NoticeType))
def test_markup_in_a_value_stays_text(kind: NoticeType) -> None:
    mail = email_of(kind, Language.EN, address=NASTY, brand="<b>&amp;</b>")
    page = Page(mail.html)
    assert page.rows
    if "((addr))" in (MESSAGES / f"{kind}.toml").read_text(encoding="utf-8"):
        assert ("Metering point", NASTY) in page.rows
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert any("<b>&amp;</b>" in paragraph for paragraph in page.paragraphs)


def test_nothing_in_a_value_can_start_a_new_header_line() -> None:
    mail = email_of(NoticeType.METER_SWAP_STARTED, Language.EN, address="x\r\nBcc: y@example.fi")
    assert "\r" not in mail.text + mail.html + mail.subject
    assert "Metering point: x Bcc: y@example.fi" in mail.text
    assert "\n" not in mail.subject


def test_nothing_is_fetched_from_outside() -> None:
    mail = email_of(NoticeType.METER_SWAP_STARTED, Language.FI)
    assert Page(mail.html).tags.isdisjoint({"img", "link", "script", "iframe", "a", "style"})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ((b"[sv]", b"[se]"), "no footer in sv"),
        ((b"((brand))", b"((addr))"), "unknown placeholders"),
        ((b"lines = [", b"rows = ["), "no footer in fi"),
    ],
)
def test_a_footer_with_a_fault_is_not_usable(change: tuple[bytes, bytes], problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        parse_footer(FOOTER.replace(*change))


class Page(HTMLParser):
    """What a reader of the HTML version gets to see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.language: str | None = None
        self.paragraphs: list[str] = []
        self._texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.title, self.heading = self._texts["title"][0], self._texts["h1"][0]
        self.paragraphs = self._texts["p"]
        self.rows = list(zip(self._texts["th"], self._texts["td"], strict=True))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "html":
            self.language = dict(attrs)["lang"]
        if tag == "th":
            assert dict(attrs)["scope"] == "row"

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            continue

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self._texts.setdefault(self._open[-1], []).append(data)


def email_of(
    kind: NoticeType,
    language: Language,
    address: str = "Koivutie 12 A 3",
    brand: str = "Verkkoyhtiö",
) -> Email:
    """One shipped e-mail with usual values."""
    message = parse_message(kind, (MESSAGES / f"{kind}.toml").read_bytes())
    values = sample_values(kind, language, Sample.TYPICAL, brand=brand, phone="010 123 4567")
    return render_email(message, parse_footer(FOOTER), language, {**values, "addr": address})
