"""The shape of a WorkOrder element."""

from __future__ import annotations

from integrations.cis import values
from integrations.cis.shape import (
    ADDRESS,
    TECHNICAL,
    Group,
    Leaf,
    code,
    day,
    decimal,
    flag,
    moment,
    text,
    whole,
)

WORK_ORDER = Group(
    {
        "OrderId": text("order_id", 40, required=True),
        "Revision": whole("revision", 1, required=True),
        "Action": code("action", "NEW", "UPDATE", "CANCEL", required=True),
        "OrderTypeCode": text("order_type_code", 20, required=True),
        "Priority": whole("priority", 1, 5),
        "DueDate": day("due_on"),
        "WindowFrom": moment("window_from"),
        "WindowTo": moment("window_to"),
        "MeteringPoint": Group(
            {
                "Identification": text("gsrn", 40, required=True),
                "LocalCode": text("local_code", 40),
                "PhysicalStatusType": text("physical_status", 20),
                "Type": text("point_type", 20),
                "SubType": text("point_subtype", 20),
                "Address": ADDRESS,
                "Technical": TECHNICAL,
            },
            required=True,
        ),
        "OldMeter": Group(
            {
                "MeterIdentification": text("old_meter_number", 40),
                "Model": text("old_meter_model", 40),
                "LastReading": decimal("last_reading", "a number of 0 or more"),
                "LastReadingAt": moment("last_reading_at"),
                "Seal": text("seals", 40, many=True),
            }
        ),
        "NewMeter": Group(
            {
                "RequiredModel": text("required_model", 40),
                "CommType": text("comm_type", 40),
                "MultiplierCt": decimal("new_multiplier_ct", "a number above 0, at most 1000000"),
            }
        ),
        "Customer": Group(
            {
                "CustomerId": text("customer_id", 40, required=True),
                "Name": text("customer_name", 200, shown=False),
                "Language": Leaf("language", values.to_lower, "fi, sv or en"),
                "Phone": text("phone", 40, shown=False),
                "Email": text("email", 320, shown=False),
                "PresenceRequired": flag("presence_required"),
                "SafetyBan": flag("safety_ban"),
            }
        ),
    }
)
