"""What we tell the CIS when a work order has ended.

Source: schema/completion-1.xsd.
"""

from __future__ import annotations

from integrations.cis.types import (
    CisCompletion,
    CisMeter,
    CisMeteringPoint,
    CisReading,
    SwappedMeter,
)
from integrations.cis.xml_writer import Elements, write_message

NAMESPACE = "urn:tiedolla:cis:completion:1"
KIND = "CIS_COMPLETION"
# How an order ended without a completion: it came back to the company, or was called off at work.
END_KIND = "CIS_ORDER_END"
_SCHEMA_VERSION = "1.0"


def build_completion(completion: CisCompletion, message_id: str) -> bytes:
    """One WorkOrderCompletion; the same arguments give the same bytes."""
    return write_message(
        NAMESPACE,
        "WorkOrderCompletion",
        {
            "Header": {
                "MessageId": message_id,
                "CreatedAt": completion.created_at or completion.completed_at,
                "Sender": completion.sender,
                "Receiver": completion.receiver,
                "SchemaVersion": _SCHEMA_VERSION,
                "TestIndicator": completion.test,
            },
            "OrderId": completion.order_id,
            "Revision": completion.revision,
            "OrderTypeCode": completion.order_type_code,
            "FinalState": completion.final_state,
            "CompletedAt": completion.completed_at,
            "Identification": completion.gsrn,
            "Outage": {"OffAt": completion.outage_off_at, "OnAt": completion.outage_on_at},
            "Failure": {
                "ReasonCode": completion.failure_reason,
                "Text": completion.failure_text,
            },
            "OldMeter": _meter(completion.old_meter),
            "NewMeter": _meter(completion.new_meter),
            "MeteringPoint": _point(completion.metering_point),
        },
    )


def _meter(meter: SwappedMeter | None) -> Elements | None:
    if meter is None:
        return None
    return {
        "MeterIdentification": meter.meter_number,
        "Serial": meter.serial,
        "Model": meter.model,
        "Firmware": meter.firmware,
        "Multiplier": meter.multiplier,
        "Condition": meter.condition,
        "Seal": meter.seals,
        "Reading": [_reading(reading) for reading in meter.readings],
    }


def _reading(reading: CisReading) -> Elements:
    return {
        "Register": reading.register,
        "Value": reading.value,
        "Unit": reading.unit,
        "ReadAt": reading.read_at,
        "Source": reading.source,
    }


def _point(point: CisMeteringPoint | None) -> Elements | None:
    """The whole point, except key information and access notes, which the CIS knows better."""
    if point is None:
        return None
    return {
        "Identification": point.gsrn,
        "Version": point.version,
        "LocalCode": point.local_code,
        "PhysicalStatusType": point.physical_status,
        "Type": point.point_type,
        "SubType": point.point_subtype,
        "RemoteConnectable": point.remote_connectable,
        "Dwelling": point.dwelling,
        "Transformer": point.transformer,
        "Feeder": point.feeder,
        "AnnualFeeCents": point.annual_fee_cents,
        "LinkedPoint": point.linked_point,
        "Address": {
            "StreetName": point.street_name,
            "HouseNumber": point.house_number,
            "Staircase": point.staircase,
            "Apartment": point.apartment,
            "PostalCode": point.postal_code,
            "PostOffice": point.post_office,
            "MunicipalityCode": point.municipality_code,
            "Lat": point.lat,
            "Lon": point.lon,
        },
        "Technical": {
            "Phases": point.phases,
            "MainFuse": point.main_fuse_a,
            "MultiplierCt": point.multiplier_ct,
            "MeterPlace": point.meter_place,
        },
        "Meter": _hanging_meter(point.meter),
    }


def _hanging_meter(meter: CisMeter | None) -> Elements | None:
    if meter is None:
        return None
    return {
        "MeterIdentification": meter.meter_number,
        "Serial": meter.serial,
        "Model": meter.model,
        "Multiplier": meter.multiplier,
        "InstalledAt": meter.installed_at,
    }
