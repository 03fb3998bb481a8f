"""The public status: page, frame for other sites, JSON, and the bulletin of the phone system.

Served from the snapshot's file alone; no session, no database, no Redis (REQ-22, REQ-23).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale

from app.domain.municipalities import MUNICIPALITIES
from app.settings import Settings
from app.web.public.bulletin import bulletin
from app.web.public.snapshot_answer import dump, made, open_to_all, serve, to_own_language, written
from app.web.public.status_file import Made, StatusFile
from app.web.public.status_view import status_view
from app.web.security import CONTENT_POLICY

blueprint = Blueprint("status", __name__)

_LANGUAGE = "<any(fi, sv, en):language>"


@blueprint.get("/status")
def front() -> ResponseReturnValue:
    """The page in the visitor's language."""
    return to_own_language("status.page")


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
    # A slip would tell that all is well there, and fill the memory with copies of the same page.
    code = asked if asked in MUNICIPALITIES else None

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
    return open_to_all(_serve(("json",), "application/json", lambda snapshot: made(dump(snapshot))))


@blueprint.get(f"/bulletin/{_LANGUAGE}.txt")
def bulletin_text(language: str) -> Response:
    """What the phone system reads aloud."""

    def make(snapshot: dict[str, Any]) -> Made:
        with force_locale(language):
            return made(bulletin(snapshot, language)["text"].encode() + b"\n")

    return _serve(("bulletin text", language), "text/plain", make)


@blueprint.get(f"/bulletin/{_LANGUAGE}.json")
def bulletin_json(language: str) -> Response:
    """The same with a part per area, and whether it is too old to be relied upon."""

    def make(snapshot: dict[str, Any]) -> Made:
        with force_locale(language):
            return made(dump(bulletin(snapshot, language)))

    return open_to_all(_serve(("bulletin json", language), "application/json", make))


def _serve(
    key: tuple[object, ...], media_type: str, make: Callable[[dict[str, Any]], Made]
) -> Response:
    return serve(_file(), key, media_type, make, "public/status_missing.html")


def _rendered(
    template: str, snapshot: dict[str, Any], language: str, municipality: str | None = None
) -> Made:
    with force_locale(language):
        view = status_view(snapshot, language, municipality)
    return made(written(template, language, "status.page", view=view).encode())


def _file() -> StatusFile:
    """The application's reader of the snapshot, made with the first request."""
    found = current_app.extensions.get("tiedolla_status")
    if found is None:
        settings: Settings = current_app.extensions["tiedolla_settings"]
        found = current_app.extensions.setdefault(
            "tiedolla_status", StatusFile(settings.status_folder)
        )
    return cast("StatusFile", found)
