"""Work order files: what the CIS wants done at the points of a made-up world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from simulators.cis.master_data import address_of, technical_of
from simulators.cis.message import Elements, utc, write_message
from simulators.cis.world import Point

NAMESPACE = "urn:tiedolla:cis:work-order:1"
HELSINKI = ZoneInfo("Europe/Helsinki")

ORDER_TYPES = ("MVM", "MVY", "MVV", "UUA", "LIS", "POI", "HUO", "KYT", "KAT", "SIN")
HANGS_A_METER = frozenset({"MVM", "MVY", "MVV", "UUA", "LIS"})
HAS_NO_METER_YET = frozenset({"UUA", "LIS"})
URGENT = frozenset({"MVV", "KYT"})
# Two-hour windows that a crew is booked in, by the hour they start.
WINDOW_HOURS = (8, 10, 12, 14)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted at every point of one file; order ids are the prefix and the point's number."""

    type_code: str
    action: str
    revision: int
    id_prefix: str


def write_work_orders(path: Path, points: Iterable[Point], wish: Wish, now: datetime) -> str:
    """Write one WorkOrderMessage and return its message id."""
    records = (("WorkOrder", work_order(point, wish, now)) for point in points)
    return write_message(path, NAMESPACE, "WorkOrderMessage", records, now)


def order_id_of(wish: Wish, point: Point) -> str:
    """The id of the order for this point."""
    return f"{wish.id_prefix}-{point.number:07d}"


def work_order(point: Point, wish: Wish, now: datetime) -> Elements:
    """One order as our own profile has it."""
    day = _working_day(now.astimezone(HELSINKI).date(), 1 + point.number % 10)
    start = datetime.combine(day, time(WINDOW_HOURS[point.number % 4]), HELSINKI)
    return {
        "OrderId": order_id_of(wish, point),
        "Revision": wish.revision,
        "Action": wish.action,
        "OrderTypeCode": wish.type_code,
        "Priority": 1 if wish.type_code in URGENT else 3,
        "DueDate": (day + timedelta(days=30)).isoformat(),
        "WindowFrom": utc(start),
        "WindowTo": utc(start + timedelta(hours=2)),
        "MeteringPoint": {
            "Identification": point.gsrn,
            "LocalCode": point.local_code,
            "PhysicalStatusType": "AE03" if wish.type_code == "UUA" else "AE01",
            "Type": "AG01",
            "SubType": "AQ01",
            "Address": address_of(point),
            "Technical": technical_of(point),
        },
        "OldMeter": None if wish.type_code in HAS_NO_METER_YET else _old_meter(point, now),
        "NewMeter": _new_meter(point) if wish.type_code in HANGS_A_METER else None,
        "Customer": {
            "CustomerId": point.customer.customer_id,
            "Name": point.customer.name,
            "Language": point.customer.language,
            "Phone": point.customer.phone,
            "Email": point.customer.email,
            "PresenceRequired": point.meter_place == "indoor",
            "SafetyBan": point.customer.safety_ban,
        },
    }


def _old_meter(point: Point, now: datetime) -> Elements:
    first_of_month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "MeterIdentification": point.meter_number,
        "Model": point.meter_model,
        "LastReading": point.last_reading_kwh,
        "LastReadingAt": utc(first_of_month),
        "Seal": f"S{point.number:07d}",
    }


def _new_meter(point: Point) -> Elements:
    return {"RequiredModel": point.new_model, "CommType": "P2P", "MultiplierCt": 1}


def _working_day(start: date, ahead: int) -> date:
    """The day that many weekdays ahead; holidays are the installer's own worry."""
    day = start
    while ahead:
        day += timedelta(days=1)
        ahead -= day.weekday() < 5
    return day
