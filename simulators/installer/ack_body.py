"""The content of an acknowledgement: readings, meters, times and photos as a crew would send them."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from simulators.fields import value_at
from simulators.installer.job import Job
from simulators.installer.plan import AFTER_START, BEFORE_START

HELSINKI = ZoneInfo("Europe/Helsinki")
CREWS = ("Tampere 1", "Tampere 3", "Vantaa 2", "Espoo 1", "Kuopio 2", "Inkoo 1")
PLANNED_MINUTES = 20
COMES_BACK = ("ACC_LOCKED", "ACC_BLOCKED", "ACC_DOG", "CUS_ABSENT", "LOG_STOCK")

Body = dict[str, Any]


def make_ack_body(job: Job, kind: str, now: datetime, meter_tag: str) -> Body:
    """The acknowledgement of one step; `meter_tag` makes a new meter's number and serial unique."""
    draw = random.Random(f"{job.order_id} {job.plan_n}")
    crew = draw.choice(CREWS)
    body: Body = {
        "ackId": str(uuid4()),
        "orderId": job.order_id,
        "revision": job.revision,
        "partnerRef": job.partner_ref,
        "type": kind,
        "occurredAt": _utc(now),
        "reportedAt": _utc(now),
        "installerId": f"VM-{draw.randrange(1000, 1100)}",
        "crew": crew,
    }
    if kind == "SCHEDULED":
        body["schedule"] = _schedule(job, now, draw)
    elif kind == "STARTED":
        body["outage"] = {"offAt": _utc(now), "plannedMinutes": PLANNED_MINUTES}
    elif kind == "FAILED":
        body |= _failed(job, now, draw)
    elif kind == "COMPLETED":
        body |= _completed(job, now, draw, meter_tag)
    return body


def _schedule(job: Job, now: datetime, draw: random.Random) -> Body:
    """Inside the order's window when there is one, else tomorrow morning.

    Where somebody has to be at home, the time is only proposed: the product asks for an answer.
    """
    given = value_at(job.order, "schedule.windowFrom")
    start = datetime.fromisoformat(given) if isinstance(given, str) else None
    if start is None or start.tzinfo is None or start < now:
        tomorrow = now.astimezone(HELSINKI).date() + timedelta(days=1)
        start = datetime.combine(tomorrow, time(draw.randrange(8, 15)), HELSINKI)
    start = start.astimezone(HELSINKI)
    end = start + timedelta(hours=2)
    agreed = value_at(job.order, "site.presenceRequired") is not True
    return {"from": start.isoformat(), "to": end.isoformat(), "agreedWithCustomer": agreed}


def _failed(job: Job, now: datetime, draw: random.Random) -> Body:
    reason = job.reason or "TIME"
    words = {**BEFORE_START, **AFTER_START}.get(reason, "Työtä ei ehditty tehdä")
    failure: Body = {"reasonCode": reason, "text": words}
    if reason in COMES_BACK:
        next_day = now.astimezone(HELSINKI).date() + timedelta(days=draw.randrange(3, 11))
        failure["nextTry"] = datetime.combine(next_day, time(9), HELSINKI).isoformat()
    outage = {"offAt": job.off_at, "onAt": _utc(now)} if job.off_at else {"noOutage": True}
    return {"failure": failure, "outage": outage, "customerPresent": reason == "CUS_REFUSED"}


def _completed(job: Job, now: datetime, draw: random.Random, meter_tag: str) -> Body:
    models = value_at(job.order, "newMeter.allowedModels")
    model = models[0] if isinstance(models, list) and models else None
    at = _utc(now)
    body: Body = {
        "outage": {"offAt": job.off_at or at, "onAt": at},
        "site": _site(job, draw),
        "photos": [_photo(job, kind, at) for kind in ("OLD_READING", "NEW_METER", "SEAL")],
        "commTest": {"ok": True, "at": at, "signal": -draw.randrange(62, 101)},
        "customerPresent": draw.random() < 0.3,
    }
    old_number = value_at(job.order, "oldMeter.number")
    if old_number is not None:
        body["oldMeter"] = {
            "number": old_number,
            "readings": [_reading(_old_reading(job, now, draw), at)],
            "sealBroken": True,
            "condition": "OK",
            "disposal": "RETURNED_TO_STOCK",
        }
    if model is not None:
        multiplier = value_at(job.order, "newMeter.multiplier")
        body["newMeter"] = {
            "number": f"{_digits(model)}{meter_tag}",
            "serial": f"AID{_digits(model)}{meter_tag}",
            "model": model,
            "firmware": "2.18.3",
            "readings": [_reading(0, at)],
            "multiplier": 1 if multiplier is None else multiplier,
            "seals": [f"S{draw.randrange(100_000, 999_999)}"],
            "breakerState": "CLOSED",
            "hanState": "CLOSED",
        }
    return body


def _old_reading(job: Job, now: datetime, draw: random.Random) -> int:
    """The last known reading and a household's use since then, 5 to 60 kWh a day."""
    last = value_at(job.order, "oldMeter.lastReading.value")
    last_at = value_at(job.order, "oldMeter.lastReading.at")
    days = 30.0
    if isinstance(last_at, str):
        try:
            since = datetime.fromisoformat(last_at)
        except ValueError:
            since = now - timedelta(days=30)
        days = (now - (since if since.tzinfo else since.replace(tzinfo=UTC))) / timedelta(days=1)
    start = last if isinstance(last, int | float) else draw.randrange(2_000, 80_000)
    return round(start + max(days, 0) * draw.uniform(5, 60))


def _reading(value: int, at: str) -> Body:
    return {"register": "1.8.0", "value": value, "unit": "kWh", "readAt": at, "source": "DISPLAY"}


def _site(job: Job, draw: random.Random) -> Body:
    """Where the crew's phone says it is: within some tens of metres of the order's place."""
    site: Body = {}
    place = value_at(job.order, "site.meterPlace")
    if isinstance(place, str):
        site["meterPlace"] = place
    lat, lon = (value_at(job.order, f"site.location.{axis}") for axis in ("lat", "lon"))
    if isinstance(lat, int | float) and isinstance(lon, int | float):
        site["lat"] = round(lat + draw.uniform(-0.0002, 0.0002), 6)
        site["lon"] = round(lon + draw.uniform(-0.0004, 0.0004), 6)
        site["accuracyM"] = draw.randrange(4, 25)
    return site


def _photo(job: Job, kind: str, at: str) -> Body:
    content = f"{job.partner_ref} {kind} {at}"
    return {
        "kind": kind,
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "takenAt": at,
        "ref": f"{job.partner_ref}/{kind.lower()}.jpg",
    }


def _digits(model: str) -> str:
    return "".join(sign for sign in model if sign.isdigit())


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
