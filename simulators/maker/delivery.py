"""Deliveries of the very meters that the simulated installer hangs, as JSON, XML or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from simulators.signed_post import Answer, SystemKey, post

MODELS = ("6511", "6534")
NAMESPACE = "urn:tiedolla:meter-maker:delivery:1"
_TIMEOUT_S = 30
_HEAD = ("deliveryId", "kind", "issuedAt", "maker", "partner")


def make_meters(
    series: str, first: int, count: int, *, without_every: int = 0, only_without: bool = False
) -> Iterator[dict[str, str]]:
    """Meters of every model for the installer's next `count` jobs from `first` on.

    without_every leaves out each so-and-so-many-th, or gives only those: the box that was forgotten.
    """
    for number in range(first, first + count):
        forgotten = bool(without_every) and number % without_every == 0
        if forgotten is not only_without:
            continue
        for model in MODELS:
            tag = f"{series}{number:06d}"
            yield {"number": f"{model}{tag}", "serial": f"AID{model}{tag}", "model": model}


def make_delivery(
    meters: list[dict[str, str]], *, name: str, kind: str, partner: str, now: datetime
) -> dict[str, Any]:
    """The delivery as JSON."""
    return {
        "deliveryId": name,
        "kind": kind,
        "issuedAt": now.isoformat(),
        "maker": "Aidon",
        "partner": partner,
        "items": meters,
    }


def as_csv(delivery: dict[str, Any]) -> bytes:
    """One line per meter, with the head repeated, as spreadsheets write it here."""
    out = io.StringIO(newline="")
    names = ("delivery_id", "kind", "issued_at", "maker", "partner", "number", "serial", "model")
    rows = csv.writer(out, delimiter=";")
    rows.writerow(names)
    head = [delivery[name] for name in _HEAD]
    rows.writerows([*head, one["number"], one["serial"], one["model"]] for one in delivery["items"])
    return out.getvalue().encode("utf-8-sig")


def as_xml(delivery: dict[str, Any]) -> bytes:
    """The delivery as its schema has it."""
    head = "".join(_element(name[0].upper() + name[1:], delivery[name]) for name in _HEAD)
    items = "".join(
        f"<Item>{_element('Number', one['number'])}{_element('Serial', one['serial'])}"
        f"{_element('Model', one['model'])}</Item>\n"
        for one in delivery["items"]
    )
    words = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<MeterDelivery xmlns="{NAMESPACE}">'
        f"<Header>{head}</Header>\n<Items>\n{items}</Items></MeterDelivery>\n"
    )
    return words.encode()


def send(base_url: str, key: SystemKey, delivery: dict[str, Any]) -> Answer:
    """Send it over the interface. Raises: OSError when nobody answers."""
    return post(f"{base_url}/api/v1/meter-deliveries", key, delivery, _TIMEOUT_S)


def _element(name: str, words: str) -> str:
    return f"<{name}>{escape(words)}</{name}>"
