"""The page's HTML: everything that came from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from simulators.watch.letter import Letter

HELSINKI = ZoneInfo("Europe/Helsinki")
STATIC = Path(__file__).parent / "static"
PAGE = Template((STATIC / "page.html").read_text("utf-8"))

LOOKS = {
    "queued": "calm",
    "accepted": "calm",
    "processed": "info",
    "sent": "info",
    "deferred": "warn",
    "delivered": "ok",
    "on its way": "info",
    "arrived": "ok",
}
LANGUAGES = {"fi": "Finnish", "sv": "Swedish", "en": "English"}
KINDS = {"sms": "Text message", "mail": "E-mail", "reply": "Text message from"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A phone or an inbox: how many messages it got lately, and the newest of them."""

    address: str
    count: int
    newest: Letter


def render_page(live: str, wanted: str, version: str, write: str) -> str:
    """The whole page around its live part; write is the form to write from the chosen phone."""
    return PAGE.substitute(live=live, wanted=escape(wanted), version=escape(version), write=write)


def render_write(phone: str, to: str) -> str:
    """The form that sends a text from this phone; it stands outside the part that renews itself."""
    return (
        '<form class="write" action="/write" method="post">'
        f'<input type="hidden" name="from" value="{escape(phone)}">'
        f'<input type="hidden" name="to" value="{escape(to)}">'
        f'<label class="write__label" for="body">Write from {escape(_spaced(phone))} to '
        f'{escape(_spaced(to))}</label><div class="write__row">'
        '<input class="write__input" id="body" name="body" maxlength="1600" autocomplete="off" '
        'required><button class="write__button" type="submit">Send</button></div>'
        '<p class="write__hint">For instance SEIS, TILA, KATKO, OK or a number.</p></form>'
    )


def render_live(letters: Sequence[Letter], recipients: Sequence[Recipient], wanted: str) -> str:
    """The part that is fetched again and again: recipients and messages, newest first."""
    # One phone's messages look like that phone's screen; the recipient stands above them once.
    looks = "letters"
    if wanted and letters and {one.to for one in letters} == {letters[0].to}:
        is_phone = letters[0].kind in ("sms", "reply")
        looks += " letters--one" + (" letters--handset" if is_phone else "")
    return (
        f'<nav class="people" aria-label="Recipients">{_people(recipients, wanted)}</nav>'
        f'<section class="{looks}" aria-labelledby="letters-title">{_letters(letters, wanted)}'
        "</section>"
    )


def _people(recipients: Sequence[Recipient], wanted: str) -> str:
    everybody = ' aria-current="page"' if not wanted else ""
    items = [
        f'<li><a id="all" class="person person--all" href="/"{everybody}>Everybody</a></li>',
        *(_person(one, wanted) for one in recipients),
    ]
    return (
        f'<h2 class="people__title">Recipients</h2><ul class="people__list">{"".join(items)}</ul>'
    )


def _person(one: Recipient, wanted: str) -> str:
    current = ' aria-current="page"' if one.address == wanted else ""
    newest = one.newest
    words = newest.subject or newest.text
    return (
        f'<li><a id="to-{escape(one.address)}" class="person" '
        f'href="/?{escape(urlencode({"of": one.address}))}"{current}>'
        f'<span class="person__mark person__mark--{newest.kind}" aria-hidden="true"></span>'
        f'<span class="person__address">{escape(_spaced(one.address))}</span>'
        f'<span class="person__count">{one.count}'
        f'<span class="unseen"> message{"" if one.count == 1 else "s"}</span></span>'
        f'<span class="person__words" lang="{newest.language}">{escape(words[:80])}</span>'
        "</a></li>"
    )


def _letters(letters: Sequence[Letter], wanted: str) -> str:
    title = f"Messages to {escape(_spaced(wanted))}" if wanted else "Newest messages"
    head = f'<h2 id="letters-title" class="letters__title">{title}</h2>'
    if letters:
        return f'{head}<ol class="letters__list">{"".join(map(_letter, letters))}</ol>'
    return (
        f'{head}<div class="nothing"><p class="nothing__title">Nothing has arrived yet</p>'
        "<p>Messages appear here by themselves as soon as they are sent.</p></div>"
    )


def _letter(letter: Letter) -> str:
    name = f"{letter.kind}-{letter.number}"
    local = letter.at.astimezone(HELSINKI)
    detail = f'<span class="letter__detail">{escape(letter.detail)}</span>' if letter.detail else ""
    subject = (
        f'<p class="letter__subject" lang="{letter.language}">{escape(letter.subject)}</p>'
        if letter.subject
        else ""
    )
    return (
        f'<li><article class="letter letter--{letter.kind}" id="{name}" '
        f'aria-labelledby="{name}-head"><header class="letter__head">'
        f'<h3 class="letter__to" id="{name}-head"><span class="unseen">{KINDS[letter.kind]} '
        f"{'' if letter.kind == 'reply' else 'to '}</span>{escape(_spaced(letter.to))}</h3>"
        f'<time class="letter__time" datetime="{letter.at.isoformat()}">'
        f"{local.day}.{local.month}. {local:%H:%M:%S}</time>"
        f'</header><div class="letter__paper"><p class="letter__from">{_way(letter)}'
        f'</p>{subject}<p class="letter__text" lang="{letter.language}">{escape(letter.text)}</p>'
        f"{_formatted(letter, name)}</div>"
        f'<footer class="letter__foot"><span class="badge badge--{LOOKS.get(letter.status, "fail")}">'
        f"{escape(letter.status.capitalize())}</span>"
        f'<span class="letter__detail">{LANGUAGES[letter.language]}</span>{detail}</footer>'
        "</article></li>"
    )


def _way(letter: Letter) -> str:
    """Who wrote, or to whom the phone's owner did."""
    direction = "To" if letter.kind == "reply" else "From"
    return f"{direction} {escape(_spaced(letter.sender))}"


def _formatted(letter: Letter, name: str) -> str:
    """The HTML part is shown in a frame that may run nothing; it is loaded when it is opened."""
    if letter.html_n is None:
        return ""
    return (
        f'<details class="letter__html" id="{name}-html"><summary>Formatted version</summary>'
        f'<iframe sandbox title="Formatted version of the e-mail" '
        f'data-src="/mail/{letter.html_n}"></iframe>'
        f'<p><a href="/mail/{letter.html_n}">Open it alone</a></p></details>'
    )


def _spaced(address: str) -> str:
    """A Finnish mobile number in groups, as people read it; anything else as it is."""
    if address.startswith("+358") and address[1:].isdigit() and len(address) >= 12:
        return f"{address[:4]} {address[4:6]} {address[6:9]} {address[9:]}"
    return address
