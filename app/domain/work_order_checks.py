"""Does a work order from the CIS make sense, given our code lists and what we know of the point?

This runs once for every order of a file, so it makes nothing but the findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from app.domain.datahub_codes import CLOSED_STATUSES, DATAHUB_CODES
from app.domain.findings import Finding, find
from app.domain.gsrn import is_valid_gsrn
from app.domain.languages import Language
from app.domain.meter_models import DEFAULT_METER_MODELS, MeterModelDef
from app.domain.order_types import DEFAULT_ORDER_TYPES, OrderTypeDef
from app.domain.reject_codes import RejectCode, Severity
from app.domain.revisions import Action


class WorkOrderFacts(Protocol):
    """The fields of an order that the checks look at, as the CIS gave them."""

    @property
    def action(self) -> str: ...
    @property
    def order_type_code(self) -> str: ...
    @property
    def due_on(self) -> date | None: ...
    @property
    def window_from(self) -> datetime | None: ...
    @property
    def window_to(self) -> datetime | None: ...
    @property
    def gsrn(self) -> str: ...
    @property
    def physical_status(self) -> str | None: ...
    @property
    def point_type(self) -> str | None: ...
    @property
    def point_subtype(self) -> str | None: ...
    @property
    def required_model(self) -> str | None: ...
    @property
    def old_meter_number(self) -> str | None: ...
    @property
    def phases(self) -> int | None: ...
    @property
    def main_fuse_a(self) -> int | None: ...
    @property
    def multiplier_ct(self) -> Decimal | int | None: ...
    @property
    def language(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class CodeLists:
    """The code lists in force, by code."""

    order_types: Mapping[str, OrderTypeDef]
    models: Mapping[str, MeterModelDef]
    physical_statuses: frozenset[str]
    point_types: frozenset[str] = frozenset(DATAHUB_CODES["AG"])
    point_subtypes: frozenset[str] = frozenset(DATAHUB_CODES["AQ"])


class PointFacts(NamedTuple):
    """What our register says about the order's metering point."""

    gsrn: str
    status: str | None = None
    meter_number: str | None = None


DEFAULT_CODE_LISTS = CodeLists(
    order_types={kind.code: kind for kind in DEFAULT_ORDER_TYPES},
    models={model.model: model for model in DEFAULT_METER_MODELS},
    physical_statuses=frozenset(DATAHUB_CODES["AE"]),
)


def check_work_order(
    order: WorkOrderFacts, lists: CodeLists, register: PointFacts | None, today: date
) -> tuple[Finding, ...]:
    """Find what is wrong with an order; an order without an ERROR among the findings is taken in.

    A cancellation is not checked: what it cancels was, and it must get through.
    """
    if order.action == Action.CANCEL:
        return ()
    return tuple(_findings(order, lists, register, today))


def _findings(
    order: WorkOrderFacts, lists: CodeLists, register: PointFacts | None, today: date
) -> Iterator[Finding]:
    kind = lists.order_types.get(order.order_type_code)
    if kind is None:
        text = f"Order type {order.order_type_code} is not in the code list."
        yield find(RejectCode.TYPE_UNKNOWN, "OrderTypeCode", text)
    if not is_valid_gsrn(order.gsrn):
        text = f"{order.gsrn} is not 18 digits with a valid check digit."
        yield find(RejectCode.GSRN_INVALID, "MeteringPoint/Identification", text)
    if order.required_model is not None:
        yield from _model_findings(order, order.required_model, kind, lists)
    yield from _point_findings(order, kind, lists, register)
    yield from _time_findings(order, today)
    yield from _customer_findings(order)


