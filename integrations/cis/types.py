"""What the CIS sends and gets, as flat frozen records, and why a file or a record was refused.

Units: times are aware UTC, days are days in Finland, fuses in ampere, fees in cents.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

Severity = Literal["ERROR", "WARN", "INFO"]


class DocumentKind(StrEnum):
    """The documents that the CIS may send, told by their root element."""

    WORK_ORDERS = "WORK_ORDERS"
    MASS_WORK_ORDERS = "MASS_WORK_ORDERS"
    MASTER_DATA = "MASTER_DATA"
    CONNECTIONS = "CONNECTIONS"
    # Work orders in IEC 61968-100's envelope.
    IEC_REQUEST = "IEC_REQUEST"


class CisFinding(msgspec.Struct, frozen=True, gc=False):
    """One thing found in a file: our code, the field as the sender knows it, what to do about it.

    text is English and holds no personal data; line counts from 1 in the file as it was sent.
    """

    code: str
    path: str
    text: str
    line: int | None = None
    severity: Severity = "ERROR"


class FileRejected(Exception):
    """The file cannot be read, or not further: what was yielded before stays good."""

    def __init__(self, *findings: CisFinding) -> None:
        super().__init__("; ".join(f"{finding.code}: {finding.text}" for finding in findings))
        self.findings = findings


class IncompleteFile(FileRejected):
    """The file stops before its end: wait if it may still be growing, refuse it if not."""


class MessageHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Who sent a message and when; test marks one that nobody may act upon."""

    message_id: str
    created_at: datetime
    sender: str
    receiver: str
    schema_version: str
    test: bool = False
    findings: tuple[CisFinding, ...] = ()


class CisWorkOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One work order; key_info opens doors and stays out of logs and messages.

    Encoded it has only what was given: most orders leave half of it out.
    """

    order_id: str
    revision: int
    action: str
    order_type_code: str
    priority: int | None = None
    due_on: date | None = None
    window_from: datetime | None = None
    window_to: datetime | None = None
    gsrn: str
    local_code: str | None = None
    physical_status: str | None = None
    point_type: str | None = None
    point_subtype: str | None = None
    street_name: str | None = None
    house_number: str | None = None
    staircase: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    post_office: str | None = None
    municipality_code: str | None = None
    lat: float | None = None
    lon: float | None = None
    phases: int | None = None
    main_fuse_a: int | None = None
    multiplier_ct: Decimal | None = None
    meter_place: str | None = None
    access_note: str | None = None
    key_info: str | None = None
    old_meter_number: str | None = None
    old_meter_model: str | None = None
    last_reading: Decimal | None = None
    last_reading_at: datetime | None = None
    seals: tuple[str, ...] = ()
    required_model: str | None = None
    comm_type: str | None = None
    new_multiplier_ct: Decimal | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    language: str | None = None
    phone: str | None = None
    email: str | None = None
    presence_required: bool | None = None
    safety_ban: bool | None = None


class ParsedOrder(msgspec.Struct, frozen=True):
    """One WorkOrder element: order is None when an ERROR among the findings stopped it."""

    line: int
    order: CisWorkOrder | None
    order_id: str | None
    findings: tuple[CisFinding, ...] = ()


class MassHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a mass order file says once; defaults are the values that its items share.

    action is that of DefaultWork: with CANCEL and no items the whole mass order is called off.
    """

    mass_id: str
    declared_count: int
    wave: str | None = None
    area_name: str | None = None
    contract_ref: str | None = None
    allowed_models: tuple[str, ...] = ()
    planned_from_on: date | None = None
    planned_to_on: date | None = None
    defaults: dict[str, Any] = {}
    findings: tuple[CisFinding, ...] = ()

    @property
    def action(self) -> str:
        """What items ask for that do not say it themselves."""
        return str(self.defaults.get("action", "NEW"))


class ParsedItem(msgspec.Struct, frozen=True):
    """One Item of a mass order, with what DefaultWork said for it.

    order is None when an ERROR among the findings stopped it. counted tells that somebody gave a
    revision; else its number here is 1 and means nothing. source_hash: of the element as it stood
    in the file, and of what it inherits.
    """

    line: int
    item_no: str | None
    order: CisWorkOrder | None
    counted: bool
    source_hash: int
    findings: tuple[CisFinding, ...] = ()


class SameItem(msgspec.Struct, frozen=True):
    """An Item that is word for word one that is known; place is where in the list of known ones."""

    place: int


class CisContact(msgspec.Struct, frozen=True, gc=False):
    """kind is SMS or EMAIL; value is as the CIS wrote it."""

    kind: str
    value: str


class CisCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """One customer; an older version than the one known is to be ignored."""

    customer_id: str
    version: int
    kind: str
    name: str
    language: str | None = None
    safety_ban: bool = False
    priority: bool = False
    active: bool = True
    contacts: tuple[CisContact, ...] = ()
    preferred_channel: str | None = None


