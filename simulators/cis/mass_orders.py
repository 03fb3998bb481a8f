"""Mass order files: the meters of one wave, written as a stream however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from lxml import etree

from simulators.cis.message import Elements, make_element, make_header
from simulators.cis.work_orders import HELSINKI, NAMESPACE
from simulators.cis.world import Point

MODELS = ("6534", "6511")
# No model of ours, as a slip of the keyboard would give.
BAD_MODEL = "9999"


@dataclass(frozen=True, slots=True)
class MassWish:
    """What one file asks for.

    revision: None leaves the counting to the receiver. changed, bad: numbers of the points whose
    items say something new, or something that no list knows; …_every: the same by every so many.
    """

    mass_id: str
    wave: str
    area: str
    action: str = "NEW"
    revision: int | None = None
    changed: frozenset[int] = field(default_factory=frozenset)
    bad: frozenset[int] = field(default_factory=frozenset)
    changed_every: int = 0
    bad_every: int = 0

    def is_bad(self, number: int) -> bool:
        """Whether this point's item asks for a model that no list knows."""
        return number in self.bad or bool(self.bad_every and number % self.bad_every == 0)

    def is_changed(self, number: int) -> bool:
        """Whether this point's item says something new."""
        return number in self.changed or bool(
            self.changed_every and number % self.changed_every == 0
        )


def write_mass_order(
    path: Path, points: Iterable[Point], count: int, wish: MassWish, now: datetime
) -> str:
    """Write one MassWorkOrderMessage with `count` declared items; returns its message id."""
    message_id = str(uuid4())
    with path.open("wb") as file, etree.xmlfile(file, encoding="UTF-8") as xml:
        xml.write_declaration()
        with xml.element("MassWorkOrderMessage", nsmap={None: NAMESPACE}):
            xml.write("\n", make_element("Header", make_header(message_id, now)))
            for name, content in _head(count, wish, now).items():
                xml.write("\n", _part(name, content))
            xml.write("\n")
            with xml.element("Items"):
                for point in points:
                    xml.write("\n", make_element("Item", _item(point, wish)))
                xml.write("\n")
            xml.write("\n")
    return message_id


def _head(count: int, wish: MassWish, now: datetime) -> Elements:
    begin = now.astimezone(HELSINKI).date() + timedelta(days=14)
    end = begin + timedelta(days=90)
    return {
        "MassOrderId": wish.mass_id,
        "Wave": wish.wave,
        "AreaName": wish.area,
        "ContractRef": "K-2026-17",
        "AllowedModels": None,
        "PlannedFrom": begin.isoformat(),
        "PlannedTo": end.isoformat(),
        "DeclaredCount": count,
        "DefaultWork": {
            "Revision": wish.revision,
            "Action": wish.action,
            "OrderTypeCode": "MVM",
            "Priority": 3,
            "DueDate": end.isoformat(),
            "MeteringPoint": {"PhysicalStatusType": "AE01", "Type": "AG01", "SubType": "AQ01"},
            "NewMeter": {"CommType": "P2P"},
        },
    }


def _part(name: str, content: object) -> etree._Element:
    """One part of the head; the models are several elements inside one."""
    if name == "AllowedModels":
        whole = etree.Element(name)
        for model in MODELS:
            etree.SubElement(whole, "Model").text = model
        return whole
    if isinstance(content, dict):
        return make_element(name, content)
    part = etree.Element(name)
    part.text = str(content)
    return part


def _item(point: Point, wish: MassWish) -> Elements:
    """What differs from meter to meter, and no more: about 630 bytes."""
    number = point.number
    model = BAD_MODEL if wish.is_bad(number) else point.new_model
    note = "Soita ennen tuloa" if wish.is_changed(number) else point.access_note
    return {
        "ItemNo": f"{number:06d}",
        "MeteringPoint": {
            "Identification": point.gsrn,
            "LocalCode": point.local_code,
            "Address": {
                "StreetName": point.street,
                "HouseNumber": point.house,
                "PostalCode": point.postal_code,
                "PostOffice": point.post_office,
                "MunicipalityCode": point.municipality,
            },
            "Technical": {"AccessNote": note, "KeyInfo": point.key_info},
        },
        "OldMeter": {"MeterIdentification": point.meter_number},
        "NewMeter": {"RequiredModel": model},
        "Customer": {
            "CustomerId": point.customer.customer_id,
            "Language": point.customer.language,
            "Phone": point.customer.phone,
        },
    }
