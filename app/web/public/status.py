"""The public status: page, frame for other sites, JSON, and the bulletin of the phone system.

Served from the snapshot's file alone; no session, no database, no Redis (REQ-22, REQ-23).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale

from app.settings import Settings
from app.web.clock import now
from app.web.i18n import LANGUAGE_NAMES, LANGUAGES, choose_language
from app.web.public.bulletin import bulletin
from app.web.public.status_file import Made, NoSnapshot, StatusFile
from app.web.public.status_view import status_view
from app.web.security import CONTENT_POLICY

blueprint = Blueprint("status", __name__)

# Caches in front of us may answer for so long; the snapshot is renewed about as often.
_MAX_AGE_S = 15
_RETRY_S = 30
_LANGUAGE = "<any(fi, sv, en):language>"


@blueprint.get("/status")
def front() -> ResponseReturnValue:
    """The page in the visitor's language."""
    answer = redirect(url_for(".page", language=choose_language()))
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


@blueprint.get(f"/status/{_LANGUAGE}")
def page(language: str) -> Response:
    """Current faults and planned cuts by municipality and area."""

    def make(snapshot: dict[str, Any]) -> Made:
        return _rendered("public/status.html", snapshot, language)

    return _serve(("page", language), "text/html", make)


@blueprint.get(f"/status/embed/{_LANGUAGE}")
def embed(language: str) -> Response:
    """The same to be shown in a frame of another site; ?municipality=837 shows one only."""
    asked = request.args.get("municipality", "")
    # Anything else would fill the memory with copies of the same page.
    code = asked if len(asked) == 3 and asked.isascii() and asked.isdecimal() else None

    def make(snapshot: dict[str, Any]) -> Made:
        return _rendered("public/status_embed.html", snapshot, language, code)

    answer = _serve(("embed", language, code), "text/html", make)
    settings: Settings = current_app.extensions["tiedolla_settings"]
    allowed = f"frame-ancestors {settings.status_frame_ancestors}"
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY.replace(
        "frame-ancestors 'none'", allowed
    )
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


@blueprint.get("/status.json")
def as_json() -> Response:
    """The snapshot for maps and other sites."""
    return _open(_serve(("json",), "application/json", lambda snapshot: _made(_dump(snapshot))))


@blueprint.get(f"/bulletin/{_LANGUAGE}.txt")
def bulletin_text(language: str) -> Response:
    """What the phone system reads aloud."""

    def make(snapshot: dict[str, Any]) -> Made:
        with force_locale(language):
            return _made(bulletin(snapshot, language)["text"].encode() + b"\n")

    return _serve(("bulletin text", language), "text/plain", make)


@blueprint.get(f"/bulletin/{_LANGUAGE}.json")
def bulletin_json(language: str) -> Response:
    """The same with a part per area, and whether it is too old to be relied upon."""

    def make(snapshot: dict[str, Any]) -> Made:
        with force_locale(language):
            return _made(_dump(bulletin(snapshot, language)))

    return _open(_serve(("bulletin json", language), "application/json", make))


def _serve(
    key: tuple[object, ...], media_type: str, make: Callable[[dict[str, Any]], Made]
) -> Response:
    try:
        made = _file().page(key, now(), make)
    except NoSnapshot:
        return _nothing_yet(media_type)
    # Compressed once and not for each of thousands of visitors.
    gzipped = request.accept_encodings.quality("gzip") > 0
    answer = Response(made.gzipped if gzipped else made.body, mimetype=media_type)
    answer.set_etag(f"{made.etag}-gzip" if gzipped else made.etag)
    answer.headers["Vary"] = "Accept-Encoding"
    if gzipped:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return cast("Response", answer.make_conditional(request))


def _nothing_yet(media_type: str) -> Response:
    """No snapshot has been written yet, which is nobody's fault but ours."""
    if media_type == "text/html":
        language = (request.view_args or {}).get("language", "fi")
        with force_locale(language):
            body = _written("public/status_missing.html", language)
    elif media_type == "application/json":
        body = json.dumps({"title": "There is no snapshot yet.", "status": 503})
    else:
        body = ""
    answer = Response(body, 503, mimetype=media_type)
    answer.headers["Retry-After"] = str(_RETRY_S)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _rendered(
    template: str, snapshot: dict[str, Any], language: str, municipality: str | None = None
) -> Made:
    with force_locale(language):
        view = status_view(snapshot, language, municipality)
        return _made(_written(template, language, view=view).encode())


def _written(template: str, language: str, **facts: Any) -> str:
    """A template without what Flask adds for the visitor, whose log-in would ask the database."""
    whole = current_app.jinja_env.get_template(template)
    return whole.render(bare=True, **_links(language), **facts)


def _links(language: str) -> dict[str, Any]:
    """The switch of languages; the page is the same for everybody, so it has no cookie to go by."""

    def links() -> list[dict[str, object]]:
        return [
            {
                "code": code,
                "name": LANGUAGE_NAMES[code],
                "href": url_for("status.page", language=code),
                "current": code == language,
            }
            for code in LANGUAGES
        ]

    return {"language_links": links}


def _open(answer: Response) -> Response:
    """Public data, which any page may fetch."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def _dump(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _made(body: bytes) -> Made:
    return Made(body, gzip.compress(body, 6, mtime=0), sha256(body).hexdigest()[:32])


def _file() -> StatusFile:
    """The application's reader of the snapshot, made with the first request."""
    found = current_app.extensions.get("tiedolla_status")
    if found is None:
        settings: Settings = current_app.extensions["tiedolla_settings"]
        found = current_app.extensions.setdefault(
            "tiedolla_status", StatusFile(settings.status_folder)
        )
    return cast("StatusFile", found)