class CisMeter(msgspec.Struct, frozen=True, kw_only=True):
    """The meter that hangs at a metering point."""

    meter_number: str
    serial: str | None = None
    model: str | None = None
    multiplier: Decimal | None = None
    installed_at: datetime | None = None


class CisMeteringPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One metering point with its meter; dwelling is home, leisure or business."""

    gsrn: str
    version: int
    local_code: str | None = None
    physical_status: str | None = None
    point_type: str | None = None
    point_subtype: str | None = None
    remote_connectable: bool | None = None
    dwelling: str | None = None
    transformer: str | None = None
    feeder: str | None = None
    annual_fee_cents: int | None = None
    linked_point: str | None = None
    street_name: str | None = None
    house_number: str | None = None
    staircase: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    post_office: str | None = None
    municipality_code: str | None = None
    lat: float | None = None
    lon: float | None = None
    phases: int | None = None
    main_fuse_a: int | None = None
    multiplier_ct: Decimal | None = None
    meter_place: str | None = None
    access_note: str | None = None
    key_info: str | None = None
    meter: CisMeter | None = None


class CisContract(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who lives where: moved_out_on is the last day and None while the contract runs."""

    contract_id: str
    version: int
    customer_id: str
    gsrn: str
    moved_in_on: date
    moved_out_on: date | None = None


CisRecord = CisCustomer | CisMeteringPoint | CisContract


class ParsedRecord(msgspec.Struct, frozen=True):
    """One master data element: record is None when an ERROR among the findings stopped it.

    kind is the element's name (Customer, MeteringPoint, Contract) and key the record's own id.
    """

    line: int
    kind: str
    key: str | None
    record: CisRecord | None
    findings: tuple[CisFinding, ...] = ()


class CisStageDate(msgspec.Struct, frozen=True, gc=False):
    """The day on which a connection order reached a stage."""

    stage: str
    on: date


class CisConnection(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one connection order; target_week as 2026-W48, correction lets a stage go back."""

    order_no: str
    version: int
    changed_at: datetime
    customer_id: str
    stage: str
    correction: bool = False
    stage_dates: tuple[CisStageDate, ...] = ()
    gsrn: str | None = None
    meter_number: str | None = None
    target_week: str | None = None
    delay_reason: str | None = None
    visit_from: datetime | None = None
    visit_to: datetime | None = None
    energise_from: datetime | None = None
    energise_to: datetime | None = None
    street_name: str | None = None
    house_number: str | None = None
    staircase: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    post_office: str | None = None
    municipality_code: str | None = None
    lat: float | None = None
    lon: float | None = None


class ParsedConnection(msgspec.Struct, frozen=True):
    """One Connection element: connection is None when an ERROR among the findings stopped it."""

    line: int
    connection: CisConnection | None
    order_no: str | None
    findings: tuple[CisFinding, ...] = ()


class CisReading(msgspec.Struct, frozen=True, kw_only=True):
    """One register of a meter at one moment."""

    register: str
    value: Decimal
    unit: str
    read_at: datetime
    source: str | None = None


class SwappedMeter(msgspec.Struct, frozen=True, kw_only=True):
    """The meter that was taken down or hung up, as the installer reported it."""

    meter_number: str
    serial: str | None = None
    model: str | None = None
    firmware: str | None = None
    multiplier: Decimal | None = None
    seals: tuple[str, ...] = ()
    condition: str | None = None
    readings: tuple[CisReading, ...] = ()


class CisCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """How a work order ended; metering_point is the whole point as it is now."""

    order_id: str
    revision: int
    order_type_code: str | None = None
    final_state: str
    completed_at: datetime
    created_at: datetime | None = None
    gsrn: str
    outage_off_at: datetime | None = None
    outage_on_at: datetime | None = None
    failure_reason: str | None = None
    failure_text: str | None = None
    old_meter: SwappedMeter | None = None
    new_meter: SwappedMeter | None = None
    metering_point: CisMeteringPoint | None = None
    sender: str | None = None
    receiver: str | None = None
    test: bool = False


class RejectEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One finding that the CIS has to do something about."""

    code: str
    text: str
    iec_code: str | None = None
    order_id: str | None = None
    line: int | None = None
    path: str | None = None
    severity: Severity = "ERROR"


class CisReply(msgspec.Struct, frozen=True, kw_only=True):
    """How a request in IEC 61968-100's envelope ended: result is OK, PARTIAL or FAILED."""

    file_name: str
    created_at: datetime
    result: Literal["OK", "PARTIAL", "FAILED"]
    entries: tuple[RejectEntry, ...] = ()
    correlation_id: str | None = None
    noun: str = "WorkOrder"


class CisReject(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong with a file: rejected_message_id is the file's own MessageId, if it had one."""

    file_name: str
    created_at: datetime
    entries: tuple[RejectEntry, ...]
    rejected_message_id: str | None = None
    sender: str | None = None
    receiver: str | None = None
    test: bool = False
