"""The JSON Schemas beside the integrations, made from their types.

`python -m tests.integrations.schemas` writes them anew after a type has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

import integrations
from integrations.alarm_webhook.types import Signal
from integrations.billing.types import MeterChange
from integrations.dms.outage_types import DmsMessage
from integrations.dms.types import SwapOutage
from integrations.head_end.types import MeterEvents
from integrations.installer.ack_types import InstallerAck
from integrations.installer.types import InstallerOrder
from integrations.meter_maker.types import MeterDelivery
from integrations.nis.types import NisDevice
from integrations.planner.types import PlannedCutRequest
from integrations.runner_api.types import (
    Beat,
    Claim,
    ClaimAsked,
    FileTaken,
    FileTold,
    Heartbeat,
    Report,
    Settled,
)
from integrations.snapshots.types import Head, Record

SCHEMAS: Mapping[str, type[msgspec.Struct]] = {
    "installer/schema/order.schema.json": InstallerOrder,
    "installer/schema/ack.schema.json": InstallerAck,
    "nis/schema/device.schema.json": NisDevice,
    "dms/schema/swap_outage.schema.json": SwapOutage,
    "planner/schema/planned_cut.schema.json": PlannedCutRequest,
    "dms/schema/outages.schema.json": DmsMessage,
    "head_end/schema/events.schema.json": MeterEvents,
    "alarm_webhook/schema/signal.schema.json": Signal,
    "meter_maker/schema/delivery.schema.json": MeterDelivery,
    "billing/schema/meter_change.schema.json": MeterChange,
    "snapshots/schema/head.schema.json": Head,
    "snapshots/schema/record.schema.json": Record,
    "runner_api/schema/heartbeat.schema.json": Heartbeat,
    "runner_api/schema/beat.schema.json": Beat,
    "runner_api/schema/claim_asked.schema.json": ClaimAsked,
    "runner_api/schema/claim.schema.json": Claim,
    "runner_api/schema/report.schema.json": Report,
    "runner_api/schema/settled.schema.json": Settled,
    "runner_api/schema/file_told.schema.json": FileTold,
    "runner_api/schema/file_taken.schema.json": FileTaken,
}


def path_of(name: str) -> Path:
    """Where the schema lives."""
    return Path(next(iter(integrations.__path__))) / name


def make_schema(name: str) -> dict[str, Any]:
    """The schema of a type, with a name of its own."""
    system, what = name.split("/", maxsplit=1)[0], Path(name).name.removesuffix(".schema.json")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tiedolla:{system}:{what}:1",
        **msgspec.json.schema(SCHEMAS[name]),
    }


if __name__ == "__main__":
    for each in SCHEMAS:
        text = json.dumps(make_schema(each), indent=2, ensure_ascii=False)
        path_of(each).write_text(text + "\n", encoding="utf-8")
