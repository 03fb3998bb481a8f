"""A planned cut as the planner asks for it: a few homes of the made-up grid, some weekdays ahead."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulators.cis.world import make_points

_HELSINKI = ZoneInfo("Europe/Helsinki")
_BEGINS_H = 9
_TIMEOUT_S = 20
_SATURDAY = 5


@dataclass(frozen=True)
class PlannerKey:
    """What the planner got from Tiedolla to show who it is."""

    key_id: str
    token: str
    secret: str


@dataclass(frozen=True)
class Answer:
    """What Tiedolla answered."""

    status: int
    body: dict[str, Any]


def make_cut(
    now: datetime, *, seed: int, first: int, count: int, weekdays: int, hours: int
) -> dict[str, Any]:
    """The request, without its version; the same day and points always have the same reference."""
    day = now.astimezone(_HELSINKI).date()
    while weekdays > 0:
        day += timedelta(days=1)
        weekdays -= day.weekday() < _SATURDAY
    from_at = datetime(day.year, day.month, day.day, _BEGINS_H, tzinfo=_HELSINKI)
    points = list(make_points(seed, first, count))
    return {
        "reference": f"WORK-{day:%y%m%d}-{first}",
        "name": f"Muuntamon huolto, {points[0].street}",
        "from": from_at.isoformat(),
        "to": (from_at + timedelta(hours=hours)).isoformat(),
        "causeCode": "MAINTENANCE",
        "points": [point.gsrn for point in points],
    }


def send_cut(base_url: str, key: PlannerKey, cut: dict[str, Any]) -> Answer:
    """Ask for the cut. Raises: OSError when nobody answers."""
    body = json.dumps(cut, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    signed = hmac.new(key.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    request = urllib.request.Request(  # noqa: S310 - the address is the rehearsal's own.
        f"{base_url}/api/v1/planned-cuts",
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
