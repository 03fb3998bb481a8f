"""Answers made of a snapshot's file: the same for every visitor, compressed once, without a session.

Nothing here asks who the visitor is, so that pages stand when database and Redis do not (REQ-23).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

from flask import Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale

from app.web.clock import now
from app.web.i18n import LANGUAGE_NAMES, LANGUAGES, choose_language
from app.web.public.status_file import Made, NoSnapshot, StatusFile

# Caches in front of us may answer for so long; the snapshot is renewed about as often.
_MAX_AGE_S = 15
_RETRY_S = 30


def serve(
    file: StatusFile,
    key: tuple[object, ...],
    media_type: str,
    make: Callable[[dict[str, Any]], Made],
    missing: str,
) -> Response:
    """The page of this key; `missing` is the template for the time before the first snapshot."""
    try:
        made = file.page(key, now(), make)
    except NoSnapshot:
        return _nothing_yet(media_type, missing)
    # Compressed once and not for each of thousands of visitors.
    gzipped = request.accept_encodings.quality("gzip") > 0
    answer = Response(made.gzipped if gzipped else made.body, mimetype=media_type)
    answer.set_etag(f"{made.etag}-gzip" if gzipped else made.etag)
    answer.headers["Vary"] = "Accept-Encoding"
    if gzipped:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return cast("Response", answer.make_conditional(request))


def to_own_language(endpoint: str) -> ResponseReturnValue:
    """Send the visitor to the page in a language that the browser asks for."""
    answer = redirect(url_for(endpoint, language=choose_language()))
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


def written(template: str, language: str, endpoint: str, **facts: Any) -> str:
    """A template without what Flask adds for the visitor, whose log-in would ask the database.

    endpoint: where the switch of languages leads; the page has no cookie to go by.
    """
    whole = current_app.jinja_env.get_template(template)

    def links() -> list[dict[str, object]]:
        return [
            {
                "code": code,
                "name": LANGUAGE_NAMES[code],
                "href": url_for(endpoint, language=code),
                "current": code == language,
            }
            for code in LANGUAGES
        ]

    with force_locale(language):
        return whole.render(bare=True, language_links=links, **facts)


def open_to_all(answer: Response) -> Response:
    """Public data, which any page may fetch."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def dump(content: dict[str, Any]) -> bytes:
    """A snapshot as others read it."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def made(body: bytes) -> Made:
    """A page ready to be sent many times."""
    return Made(body, gzip.compress(body, 6, mtime=0), sha256(body).hexdigest()[:32])


def _nothing_yet(media_type: str, missing: str) -> Response:
    """No snapshot has been written yet, which is nobody's fault but ours."""
    if media_type == "text/html":
        language = (request.view_args or {}).get("language", "fi")
        body = written(missing, language, request.endpoint or "status.page")
    elif media_type == "application/json":
        body = json.dumps({"title": "There is no snapshot yet.", "status": 503})
    else:
        body = ""
    answer = Response(body, 503, mimetype=media_type)
    answer.headers["Retry-After"] = str(_RETRY_S)
    answer.headers["Cache-Control"] = "no-store"
    return answer
