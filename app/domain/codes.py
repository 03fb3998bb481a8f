"""All code lists in one place: reject codes, and the defaults that seed the database's lists."""

from __future__ import annotations

from app.domain.datahub_codes import CLOSED_STATUSES, DATAHUB_CODES
from app.domain.failure_reasons import (
    FAILURE_REASONS,
    UNKNOWN_REASON_SHOWN,
    FailureReason,
    NextStep,
)
from app.domain.meter_models import DEFAULT_METER_MODELS, MeterModelDef
from app.domain.order_types import DEFAULT_ORDER_TYPES, OrderTypeDef
from app.domain.reject_codes import REJECT_CODES, CodeInfo, RejectCode, Severity

__all__ = [
    "CLOSED_STATUSES",
    "DATAHUB_CODES",
    "DEFAULT_METER_MODELS",
    "DEFAULT_ORDER_TYPES",
    "FAILURE_REASONS",
    "REJECT_CODES",
    "UNKNOWN_REASON_SHOWN",
    "CodeInfo",
    "FailureReason",
    "MeterModelDef",
    "NextStep",
    "OrderTypeDef",
    "RejectCode",
    "Severity",
]
