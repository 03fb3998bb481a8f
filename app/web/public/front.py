"""The icon that browsers ask for by an old habit; customers' own pages will live here too."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

blueprint = Blueprint("public", __name__)


@blueprint.get("/favicon.ico")
def icon() -> ResponseReturnValue:
    """The one icon there is."""
    return redirect(url_for("static", filename="icon.svg"), code=301)
