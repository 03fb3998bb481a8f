"""The outline of Finland, and where on it a place is.

The outline is made of the npm package world-atlas by app/static/build.mjs, which projects it; what
is drawn on it has to be projected the same way, so the formula stands in both.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flask import Flask, current_app

_EXTENSION = "tiedolla_country"
_FILE = "finland.json"


@dataclass(frozen=True, slots=True)
class Country:
    """An outline as the path of an SVG of this width and height, and its projection."""

    width: float
    height: float
    path: str
    meridian: float
    scale: float
    left: float
    top: float

    def place(self, lat: float, lon: float) -> tuple[float, float]:
        """Where a place is: transverse Mercator on a sphere, as build.mjs has it."""
        phi, turn = math.radians(lat), math.radians(lon - self.meridian)
        x = math.atanh(math.cos(phi) * math.sin(turn))
        y = math.atan2(math.tan(phi), math.cos(turn))
        return (x - self.left) * self.scale, (self.top - y) * self.scale


def init(app: Flask) -> None:
    """Read the outline once."""
    folder = Path(app.static_folder or "")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    words = json.loads((folder / manifest[_FILE]).read_text("utf-8"))
    app.extensions[_EXTENSION] = Country(**words)


def country() -> Country:
    """The outline of the country."""
    return cast("Country", current_app.extensions[_EXTENSION])
