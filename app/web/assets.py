"""The built style sheet, script and icon: their names carry a hash, which the manifest knows."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask, url_for


def init(app: Flask) -> None:
    """Give the templates `asset(name)`; raises RuntimeError when the built files are not there."""
    folder = Path(app.static_folder or "")
    try:
        manifest: dict[str, str] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except OSError as error:
        raise RuntimeError(
            "the built front end is missing: run npm ci && npm run build in app/static"
        ) from error

    @app.template_global()
    def asset(name: str) -> str:
        return url_for("static", filename=manifest[name])
