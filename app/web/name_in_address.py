"""Names that other systems gave, in addresses: each leads to its page, also with a slash in it."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask
from werkzeug.routing import PathConverter


class NameConverter(PathConverter):
    """A name of somebody else's making, one part of an address whatever stands in it.

    A slash is written as %2F: left as it is, a browser would take dots between slashes for steps upwards.
    """

    regex = ".+?"
    part_isolating = False

    def to_url(self, value: object) -> str:
        """The name as a part of an address."""
        return quote(str(value), safe="")


def init(app: Flask) -> None:
    """Let routes say <name:…>."""
    app.url_map.converters["name"] = NameConverter
