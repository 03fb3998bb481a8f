"""The three languages: complete catalogues, the switch, and how days and numbers are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from flask_babel import force_locale

from app.web import formats, translations
from tests.web.visitor import Visitor

# 24.11.2026 is a Tuesday; Helsinki is two hours ahead of UTC.
AT = datetime(2026, 11, 24, 12, 5, tzinfo=UTC)


def test_every_text_of_the_code_is_in_every_catalogue() -> None:
    assert list(translations.check()) == []


def test_swedish_and_finnish_are_not_copies_of_the_english() -> None:
    finnish, swedish = translations.read("fi"), translations.read("sv")
    long_ones = [m for m in finnish if isinstance(m.id, str) and len(m.id) > 20]

    assert len(long_ones) > 100
    for message in long_ones:
        other = swedish.get(message.id)
        assert other is not None
        assert message.string not in (message.id, other.string), message.id
        assert other.string != message.id


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "not translated"), ("Hei %(nimi)s", "other placeholders"), (None, "missing")],
)
def test_the_check_finds_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, text: str | None, fault: str
) -> None:
    wanted, catalogue = Catalog(), Catalog(locale="fi")
    wanted.add("Hello %(name)s")
    if text is not None:
        catalogue.add("Hello %(name)s", text)
    monkeypatch.setattr(translations, "extracted", lambda: wanted)
    monkeypatch.setattr(translations, "read", lambda _language: catalogue)

    assert any(fault in line for line in translations.check())


@pytest.mark.parametrize(
    ("language", "heading"),
    [("fi", "Kirjaudu sisään"), ("sv", "Logga in"), ("en", "Log in")],
)
def test_the_page_is_in_the_language_of_the_address_and_says_so(
    app: Flask, language: str, heading: str
) -> None:
    page = Visitor(app).get(f"/login?lang={language}").text

    assert f'<html lang="{language}"' in page
    assert f">{heading}</h1>" in page


def test_the_choice_is_remembered(app: Flask) -> None:
    visitor = Visitor(app)
    visitor.get("/login?lang=sv")

    assert '<html lang="sv"' in visitor.get("/login").text


@pytest.mark.parametrize(
    ("wish", "language"),
    [("sv-FI,sv;q=0.9,en;q=0.5", "sv"), ("de,en;q=0.5", "en"), ("de", "fi"), ("", "fi")],
)
def test_without_a_choice_the_browser_decides_and_else_it_is_finnish(
    app: Flask, wish: str, language: str
) -> None:
    page = Visitor(app).get("/login", headers={"Accept-Language": wish}).text

    assert f'<html lang="{language}"' in page


def test_a_language_that_we_do_not_have_is_ignored(app: Flask) -> None:
    visitor = Visitor(app)

    assert '<html lang="fi"' in visitor.get("/login?lang=xx").text
    assert visitor.client.get_cookie("lang") is None


def test_the_switch_stays_on_the_page_and_keeps_what_was_asked(operator: Visitor) -> None:
    page = operator.get("/runs?state=RED&process=intake").text

    assert 'href="/runs?state=RED&amp;process=intake&amp;lang=sv" lang="sv"' in page


@pytest.mark.parametrize(
    ("language", "day", "weekday", "moment"),
    [
        ("fi", "24.11.2026", "ti 24.11.2026", "24.11.2026 klo 14.05"),
        ("sv", "24.11.2026", "tis 24.11.2026", "24.11.2026 kl. 14.05"),
        ("en", "24 Nov 2026", "Tue 24 Nov 2026", "24 Nov 2026 at 14:05"),
    ],
)
def test_days_and_times_are_written_as_people_here_write_them(
    app: Flask, later: datetime, language: str, day: str, weekday: str, moment: str
) -> None:
    with app.test_request_context(), force_locale(language):
        assert formats.day(AT) == day
        assert formats.day(date(2026, 11, 24)) == day
        assert formats.weekday(AT) == weekday
        assert formats.moment(AT) == moment


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(milliseconds=184), "184 ms"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=130), "2 h 10 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=1, hours=1), "1 päivä 1 h"),
        (timedelta(days=42, hours=3), "42 päivää"),
        (timedelta(seconds=-5), "0 ms"),
    ],
)
def test_spans_are_told_in_their_two_largest_units(
    app: Flask, length: timedelta, words: str
) -> None:
    with app.test_request_context(), force_locale("fi"):
        assert formats.span(length) == words


def test_the_hour_that_comes_twice_is_helsinki_time_both_times(app: Flask, later: datetime) -> None:
    with app.test_request_context(), force_locale("fi"):
        assert formats.clock_time(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == "03.30"
        assert formats.clock_time(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == "03.30"
        assert formats.clock_time(datetime(2026, 10, 25, 2, 30, tzinfo=UTC)) == "04.30"


@pytest.fixture
def later(app: Flask, clock: object) -> datetime:
    """A week after AT, so that nothing is today's or yesterday's."""
    clock.at = AT + timedelta(days=7)  # type: ignore[attr-defined]
    return AT
