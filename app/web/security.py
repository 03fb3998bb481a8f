"""What every answer carries to keep browsers from harm: a strict content policy and its kin."""

from __future__ import annotations

import re

from flask import Flask, Response, request

# Scripts, styles and fonts are files of our own; nothing inline, nothing from elsewhere.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    # The origin has to reach ourselves: the CSRF check over HTTPS reads it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_YEAR_S = 365 * 24 * 3600
# The build puts a hash of the content into these names, so they never change.
_HASHED_NAME = re.compile(r"-[A-Z0-9]{8}\.\w+$")


def init(app: Flask) -> None:
    """Add the headers to every answer; a view that needs another value sets its own first."""
    strict_transport = f"max-age={_YEAR_S}; includeSubDomains"

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if app.config["SESSION_COOKIE_SECURE"]:
            response.headers.setdefault("Strict-Transport-Security", strict_transport)
        if request.endpoint == "static" and _HASHED_NAME.search(request.path):
            response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
        elif response.mimetype == "text/html":
            # Pages show people's affairs: no copy may stay in a shared browser or on the way.
            response.headers.setdefault("Cache-Control", "no-store")
        return response
