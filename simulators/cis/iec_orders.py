"""The same work orders as another CIS would send them: in IEC 61968-100's envelope."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from lxml import etree

from simulators.cis.message import Elements, make_element, utc
from simulators.cis.work_orders import Wish, work_order
from simulators.cis.world import Point

ENVELOPE = "http://iec.ch/TC57/2011/schema/message"
PAYLOAD = "urn:example:cis:work-orders"
VERBS = {"NEW": "create", "UPDATE": "change", "CANCEL": "cancel"}
STATES = {"AE01": "connected", "AE02": "disconnected", "AE03": "underConstruction"}


def write_iec_orders(path: Path, points: Iterable[Point], wish: Wish, now: datetime) -> str:
    """Write one RequestMessage and return its message id, which the reply will name."""
    message_id = str(uuid4())
    root = etree.Element(f"{{{ENVELOPE}}}RequestMessage", nsmap={"m": ENVELOPE})
    header = etree.SubElement(root, f"{{{ENVELOPE}}}Header")
    for name, text in (
        ("Verb", VERBS[wish.action]),
        ("Noun", "WorkOrder"),
        ("Revision", "2.0"),
        ("Timestamp", utc(now)),
        ("Source", "OtherCIS"),
        ("AckRequired", "true"),
        ("MessageID", message_id),
        ("CorrelationID", message_id),
    ):
        etree.SubElement(header, f"{{{ENVELOPE}}}{name}").text = text
    payload = etree.SubElement(root, f"{{{ENVELOPE}}}Payload")
    # The stubs do not know that None names the default namespace.
    names: Any = {None: PAYLOAD}
    orders = etree.SubElement(payload, f"{{{PAYLOAD}}}WorkOrders", nsmap=names)
    for point in points:
        order = make_element("WorkOrder", _order(work_order(point, wish, now)))
        for part in order.iter():
            part.tag = f"{{{PAYLOAD}}}{part.tag}"
        orders.append(order)
    etree.indent(root)
    path.write_bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
    return message_id


def _order(ours: Elements) -> Elements:
    """What our own profile says, under the names that the other CIS has for it."""
    point, address = _in(ours, "MeteringPoint"), _in(_in(ours, "MeteringPoint"), "Address")
    technical, customer = _in(point, "Technical"), _in(ours, "Customer")
    old, new = _in(ours, "OldMeter"), _in(ours, "NewMeter")
    return {
        "mRID": ours["OrderId"],
        "revisionNumber": ours["Revision"],
        "kind": ours["OrderTypeCode"],
        "priority": {"rank": ours["Priority"]},
        "dueDate": ours["DueDate"],
        "requestedInterval": {"start": ours["WindowFrom"], "end": ours["WindowTo"]},
        "UsagePoint": {
            "mRID": point["Identification"],
            "name": point.get("LocalCode"),
            "connectionState": STATES[str(point["PhysicalStatusType"])],
            "mainAddress": {
                "streetDetail": {
                    "name": address.get("StreetName"),
                    "number": address.get("HouseNumber"),
                    "buildingName": address.get("Staircase"),
                    "suiteNumber": address.get("Apartment"),
                },
                "townDetail": {
                    "code": address.get("MunicipalityCode"),
                    "name": address.get("PostOffice"),
                },
                "postalCode": address.get("PostalCode"),
            },
            "position": {"xPosition": address.get("Lon"), "yPosition": address.get("Lat")},
            "phaseCount": technical.get("Phases"),
            "ratedCurrent": technical.get("MainFuse"),
            "ctRatio": technical.get("MultiplierCt"),
            "meterPlace": technical.get("MeterPlace"),
            "siteAccessProblem": technical.get("AccessNote"),
        },
        "OldMeter": {
            "name": old.get("MeterIdentification"),
            "type": old.get("Model"),
            "reading": {"value": old.get("LastReading"), "timeStamp": old.get("LastReadingAt")},
            "Seal": old.get("Seal"),
        },
        "NewMeter": {"type": new.get("RequiredModel"), "ctRatio": new.get("MultiplierCt")},
        "Customer": {
            "mRID": customer.get("CustomerId"),
            "name": customer.get("Name"),
            "locale": customer.get("Language"),
            "phone": customer.get("Phone"),
            "email": customer.get("Email"),
            "presenceRequired": customer.get("PresenceRequired"),
            "specialNeed": "addressProtected" if customer.get("SafetyBan") else "none",
        },
    }


def _in(content: Elements, name: str) -> Elements:
    found = content.get(name)
    return found if isinstance(found, dict) else {}
