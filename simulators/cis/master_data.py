"""Master data files: customers with their contacts, metering points with their meters, contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from simulators.cis.message import Elements, utc, write_message
from simulators.cis.people import Person
from simulators.cis.world import Point

NAMESPACE = "urn:tiedolla:cis:master-data:1"


def write_master_data(path: Path, points: Iterable[Point], version: int, now: datetime) -> str:
    """Write one MasterDataMessage and return its message id."""
    return write_message(path, NAMESPACE, "MasterDataMessage", _records(points, version), now)


def _records(points: Iterable[Point], version: int) -> Iterator[tuple[str, Elements]]:
    """A customer comes before the contracts that name it, and once."""
    last_customer = ""
    for point in points:
        if point.customer.customer_id != last_customer:
            yield "Customer", _customer(point.customer, version)
        last_customer = point.customer.customer_id
        yield "MeteringPoint", _metering_point(point, version)
        if point.former is not None:
            yield "Customer", _customer(point.former, version)
            yield "Contract", _former_contract(point, point.former, version)
        yield "Contract", _contract(point, version)


def _customer(person: Person, version: int) -> Elements:
    contacts: list[Elements] = []
    if person.phone:
        contacts.append({"Kind": "SMS", "Value": person.phone})
    if person.email:
        contacts.append({"Kind": "EMAIL", "Value": person.email})
    return {
        "CustomerId": person.customer_id,
        "Version": version,
        "Kind": person.kind,
        "Name": person.name,
        "Language": person.language,
        "SafetyBan": person.safety_ban,
        "Priority": person.priority,
        "Active": True,
        "Contacts": {"Contact": contacts},
        "PreferredChannel": person.channel,
    }


def _metering_point(point: Point, version: int) -> Elements:
    installed_at = datetime.combine(point.meter_installed_on, time(9), UTC)
    return {
        "Identification": point.gsrn,
        "Version": version,
        "LocalCode": point.local_code,
        "PhysicalStatusType": "AE01",
        "Type": "AG01",
        "SubType": "AQ01",
        "RemoteConnectable": True,
        "Dwelling": point.dwelling,
        "Transformer": point.transformer,
        "Feeder": point.feeder,
        "AnnualFeeCents": point.annual_fee_cents,
        "Address": address_of(point),
        "Technical": technical_of(point),
        "Meter": {
            "MeterIdentification": point.meter_number,
            "Serial": f"A{point.meter_number}",
            "Model": point.meter_model,
            "Multiplier": 1,
            "InstalledAt": utc(installed_at),
        },
    }


def _contract(point: Point, version: int) -> Elements:
    return {
        "ContractId": f"S{point.customer.customer_id[1:4]}{point.number:07d}",
        "Version": version,
        "CustomerId": point.customer.customer_id,
        "Identification": point.gsrn,
        "MovedInOn": point.moved_in_on.isoformat(),
    }


def _former_contract(point: Point, former: Person, version: int) -> Elements:
    return {
        "ContractId": f"S{former.customer_id[1:]}",
        "Version": version,
        "CustomerId": former.customer_id,
        "Identification": point.gsrn,
        "MovedInOn": (point.moved_in_on - timedelta(days=1_461)).isoformat(),
        "MovedOutOn": (point.moved_in_on - timedelta(days=1)).isoformat(),
    }


def address_of(point: Point) -> Elements:
    """The address as both kinds of files write it."""
    return {
        "StreetName": point.street,
        "HouseNumber": point.house,
        "Staircase": point.staircase,
        "Apartment": point.apartment,
        "PostalCode": point.postal_code,
        "PostOffice": point.post_office,
        "MunicipalityCode": point.municipality,
        "Lat": point.lat,
        "Lon": point.lon,
    }


def technical_of(point: Point) -> Elements:
    """The technical data as both kinds of files write them."""
    return {
        "Phases": point.phases,
        "MainFuse": point.main_fuse_a,
        "MultiplierCt": 1,
        "MeterPlace": point.meter_place,
        "AccessNote": point.access_note,
        "KeyInfo": point.key_info,
    }