def _model_findings(
    order: WorkOrderFacts, code: str, kind: OrderTypeDef | None, lists: CodeLists
) -> Iterator[Finding]:
    model = lists.models.get(code)
    if model is None:
        text = f"Meter model {code} is not in the code list."
        yield find(RejectCode.MODEL_UNKNOWN, _MODEL_PATH, text)
        return
    if kind is not None and kind.code not in model.order_types:
        yield _unfit(f"Meter model {code} may not be ordered for order type {kind.code}.")
    if order.phases is not None and order.phases > model.phases:
        text = f"Meter model {code} has {model.phases} phase(s), the point has {order.phases}."
        yield _unfit(text)
    fuse = order.main_fuse_a
    if fuse is not None and model.max_fuse_a is not None and fuse > model.max_fuse_a:
        text = f"Meter model {code} takes {model.max_fuse_a} A at most, the main fuse has {fuse} A."
        yield _unfit(text)
    if order.multiplier_ct is not None and order.multiplier_ct > 1 and not model.ct:
        text = f"Meter model {code} measures directly, the point has current transformers."
        yield _unfit(text)


def _unfit(text: str) -> Finding:
    return find(RejectCode.MODEL_NOT_FOR_TYPE, _MODEL_PATH, text)


def _point_findings(
    order: WorkOrderFacts,
    kind: OrderTypeDef | None,
    lists: CodeLists,
    register: PointFacts | None,
) -> Iterator[Finding]:
    # The order is newer than our register, which is fed by the same system less often.
    status = order.physical_status or (register.status if register else None)
    if status is not None and status not in lists.physical_statuses:
        text = f"Physical status {status} is not in the code list."
        yield find(RejectCode.FIELD_INVALID, _STATUS_PATH, text)
    # Nothing that we do depends on these two, so an unknown code stops no order.
    if order.point_type is not None and order.point_type not in lists.point_types:
        text = f"Metering point type {order.point_type} is not in the code list."
        yield find(RejectCode.FIELD_INVALID, "MeteringPoint/Type", text, severity=Severity.WARN)
    if order.point_subtype is not None and order.point_subtype not in lists.point_subtypes:
        text = f"Metering point subtype {order.point_subtype} is not in the code list."
        yield find(RejectCode.FIELD_INVALID, "MeteringPoint/SubType", text, severity=Severity.WARN)
    if status in CLOSED_STATUSES and not (kind is not None and kind.for_removal):
        text = f"The metering point has status {status}; only a removal may be ordered there."
        yield find(RejectCode.POINT_CLOSED, _STATUS_PATH, text)
    ours = register.meter_number if register else None
    theirs = order.old_meter_number
    if ours is not None and theirs is not None and ours != theirs:
        text = f"The order says meter {theirs}, our register says {ours}."
        yield find(RejectCode.METER_POINT_MISMATCH, "OldMeter/MeterIdentification", text)


def _time_findings(order: WorkOrderFacts, today: date) -> Iterator[Finding]:
    begin, end = order.window_from, order.window_to
    if begin is not None and end is not None and begin >= end:
        yield find(RejectCode.WINDOW_INVALID, "WindowTo", "WindowTo is not later than WindowFrom.")
    if order.due_on is not None and order.due_on < today:
        text = f"The due day {order.due_on.isoformat()} has passed."
        yield find(RejectCode.DUE_IN_PAST, "DueDate", text)


def _customer_findings(order: WorkOrderFacts) -> Iterator[Finding]:
    if order.language is None:
        yield find(RejectCode.LANGUAGE_ASSUMED, "Customer/Language")
    elif order.language not in _LANGUAGES:
        text = f"Language {order.language} is not one of ours; Finnish assumed."
        yield find(RejectCode.LANGUAGE_ASSUMED, "Customer/Language", text)
    # The number itself stays out of the finding, which is logged and sent back.
    if order.phone is not None and not _PHONE.fullmatch(order.phone):
        yield find(RejectCode.CONTACT_INVALID, "Customer/Phone", "The phone number is not one.")


_MODEL_PATH = "NewMeter/RequiredModel"
_STATUS_PATH = "MeteringPoint/PhysicalStatusType"
_LANGUAGES = frozenset(Language)
# Loose on purpose: whether a number can receive texts is for the phone number library to say.
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]{4,24}")
