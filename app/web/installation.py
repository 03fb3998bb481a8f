"""Tells every page which installation it belongs to, so that nobody works in the wrong one."""

from __future__ import annotations

from flask import Flask
from flask_babel import gettext

from app.settings import Settings


def init(app: Flask) -> None:
    """Give the templates the name of the installation; production has none."""
    settings: Settings = app.extensions["tiedolla_settings"]

    @app.context_processor
    def installation() -> dict[str, object]:
        names = {"development": gettext("Rehearsal"), "test": gettext("Test")}
        return {"environment_name": names.get(settings.environment)}
