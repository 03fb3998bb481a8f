"""The shapes of a WorkOrder element, and of the head and the items of a mass order."""

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

Parts = dict[str, Leaf | Group]

_COMMON_POINT: Parts = {
    "PhysicalStatusType": text("physical_status", 20),
    "Type": text("point_type", 20),
    "SubType": text("point_subtype", 20),
    "Address": ADDRESS,
    "Technical": TECHNICAL,
}
_POINT = Group(
    {
        "Identification": text("gsrn", 40, required=True),
        "LocalCode": text("local_code", 40),
        **_COMMON_POINT,
    },
    required=True,
)
_ACTIONS = ("NEW", "UPDATE", "CANCEL")
_TIMES: Parts = {
    "Priority": whole("priority", 1, 5),
    "DueDate": day("due_on"),
    "WindowFrom": moment("window_from"),
    "WindowTo": moment("window_to"),
}
_METERS: Parts = {
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
}
_CUSTOMER: Parts = {
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

WORK_ORDER = Group(
    {
        "OrderId": text("order_id", 40, required=True),
        "Revision": whole("revision", 1, required=True),
        "Action": code("action", *_ACTIONS, required=True),
        "OrderTypeCode": text("order_type_code", 20, required=True),
        **_TIMES,
        "MeteringPoint": _POINT,
        **_METERS,
        **_CUSTOMER,
    }
)

# What may be left out because DefaultWork, or nobody, says it.
_SAID_ONCE: Parts = {
    "Revision": whole("revision", 1),
    "Action": code("action", *_ACTIONS),
    "OrderTypeCode": text("order_type_code", 20),
    **_TIMES,
}
MASS_ITEM = Group(
    {
        "ItemNo": Leaf("item_no", values.to_text, "a number of at most 9 digits", required=True),
        **_SAID_ONCE,
        "MeteringPoint": _POINT,
        **_METERS,
        **_CUSTOMER,
    }
)
MASS_HEAD = Group(
    {
        "MassOrderId": text("mass_id", 30, required=True),
        "Wave": text("wave", 40),
        "AreaName": text("area_name", 100),
        "ContractRef": text("contract_ref", 40),
        "AllowedModels": Group({"Model": text("allowed_models", 40, many=True)}),
        "PlannedFrom": day("planned_from_on"),
        "PlannedTo": day("planned_to_on"),
        "DeclaredCount": whole("declared_count", 0, required=True),
        "DefaultWork": Group(
            {**_SAID_ONCE, "MeteringPoint": Group(_COMMON_POINT), **_METERS}, "defaults"
        ),
    }
)
