"""Serving the phone-and-inbox page: the page, its live part, formatted e-mails, style and script."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from urllib.parse import urlencode

from aiohttp import web

from simulators.mail.api import MailProvider
from simulators.sms.api import SmsProvider
from simulators.sms.message import Sms
from simulators.sms.numbers import E164
from simulators.watch.letter import Arrival
from simulators.watch.render import STATIC, Recipient, render_live, render_page, render_write

SHOWN_MOST = 60
PEOPLE_MOST = 40
LOOKED_AT_MOST = 1_000
BODY_MOST = 1_600
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MAIL_SAFE = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
}


class WatchPage:
    """What the providers accepted lately, put together by recipient; people write to the first one."""

    def __init__(self, sms: Sequence[SmsProvider], mail: MailProvider) -> None:
        self._sms = sms
        self._mail = mail

    def routes(self) -> list[web.RouteDef]:
        """The page and its parts."""
        return [
            web.get("/", self._page),
            web.get("/live", self._live),
            web.post("/write", self._write),
            web.get("/mail/{n:[0-9]+}", self._formatted),
            web.get("/watch.css", self._style),
            web.get("/watch.js", self._script),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        wanted = _wanted(request)
        live = self._render(wanted)
        write = render_write(wanted, self._answers_to(wanted)) if E164.fullmatch(wanted) else ""
        html = render_page(live, wanted, _version(live), write)
        return web.Response(text=html, content_type="text/html", headers=SAFE)

    async def _live(self, request: web.Request) -> web.Response:
        """Nothing new is answered with 304 and no body."""
        live = self._render(_wanted(request))
        version = _version(live)
        headers = {**SAFE, "ETag": version}
        if request.headers.get("If-None-Match") == version:
            return web.Response(status=304, headers=headers)
        return web.Response(text=live, content_type="text/html", headers=headers)

    async def _write(self, request: web.Request) -> web.Response:
        """Send a text from one of the phones; a page elsewhere may not."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return web.Response(status=403, text="Write from the page itself")
        form = await request.post()
        sender, to, body = (str(form.get(name, "")) for name in ("from", "to", "body"))
        if not (E164.fullmatch(sender) and E164.fullmatch(to) and 0 < len(body) <= BODY_MOST):
            return web.Response(status=422, text="A phone, a number and some words are needed")
        await self._sms[0].write(sender, to, body)
        raise web.HTTPSeeOther(f"/?{urlencode({'of': sender})}")

    async def _formatted(self, request: web.Request) -> web.Response:
        html = self._mail.html_of(int(request.match_info["n"]))
        if html is None:
            return web.Response(status=404, text="No such e-mail")
        return web.Response(text=html, content_type="text/html", headers=MAIL_SAFE)

    async def _style(self, _request: web.Request) -> web.Response:
        return _file("watch.css", "text/css")

    async def _script(self, _request: web.Request) -> web.Response:
        return _file("watch.js", "text/javascript")

    def _answers_to(self, phone: str) -> str:
        """The number that wrote to this phone last and can be answered, else the account's own."""
        senders = (sms.sender for sms, _ in self._newest() if sms.to == phone)
        return next(filter(E164.fullmatch, senders), self._sms[0].reply_number)

    def _newest(self) -> list[tuple[Sms, str]]:
        """What any of the SMS providers accepted, newest first."""
        all_of_them = [one for sms in self._sms for one in sms.newest(LOOKED_AT_MOST)]
        return sorted(all_of_them, key=lambda one: one[0].at_s, reverse=True)

    def _render(self, wanted: str) -> str:
        arrivals = [Arrival.of_sms(*one) for one in self._newest()]
        arrivals += [Arrival.of_written(one) for one in self._sms[0].newest_written(LOOKED_AT_MOST)]
        arrivals += [Arrival.of_mail(*one) for one in self._mail.newest(LOOKED_AT_MOST)]
        arrivals.sort(key=lambda arrival: arrival.at_s, reverse=True)
        shown = (one for one in arrivals if wanted in one.to.lower())
        letters = [one.letter() for one in islice(shown, SHOWN_MOST)]
        return render_live(letters, _recipients(arrivals), wanted)


def _recipients(arrivals: list[Arrival]) -> list[Recipient]:
    counts = Counter(arrival.to for arrival in arrivals)
    newest: dict[str, Arrival] = {}
    for arrival in arrivals:
        newest.setdefault(arrival.to, arrival)
        if len(newest) == PEOPLE_MOST:
            break
    return [Recipient(to, counts[to], arrival.letter()) for to, arrival in newest.items()]


def _wanted(request: web.Request) -> str:
    """A phone number may be typed as people write it: 050 123 4567."""
    typed = request.query.get("of", "").strip().lower()
    if "@" in typed:
        return typed
    bare = "".join(sign for sign in typed if sign not in " -()")
    return f"+358{bare[1:]}" if bare.startswith("0") and bare.isdigit() else bare


def _version(live: str) -> str:
    return f'"{hashlib.sha256(live.encode()).hexdigest()[:16]}"'


def _file(name: str, content_type: str) -> web.Response:
    return web.Response(
        body=(STATIC / name).read_bytes(), content_type=content_type, charset="utf-8", headers=SAFE
    )
