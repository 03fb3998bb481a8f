"""Who may open what: the decorator of every staff page, and what the templates may ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, abort
from flask_login import current_user, login_required

from app.domain import roles
from app.domain.roles import Permission

# What stands beside the file in a form.
_ROOM_FOR_FIELDS = 64 * 1024

P = ParamSpec("P")
R = TypeVar("R")


def init(app: Flask) -> None:
    """Let the templates ask `may('operate')`."""
    app.add_template_global(may, "may")


def role_required(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only staff in whose role has the permission: others log in first, or get 403."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        @login_required
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not may(permission):
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return decorate


def takes_files(most_bytes: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a page take more than other forms may hold.

    Said on the page and not in it: whether a form is ours is looked for in its fields, and that reads
    all of it before the page is asked.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        view.__dict__["body_most_bytes"] = most_bytes + _ROOM_FOR_FIELDS
        return view

    return decorate


def body_most_bytes(view: Callable[..., object] | None) -> int | None:
    """How much a page may be sent; None for what every form may hold."""
    most: int | None = getattr(view, "body_most_bytes", None)
    return most


def may(permission: Permission | str) -> bool:
    """Whether the person at this page has the permission."""
    if not current_user.is_authenticated:
        return False
    return roles.may(current_user.role, Permission(permission))


def actor() -> str:
    """The person at this page, as the audit trail names them."""
    return f"staff:{current_user.username}"
