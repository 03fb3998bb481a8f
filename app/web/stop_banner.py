"""Tells every staff page that sending is stopped, so that nobody wonders why nothing leaves."""

from __future__ import annotations

from flask import Flask
from flask_login import current_user

from app.db import db
from app.services import sending_stops
from app.services.sending_stops import Stop


def init(app: Flask) -> None:
    """Give the templates `sending_is_stopped()`."""
    app.add_template_global(sending_is_stopped, "sending_is_stopped")


def sending_is_stopped() -> list[Stop]:
    """What is stopped now; nothing for somebody who is not of the staff."""
    if not current_user.is_authenticated or not hasattr(current_user, "role"):
        return []
    return sending_stops.current(db.session())
