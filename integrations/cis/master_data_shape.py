"""The shapes of the records of a master data file."""

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

CUSTOMER = Group(
    {
        "CustomerId": text("customer_id", 40, required=True),
        "Version": whole("version", 1, required=True),
        "Kind": code("kind", "consumer", "company", required=True),
        "Name": text("name", 200, required=True, shown=False),
        "Language": Leaf("language", values.to_lower, "fi, sv or en"),
        "SafetyBan": flag("safety_ban"),
        "Priority": flag("priority"),
        "Active": flag("active"),
        "Contacts": Group(
            {
                "Contact": Group(
                    {
                        "Kind": code("kind", "SMS", "EMAIL", required=True),
                        "Value": text("value", 320, required=True, shown=False),
                    },
                    attribute="contacts",
                    many=True,
                )
            }
        ),
        "PreferredChannel": code("preferred_channel", "SMS", "EMAIL", "NONE"),
    }
)

METERING_POINT = Group(
    {
        "Identification": text("gsrn", 40, required=True),
        "Version": whole("version", 1, required=True),
        "LocalCode": text("local_code", 40),
        "PhysicalStatusType": text("physical_status", 20),
        "Type": text("point_type", 20),
        "SubType": text("point_subtype", 20),
        "RemoteConnectable": flag("remote_connectable"),
        "Dwelling": code("dwelling", "home", "leisure", "business"),
        "Transformer": text("transformer", 40),
        "Feeder": text("feeder", 40),
        "AnnualFeeCents": whole("annual_fee_cents", 0),
        "LinkedPoint": text("linked_point", 40),
        "Address": ADDRESS,
        "Technical": TECHNICAL,
        "Meter": Group(
            {
                "MeterIdentification": text("meter_number", 40, required=True),
                "Serial": text("serial", 40),
                "Model": text("model", 40),
                "Multiplier": decimal("multiplier", "a number above 0, at most 1000000"),
                "InstalledAt": moment("installed_at"),
            },
            attribute="meter",
        ),
    }
)

CONTRACT = Group(
    {
        "ContractId": text("contract_id", 40, required=True),
        "Version": whole("version", 1, required=True),
        "CustomerId": text("customer_id", 40, required=True),
        "Identification": text("gsrn", 40, required=True),
        "MovedInOn": day("moved_in_on", required=True),
        "MovedOutOn": day("moved_out_on"),
    }
)
