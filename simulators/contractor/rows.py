"""The contractor's two tables: what stands in an order's file, and what it writes into its reports."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")
REPORT_COLUMNS = (
    *("KUITTAUS", "TILAUS", "REVISIO", "TAPAHTUMA", "AIKA", "ILMOITETTU", "VIITE", "ASENTAJA"),
    *("ALKAA", "PAATTYY", "SOVITTU", "POIKKI", "KYTKETTY", "SYY", "SELITE", "VANHA_MITTARI"),
    *("VANHA_LUKEMA", "UUSI_MITTARI", "UUSI_SARJANRO", "UUSI_MALLI", "UUSI_LUKEMA", "KERROIN"),
    "HUOMAUTUS",
)
REASONS = ("LUKKO", "ESTE", "KOIRA", "EI KOTONA", "SAA", "AIKA")
_CREWS = ("RS-1", "RS-2")

Fields = dict[str, str]


class OrderUnreadable(ValueError):
    """The file is not as agreed; the text says what is missing."""


def read_order(body: bytes) -> Fields:
    """The one order of a file. Raises: OrderUnreadable."""
    try:
        rows = list(
            csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=";")
        )
    except (UnicodeDecodeError, csv.Error) as error:
        raise OrderUnreadable(type(error).__name__) from None
    if len(rows) != 1:
        raise OrderUnreadable(f"{len(rows)} rows")
    order = {str(name): value or "" for name, value in rows[0].items()}
    for name in ("TILAUS", "REVISIO", "TOIMINTO", "KAYTTOPAIKKA"):
        if not order.get(name):
            raise OrderUnreadable(f"no {name}")
    if not order["REVISIO"].isdecimal():
        raise OrderUnreadable("REVISIO is no number")
    return order


def write_reports(rows: Sequence[Fields]) -> bytes:
    """A file of reports, as a spreadsheet writes it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, REPORT_COLUMNS, restval="", delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def make_report(
    job: dict[str, Any], kind: str, number: int, reason: str | None, now: datetime
) -> Fields:
    """One row of a report: what the crew did just now."""
    order: Fields = job["order"]
    at = clock(now)
    draw = random.Random(f"{order['TILAUS']} {job['n']}")
    row = {
        "KUITTAUS": f"{job['ref']}-{number}",
        "TILAUS": order["TILAUS"],
        "REVISIO": order["REVISIO"],
        "TAPAHTUMA": kind,
        "AIKA": at,
        "ILMOITETTU": at,
        "VIITE": str(job["ref"]),
        "ASENTAJA": draw.choice(_CREWS),
    }
    if kind == "ALOITETTU":
        row["POIKKI"] = at
    elif kind == "VALMIS":
        row |= _completed(job, order, draw, at)
    elif kind == "KESKEYTYNYT":
        row |= {"SYY": reason or "AIKA", "SELITE": "Ei ehditty tai päästy"}
    return row


def clock(moment: datetime) -> str:
    """The clock on the wall in Finland."""
    return f"{moment.astimezone(HELSINKI):%d.%m.%Y %H.%M.%S}"


def _completed(job: dict[str, Any], order: Fields, draw: random.Random, at: str) -> Fields:
    model = order.get("UUDET_MALLIT", "").split(";")[0]
    row = {"POIKKI": str(job.get("off_at") or at), "KYTKETTY": at}
    if order.get("VANHA_MITTARI"):
        last = float((order.get("VIIME_LUKEMA") or "10000").replace(",", "."))
        reading = last + draw.randrange(20, 400)
        row |= {
            "VANHA_MITTARI": order["VANHA_MITTARI"],
            "VANHA_LUKEMA": f"{reading:.1f}".replace(".", ","),
        }
    if model:
        tag = f"{job['n']:06d}"
        row |= {
            "UUSI_MITTARI": f"{model}9{tag}",
            "UUSI_SARJANRO": f"RS{tag}",
            "UUSI_MALLI": model,
            "UUSI_LUKEMA": "0,0",
            "KERROIN": order.get("KERROIN") or "1",
        }
    return row
