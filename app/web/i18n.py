"""Languages of the pages: Finnish, Swedish and English, chosen by the person.

The choice is `?lang=` (remembered in a cookie), then the cookie, then what the browser asks for,
then Finnish.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, has_request_context, request, url_for
from flask_babel import Babel, get_locale
from werkzeug.wrappers import Response as AnyResponse

LANGUAGES = ("fi", "sv", "en")
# Each language under its own name, so that whoever needs it can read it.
LANGUAGE_NAMES = {"fi": "Suomi", "sv": "Svenska", "en": "English"}
COOKIE = "lang"
_COOKIE_S = 365 * 24 * 3600


def init(app: Flask) -> None:
    """Choose a language for each request, and remember it."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(
        app,
        default_locale="fi",
        default_timezone="Europe/Helsinki",
        locale_selector=choose_language,
    )
    app.after_request(_remember_choice)
    app.add_template_global(current_language, "current_language")
    app.add_template_global(language_links, "language_links")


def choose_language() -> str:
    """The language of this request, always one of LANGUAGES."""
    if not has_request_context():
        return "fi"
    for wish in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if wish in LANGUAGES:
            return wish
    return request.accept_languages.best_match(LANGUAGES) or "fi"


def current_language() -> str:
    """The language that the page is being written in."""
    locale = get_locale()
    return locale.language if locale is not None else "fi"


def language_links() -> list[dict[str, object]]:
    """The switch: the same page in each language, keeping the other parts of the address."""
    here = current_language()
    links = []
    for code in LANGUAGES:
        args = {**request.args.to_dict(flat=False), "lang": [code]}
        endpoint = request.endpoint if request.method in ("GET", "HEAD") else None
        if endpoint is None or request.routing_exception is not None:
            href = f"?lang={code}"
        else:
            href = url_for(endpoint, **{**args, **(request.view_args or {})})
        links.append(
            {"code": code, "name": LANGUAGE_NAMES[code], "href": href, "current": code == here}
        )
    return links


def remember(response: AnyResponse, language: str, secure: bool) -> None:
    """Keep the choice in a cookie for a year."""
    response.set_cookie(
        COOKIE, language, max_age=_COOKIE_S, secure=secure, httponly=True, samesite="Lax"
    )


def _remember_choice(response: Response) -> Response:
    wish = request.args.get("lang")
    if wish in LANGUAGES and request.cookies.get(COOKIE) != wish:
        remember(response, wish, bool(current_app.config["SESSION_COOKIE_SECURE"]))
    return response
