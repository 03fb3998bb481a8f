"""Error pages in the reader's language that say what to do next."""

from __future__ import annotations

import structlog
from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from psycopg.errors import NumericValueOutOfRange
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, NotFound

from app.db import db, is_connection_lost

log = structlog.get_logger()

_CODES = (400, 401, 403, 404, 405, 410, 413, 429, 500, 503)


def init(app: Flask) -> None:
    """Answer errors of pages with a page; the API has handlers of its own."""
    for code in _CODES:
        app.register_error_handler(code, _page)
    app.register_error_handler(CSRFError, _expired_form)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(kind, _database_fault)
    app.register_error_handler(DataError, _number_of_no_row)


def _page(error: Exception) -> ResponseReturnValue:
    code = error.code if isinstance(error, HTTPException) and error.code else 500
    headers = []
    if isinstance(error, HTTPException):
        kept = ("Allow", "Retry-After")
        headers = [pair for pair in error.get_headers() if pair[0] in kept]
    return _render(code), code, headers


def _expired_form(_error: CSRFError) -> ResponseReturnValue:
    return _render(400, expired_form=True), 400


def _number_of_no_row(error: DataError) -> ResponseReturnValue:
    asked = request.method == "GET" and request.view_args
    if not asked or not isinstance(error.orig, NumericValueOutOfRange):
        return _database_fault(error)
    db.session.rollback()
    return _page(NotFound())


def _database_fault(error: Exception) -> ResponseReturnValue:
    if not is_connection_lost(error) and not isinstance(error, PoolTimeoutError):
        log.error("page_failed", path=request.path, error=type(error).__name__)
        return _page(error)
    log.warning("page_without_database", error=type(error).__name__)
    db.session.remove()
    # Nobody can be recognised now; asking again while the page is made would fail once more.
    g._login_user = AnonymousUserMixin()
    return _render(503), 503, [("Retry-After", "10")]


def _render(code: int, *, expired_form: bool = False) -> str:
    title, text = _words(code, expired_form)
    # Without a database nobody can be recognised, so the page must not ask who is there.
    bare = code >= 500
    template = "public/error_part.html" if _is_part() else "public/error.html"
    return render_template(template, code=code, title=title, text=text, bare=bare)


def _is_part() -> bool:
    return request.headers.get("HX-Request") == "true"


def _words(code: int, expired_form: bool) -> tuple[str, str]:
    if expired_form:
        return (
            gettext("The form had expired"),
            gettext("Nothing was changed. Go back, reload the page and try again."),
        )
    words = {
        400: (
            gettext("The request could not be understood"),
            gettext("Nothing was changed. Check the address, or go back and try again."),
        ),
        401: (gettext("Please log in"), gettext("This page is for staff. Log in to open it.")),
        403: (
            gettext("You may not open this page"),
            gettext("Your role does not include it. Ask an administrator if you need it."),
        ),
        404: (
            gettext("The page was not found"),
            gettext("The address may be mistyped, or what it showed no longer exists."),
        ),
        405: (
            gettext("The page does not work this way"),
            gettext("Nothing was changed. Open it from the menu instead."),
        ),
        410: (
            gettext("It is no longer kept"),
            gettext("Its time was over, and it was removed. That it existed is still on record."),
        ),
        413: (
            gettext("Too much was sent at once"),
            gettext("Nothing was changed. Send less and try again."),
        ),
        429: (
            gettext("Too many requests"),
            gettext("Wait a moment, then try again."),
        ),
        503: (
            gettext("The service is out of reach for a moment"),
            gettext("What was accepted is safe. Try again in a minute."),
        ),
    }
    fallback = (
        gettext("Something went wrong on our side"),
        gettext("The fault has been recorded. Try again, and tell the operators if it stays."),
    )
    return words.get(code, fallback)
