"""Rows of the database, one aggregate per file; importing this package knows every table."""

from app.models.ack import Ack
from app.models.alarm import Alarm
from app.models.alarm_rule import AlarmRule
from app.models.announcement import Announcement
from app.models.area_subscription import AreaSubscription
from app.models.audit_entry import AuditEntry
from app.models.call_list import CallListEntry
from app.models.code_list import CodeValue, MeterModel, OrderType
from app.models.connection_order import ConnectionEvent, ConnectionOrder
from app.models.customer import (
    Contact,
    ContactChange,
    ContactIssue,
    Customer,
    Preference,
    PreferenceChange,
)
from app.models.customer_login import CustomerSession, OneTimeCode, RateCount
from app.models.dms_statement import DmsStatement
from app.models.drainer import Drainer
from app.models.environment_import import EnvironmentImport
from app.models.file_sighting import FileSighting
from app.models.inbound_message import InboundChunk, InboundFinding, InboundMessage
from app.models.lane import Lane
from app.models.letter import Letter
from app.models.mass_order import MassFile, MassOrder, MassStage, MassWaiver
from app.models.message_version import MessageVersion
from app.models.meter import Meter, MeterPlacement, MeterReading
from app.models.meter_delivery import MeterDelivery, MeterDeliveryItem, SerialMismatch
from app.models.meter_event import MeterEvent
from app.models.metering_point import MeteringPoint, Occupancy, PointSearch
from app.models.notice import DeliveryReceipt, Notice, NoticePoint
from app.models.order_request import OrderRequest
from app.models.outage import Outage, OutageEvent, OutagePoint, Storm
from app.models.outbox_item import Attempt, OutboxItem
from app.models.partner import Partner
from app.models.partner_bundle import BundleDifference, PartnerBundle, UnmappedField
from app.models.planned_cut import PlannedCut, PlannedCutFinding
from app.models.process import (
    MailMessage,
    Process,
    ProcessChange,
    ProcessStart,
    ProcessTrigger,
)
from app.models.purge_report import PurgeReport
from app.models.reconciliation import Difference, DifferenceChange, Snapshot
from app.models.replay import Replay
from app.models.reply import CustomerReport, InboundSms, PendingQuestion, ReplyCase
from app.models.rollout import RolloutOrder, RolloutPlan, RolloutPlanRow, RolloutSummary
from app.models.route_move import RouteMove
from app.models.route_rule import RouteRule, RuleSet
from app.models.run import PayloadBlob, Run, Step
from app.models.schedule import DailyTask, Schedule
from app.models.sending import (
    BudgetRaise,
    ProviderRoute,
    ProviderRouteChange,
    RateBucket,
    SendingStop,
    SpendHour,
)
from app.models.service_hour import ServiceHour
from app.models.staff_account import StaffAccount
from app.models.staff_address import StaffAddress
from app.models.visit import Visit, VisitAnswer
from app.models.work_order import WorkOrder, WorkOrderChange
from app.models.zone import LaneRunner, RunnerClaim, Zone

__all__ = [
    "Ack",
    "Alarm",
    "AlarmRule",
    "Announcement",
    "AreaSubscription",
    "Attempt",
    "AuditEntry",
    "BudgetRaise",
    "BundleDifference",
    "CallListEntry",
    "CodeValue",
    "ConnectionEvent",
    "ConnectionOrder",
    "Contact",
    "ContactChange",
    "ContactIssue",
    "Customer",
    "CustomerReport",
    "CustomerSession",
    "DailyTask",
    "DeliveryReceipt",
    "Difference",
    "DifferenceChange",
    "DmsStatement",
    "Drainer",
    "EnvironmentImport",
    "FileSighting",
    "InboundChunk",
    "InboundFinding",
    "InboundMessage",
    "InboundSms",
    "Lane",
    "LaneRunner",
    "Letter",
    "MailMessage",
    "MassFile",
    "MassOrder",
    "MassStage",
    "MassWaiver",
    "MessageVersion",
    "Meter",
    "MeterDelivery",
    "MeterDeliveryItem",
    "MeterEvent",
    "MeterModel",
    "MeterPlacement",
    "MeterReading",
    "MeteringPoint",
    "Notice",
    "NoticePoint",
    "Occupancy",
    "OneTimeCode",
    "OrderRequest",
    "OrderType",
    "Outage",
    "OutageEvent",
    "OutagePoint",
    "OutboxItem",
    "Partner",
    "PartnerBundle",
    "PayloadBlob",
    "PendingQuestion",
    "PlannedCut",
    "PlannedCutFinding",
    "PointSearch",
    "Preference",
    "PreferenceChange",
    "Process",
    "ProcessChange",
    "ProcessStart",
    "ProcessTrigger",
    "ProviderRoute",
    "ProviderRouteChange",
    "PurgeReport",
    "RateBucket",
    "RateCount",
    "Replay",
    "ReplyCase",
    "RolloutOrder",
    "RolloutPlan",
    "RolloutPlanRow",
    "RolloutSummary",
    "RouteMove",
    "RouteRule",
    "RuleSet",
    "Run",
    "RunnerClaim",
    "Schedule",
    "SendingStop",
    "SerialMismatch",
    "ServiceHour",
    "Snapshot",
    "SpendHour",
    "StaffAccount",
    "StaffAddress",
    "Step",
    "Storm",
    "UnmappedField",
    "Visit",
    "VisitAnswer",
    "WorkOrder",
    "WorkOrderChange",
    "Zone",
]
