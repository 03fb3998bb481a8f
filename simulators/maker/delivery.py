"""Deliveries of the very meters that the simulated installer hangs, as JSON, XML or CSV."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

MODELS = ("6511", "6534")
NAMESPACE = "urn:tiedolla:meter-maker:delivery:1"
_TIMEOUT_S = 30
_HEAD = ("deliveryId", "kind", "issuedAt", "maker", "partner")


@dataclass(frozen=True)
class MakerKey:
    """What the maker got from Tiedolla to show who it is."""

    key_id: str
    token: str
    secret: str


@dataclass(frozen=True)
class Answer:
    """What Tiedolla answered."""

    status: int
    body: dict[str, Any]


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


def send(base_url: str, key: MakerKey, delivery: dict[str, Any]) -> Answer:
    """Send it over the interface. Raises: OSError when nobody answers."""
    body = json.dumps(delivery, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    signed = hmac.new(key.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    request = urllib.request.Request(  # noqa: S310 - the address is the rehearsal's own.
        f"{base_url}/api/v1/meter-deliveries",
        body,
        {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key.token}",
            "Tiedolla-Key": key.key_id,
            "Tiedolla-Timestamp": timestamp,
            "Tiedolla-Signature": f"v1={signed.hexdigest()}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return Answer(answer.status, json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, json.loads(error.read() or b"{}"))


def _element(name: str, words: str) -> str:
    return f"<{name}>{escape(words)}</{name}>"
