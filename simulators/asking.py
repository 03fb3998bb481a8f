"""How a command asks the rehearsal that runs in the same folder."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from simulators.settings import RUNNING_NAME

_TOO_LONG_S = 30


def ask_running(folder: Path, method: str, path: str, body: object = None) -> Any:
    """The JSON answer of the running rehearsal. Raises: ClickException (nobody runs, or it refuses)."""
    try:
        url = json.loads((folder / RUNNING_NAME).read_text("utf-8"))["url"]
    except (OSError, ValueError, KeyError):
        raise click.ClickException(f"{folder}: no rehearsal has run here") from None
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310 - our own address.
    try:
        with urllib.request.urlopen(request, timeout=_TOO_LONG_S) as answer:  # noqa: S310 - our own address.
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(error.read().decode("utf-8", "replace")) from None
    except OSError as error:
        raise click.ClickException(f"{url} does not answer: {error}") from None
