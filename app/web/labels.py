"""What codes and states are called on the pages, with the colour tone and sign of each.

A code that is not here is shown as it is: somebody searching for it finds it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.domain.lanes import partner_of


@dataclass(frozen=True, slots=True)
class Label:
    """A word for a state; tone is ok, fail, warn, info or calm, icon a sign of icons.html."""

    text: str | LazyString
    tone: str = "calm"
    icon: str = "calm"


WORK_ORDER: Mapping[str, Label] = {
    "RECEIVED": Label(_l("Received"), "info", "wait"),
    "VALIDATED": Label(_l("Checked"), "info", "wait"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "NO_ROUTE": Label(_l("No route"), "warn", "route"),
    "ROUTED": Label(_l("Routed"), "info", "route"),
    "SENT": Label(_l("Sent to the contractor"), "info", "sent"),
    "ACCEPTED": Label(_l("Accepted by the contractor"), "info", "ok"),
    "PARTNER_REJECTED": Label(_l("Refused by the contractor"), "fail", "fail"),
    "SCHEDULED": Label(_l("Scheduled"), "info", "wait"),
    "RESCHEDULED": Label(_l("Rescheduled"), "info", "wait"),
    "STARTED": Label(_l("Under way"), "warn", "going"),
    "COMPLETED": Label(_l("Completed"), "ok", "ok"),
    "FAILED": Label(_l("Visit failed"), "fail", "fail"),
    "RETURNED": Label(_l("Returned to us"), "warn", "warn"),
    "CORRECTED": Label(_l("Corrected"), "ok", "ok"),
    "REPORTED": Label(_l("Completed and reported"), "ok", "ok"),
    "CLOSED": Label(_l("Closed"), "ok", "ok"),
    "CANCELLED": Label(_l("Cancelled"), "calm", "calm"),
}

NOTICE: Mapping[str, Label] = {
    "CREATED": Label(_l("Created"), "info", "wait"),
    "SUPPRESSED": Label(_l("Not sent"), "calm", "calm"),
    "HELD": Label(_l("Held"), "warn", "held"),
    "QUEUED": Label(_l("Waiting to be sent"), "info", "wait"),
    "SENDING": Label(_l("Being sent"), "info", "going"),
    "SENT": Label(_l("Sent, delivery not confirmed"), "info", "sent"),
    "FAILED": Label(_l("Sending failed"), "fail", "fail"),
    "UNKNOWN": Label(_l("Outcome unknown"), "warn", "unknown"),
    "RESENT": Label(_l("Sent again"), "info", "sent"),
    "DELIVERED": Label(_l("Delivered"), "ok", "ok"),
    "UNDELIVERED": Label(_l("Not delivered"), "fail", "fail"),
    "FALLBACK": Label(_l("Sent another way"), "info", "sent"),
    "SUPERSEDED": Label(_l("Replaced by a newer one"), "calm", "calm"),
    "EXPIRED": Label(_l("Expired before sending"), "calm", "calm"),
}

NOTICE_TYPE: Mapping[str, Label] = {
    "METER_SWAP_ANNOUNCED": Label(_l("Meter replacement announced"), "info", "meter"),
    "METER_SWAP_BOOK": Label(_l("Meter replacement: time proposed"), "info", "meter"),
    "METER_SWAP_REMINDER": Label(_l("Meter replacement: reminder"), "info", "meter"),
    "METER_SWAP_RESCHEDULED": Label(_l("Meter replacement: new time"), "info", "meter"),
    "METER_SWAP_CANCELLED": Label(_l("Meter replacement called off"), "calm", "meter"),
    "METER_SWAP_STARTED": Label(_l("Meter replacement started"), "info", "meter"),
    "METER_SWAP_DONE": Label(_l("Meter replacement done"), "ok", "meter"),
    "METER_SWAP_FAILED": Label(_l("Meter replacement could not be done"), "warn", "meter"),
    "FAULT_STARTED": Label(_l("Power cut: start"), "warn", "off"),
    "FAULT_ETR": Label(_l("Power cut: estimate"), "info", "wait"),
    "FAULT_ETR_CHANGED": Label(_l("Power cut: new estimate"), "info", "wait"),
    "FAULT_ETR_DELAYED": Label(_l("Power cut: estimate delayed"), "warn", "wait"),
    "FAULT_PARTLY_RESTORED": Label(_l("Power cut: partly restored"), "info", "going"),
    "FAULT_RESTORED": Label(_l("Power restored"), "ok", "ok"),
    "MORNING_SUMMARY": Label(_l("Power cut of the night"), "info", "info"),
    "PLANNED_NOTICE": Label(_l("Planned cut: notice"), "info", "wait"),
    "PLANNED_REMINDER": Label(_l("Planned cut: reminder"), "info", "wait"),
    "PLANNED_CHANGED": Label(_l("Planned cut: new time"), "info", "wait"),
    "PLANNED_CANCELLED": Label(_l("Planned cut called off"), "calm", "calm"),
    "PLANNED_OVERRUN": Label(_l("Planned cut takes longer"), "warn", "wait"),
    "AREA_PLANNED": Label(_l("Planned cuts of an area"), "info", "wait"),
    "STORM_BULLETIN": Label(_l("Storm bulletin"), "warn", "warn"),
    "SAFETY_WARNING": Label(_l("Safety warning"), "fail", "warn"),
    "COMPENSATION": Label(_l("Standard compensation"), "info", "info"),
    "CORRECTION": Label(_l("Correction: supply is normal"), "warn", "info"),
    "CORRECTION_STILL_OFF": Label(_l("Correction: power is still off"), "warn", "off"),
    "CONN_RECEIVED": Label(_l("Connection: order received"), "info", "order"),
    "CONN_PLANNING": Label(_l("Connection: site planning"), "info", "order"),
    "CONN_ENERGISE": Label(_l("Connection: switching on"), "info", "order"),
    "CONN_COMPLETED": Label(_l("Connection: completed"), "ok", "ok"),
    "CONN_DELAYED": Label(_l("Connection: delayed"), "warn", "wait"),
    "VERIFY_CODE": Label(_l("Verification code"), "info", "lock"),
    "OPT_IN_OK": Label(_l("Messages switched on"), "ok", "ok"),
    "OPT_OUT_OK": Label(_l("Messages switched off"), "calm", "calm"),
    "OPT_OUT_OTHERS_ACTIVE": Label(_l("Messages switched off, others stay"), "calm", "calm"),
    "STATUS_NO_OUTAGE": Label(_l("Reply: no outage known"), "info", "info"),
    "STATUS_OUTAGE": Label(_l("Reply: outage"), "info", "off"),
    "STATUS_PLANNED": Label(_l("Reply: planned cut"), "info", "wait"),
    "REPORT_RECEIVED": Label(_l("Reply: report received"), "info", "inbox"),
    "BOOKING_OK": Label(_l("Reply: time confirmed"), "ok", "ok"),
    "BOOKING_NO": Label(_l("Reply: time declined"), "info", "info"),
    "HELP_REPLY": Label(_l("Reply: help"), "info", "info"),
    "WHICH_SITE": Label(_l("Reply: which site"), "info", "unknown"),
    "NOT_UNDERSTOOD": Label(_l("Reply: not understood"), "info", "unknown"),
}

TOPIC: Mapping[str, Label] = {
    "SAFETY": Label(_l("Safety")),
    "SERVICE": Label(_l("Replies and codes")),
    "PLANNED": Label(_l("Planned cuts")),
    "FAULT": Label(_l("Faults")),
    "STORM": Label(_l("Storm bulletins")),
    "METER_SWAP": Label(_l("Meter replacement")),
    "CONNECTION": Label(_l("Connections")),
    "COMPENSATION": Label(_l("Compensation")),
}

ANNOUNCEMENT: Mapping[str, Label] = {
    "PENDING": Label(_l("Being told"), "info", "going"),
    "HELD": Label(_l("Waits for a second person"), "warn", "held"),
    "DONE": Label(_l("Told"), "ok", "ok"),
    "WITHDRAWN": Label(_l("Withdrawn"), "calm", "calm"),
}

RESOLVED_BY: Mapping[str, Label] = {
    "CALLBACK": Label(_l("the provider's report")),
    "LOOKUP": Label(_l("a look-up at the provider")),
    "POLICY": Label(_l("the rule for its kind")),
}

PLANNED_CUT: Mapping[str, Label] = {
    "DRAFT": Label(_l("Draft"), "calm", "wait"),
    "APPROVED": Label(_l("Approved"), "info", "ok"),
    "ANNOUNCED": Label(_l("Announced"), "info", "sent"),
    "RESCHEDULED": Label(_l("Rescheduled"), "info", "wait"),
    "REMINDED": Label(_l("Reminded"), "info", "sent"),
    "ONGOING": Label(_l("Power off"), "warn", "off"),
    "OVERRUN": Label(_l("Takes longer"), "fail", "off"),
    "ENDED": Label(_l("Ended"), "ok", "power"),
    "CANCELLED": Label(_l("Cancelled"), "calm", "calm"),
}

PLANNED_EVENT: Mapping[str, Label] = {
    "DRAFTED": Label(_l("Drafted"), "calm", "order"),
    "EDITED": Label(_l("Plan changed"), "calm", "order"),
    "APPROVED": Label(_l("Approved"), "info", "ok"),
    "ANNOUNCED": Label(_l("Announced"), "info", "sent"),
    "RESCHEDULED": Label(_l("Moved, and told to those who knew"), "info", "sent"),
    "POINTS_ADDED": Label(_l("Metering points added"), "info", "sent"),
    "REMINDED": Label(_l("Reminded"), "info", "sent"),
    "BEGAN": Label(_l("The power went off"), "warn", "off"),
    "POINTS_RESTORED": Label(_l("Some have power again"), "ok", "power"),
    "EXTENDED": Label(_l("New end told"), "warn", "sent"),
    "OVERRUN": Label(_l("The planned end passed without a word"), "fail", "wait"),
    "ENDED": Label(_l("The power is back"), "ok", "power"),
    "CANCELLED": Label(_l("Cancelled"), "calm", "calm"),
    "CHANGE_WAITS": Label(_l("The DMS wants a change"), "warn", "held"),
    "CHANGE_DECLINED": Label(_l("The change was declined"), "calm", "calm"),
    "BEGAN_THOUGH_CANCELLED": Label(_l("It happens although it was cancelled"), "fail", "warn"),
}

CONNECTION: Mapping[str, Label] = {
    "ORDERED": Label(_l("Ordered"), "info", "order"),
    "CONTRACTED": Label(_l("Contract made"), "info", "order"),
    "SITE_PLANNING": Label(_l("Site planning"), "info", "route"),
    "BUILDING": Label(_l("Being built"), "info", "going"),
    "READY": Label(_l("Ready to be switched on"), "info", "ok"),
    "ENERGISED": Label(_l("Switched on"), "ok", "power"),
    "METERED": Label(_l("Meter in place"), "ok", "meter"),
    "COMPLETED": Label(_l("Completed"), "ok", "ok"),
    "ON_HOLD": Label(_l("On hold"), "warn", "held"),
    "CANCELLED": Label(_l("Cancelled"), "calm", "calm"),
    "DELAYED": Label(_l("Delayed"), "warn", "wait"),
    "OPEN": Label(_l("All that are under way"), "info", "going"),
}

ACK_TYPE: Mapping[str, Label] = {
    "ACCEPTED": Label(_l("The contractor accepted the order"), "info", "ok"),
    "REJECTED": Label(_l("The contractor refused the order"), "fail", "fail"),
    "SCHEDULED": Label(_l("The visit was scheduled"), "info", "wait"),
    "RESCHEDULED": Label(_l("The visit was rescheduled"), "info", "wait"),
    "EN_ROUTE": Label(_l("The installer is on the way"), "info", "sent"),
    "STARTED": Label(_l("The work started"), "warn", "going"),
    "COMPLETED": Label(_l("The work was completed"), "ok", "ok"),
    "FAILED": Label(_l("The visit failed"), "fail", "fail"),
    "CANCELLED": Label(_l("The contractor cancelled the order"), "calm", "calm"),
    "CORRECTED": Label(_l("The contractor corrected its report"), "ok", "ok"),
}

VERDICT: Mapping[str, Label] = {
    "APPLIED": Label(_l("Applied"), "ok", "ok"),
    "DUPLICATE": Label(_l("Duplicate"), "calm", "calm"),
    "STALE": Label(_l("Came too late to act on"), "warn", "wait"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "HELD": Label(_l("Held for a check"), "warn", "held"),
    "WAITING": Label(_l("Waiting"), "info", "wait"),
    "LATE": Label(_l("Came too late to act on"), "calm", "wait"),
    "UNKNOWN_ATTEMPT": Label(_l("Not about a message of ours"), "warn", "unknown"),
}

OUTBOX: Mapping[str, Label] = {
    "READY": Label(_l("Waiting"), "info", "wait"),
    "CLAIMED": Label(_l("Being sent"), "info", "going"),
    "SENT": Label(_l("Sent"), "ok", "ok"),
    "UNKNOWN": Label(_l("Outcome unknown"), "warn", "unknown"),
    "DEAD": Label(_l("Gave up"), "fail", "fail"),
    "CANCELLED": Label(_l("Cancelled"), "calm", "calm"),
    "HELD": Label(_l("Held for a check"), "warn", "held"),
}

RUN: Mapping[str, Label] = {
    "RUNNING": Label(_l("Running"), "info", "going"),
    "OK": Label(_l("OK"), "ok", "ok"),
    "PARTLY": Label(_l("Partly"), "warn", "warn"),
    "FAILED": Label(_l("Failed"), "fail", "fail"),
    "KILLED": Label(_l("Killed"), "fail", "fail"),
}

STEP: Mapping[str, Label] = {
    **RUN,
    "SENT": Label(_l("Sent"), "ok", "ok"),
    "NOT_SENT": Label(_l("Not sent"), "warn", "wait"),
    "SKIPPED": Label(_l("Skipped"), "calm", "calm"),
    "NEW": Label(_l("New"), "ok", "ok"),
    "UPDATE": Label(_l("Changed"), "ok", "ok"),
    "CANCEL": Label(_l("Cancelled"), "calm", "calm"),
    "TAKEN_BEFORE": Label(_l("Taken in before"), "calm", "calm"),
    "CONFLICT": Label(_l("In conflict with an earlier one"), "fail", "fail"),
    "NO_ROUTE": Label(_l("No route"), "warn", "route"),
    "APPLIED": Label(_l("Applied"), "ok", "ok"),
    "UNKNOWN": Label(_l("Outcome unknown"), "warn", "unknown"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "HELD": Label(_l("Held for a check"), "warn", "held"),
    "DUPLICATE": Label(_l("Duplicate"), "calm", "calm"),
    "STALE": Label(_l("Came too late to act on"), "warn", "wait"),
    "LATE": Label(_l("Came too late to act on"), "calm", "wait"),
    "UNKNOWN_ATTEMPT": Label(_l("Not about a message of ours"), "warn", "unknown"),
    "POSTPONED": Label(_l("Postponed"), "warn", "wait"),
    "STORED": Label(_l("Stored"), "ok", "ok"),
    "CHANGED": Label(_l("Changed while it was read"), "warn", "wait"),
    "GROWN": Label(_l("Has grown since"), "warn", "wait"),
    "WAITING": Label(_l("Waiting"), "info", "wait"),
    "REFUSED": Label(_l("Could not be read"), "fail", "fail"),
    "FOUND": Label(_l("Found at the provider"), "ok", "ok"),
    "NOT_FOUND_YET": Label(_l("Not found yet"), "warn", "wait"),
    "NOT_ASKED": Label(_l("The provider could not be asked"), "warn", "wait"),
    "SETTLED_MEANWHILE": Label(_l("Settled meanwhile"), "calm", "calm"),
    "LEFT_TO_A_PERSON": Label(_l("Left to a person"), "warn", "person"),
}

PARKED: Mapping[str, Label] = {
    **WORK_ORDER,
    "HELD": Label(_l("A report is held for a check"), "warn", "held"),
}

ALARM: Mapping[str, Label] = {
    "LANE_DOWN": Label(_l("The receiver does not answer"), "fail", "off"),
    "LANE_OLD": Label(_l("Work waits for too long"), "fail", "wait"),
    "ITEMS_DEAD": Label(_l("Sending was given up"), "fail", "fail"),
    "OUTCOME_UNKNOWN": Label(_l("Outcomes have long been unknown"), "warn", "unknown"),
    "INBOUND_HELD": Label(_l("Received messages could not be read"), "fail", "held"),
    "CIS_SFTP": Label(_l("The CIS's file server does not answer"), "fail", "off"),
    "STATUS_NOT_WRITTEN": Label(_l("The public status cannot be renewed"), "fail", "off"),
    "CIS_LEFT_ALONE": Label(_l("Something in the CIS's inbox is never taken"), "warn", "inbox"),
    "REDIS_DOWN": Label(_l("Redis is out of reach: work goes on, but slowly"), "fail", "off"),
    "SWAP_OUTAGE_STALE": Label(_l("Nobody has reported the power back"), "fail", "off"),
    "COMPLETION_TAKEN_BACK": Label(_l("A completion was taken back"), "fail", "warn"),
    "DANGEROUS_FAULT": Label(_l("Dangerous fault found"), "fail", "warn"),
    "INSTALLER_THREATENED": Label(_l("The installer was threatened"), "fail", "warn"),
    "ANNOUNCEMENT_HELD": Label(_l("An announcement waits for a second person"), "warn", "held"),
    "METER_STOCK": Label(_l("The installer had no meter"), "warn", "meter"),
    "PLANNED_NOT_APPROVED": Label(_l("A planned cut waits for approval"), "warn", "wait"),
    "PLANNED_NOTICE_LATE": Label(_l("A planned cut can only be announced late"), "fail", "wait"),
    "PLANNED_NOT_ANNOUNCED": Label(_l("A planned cut was never announced"), "fail", "warn"),
    "PLANNED_OVERRUN": Label(_l("A planned cut takes longer than told"), "fail", "off"),
    "PLANNED_CHANGE_WAITS": Label(_l("The DMS wants a planned cut changed"), "warn", "held"),
    "PLANNED_BEGAN_CANCELLED": Label(_l("A cancelled cut happens all the same"), "fail", "warn"),
    "PLANNED_STEP_FAILED": Label(_l("A planned cut is stuck by a fault of ours"), "fail", "fail"),
}

ACCOUNT: Mapping[str, Label] = {
    "ACTIVE": Label(_l("Active"), "ok", "ok"),
    "LOCKED": Label(_l("Locked for a while"), "warn", "lock"),
    "OFF": Label(_l("Switched off"), "calm", "calm"),
}

INBOUND: Mapping[str, Label] = {
    "STORED": Label(_l("Waiting to be read"), "info", "wait"),
    "INTERPRETED": Label(_l("Taken in"), "ok", "ok"),
    "PARTLY": Label(_l("Partly taken in"), "warn", "warn"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "HELD": Label(_l("Held"), "warn", "held"),
}

INBOUND_KIND: Mapping[str, Label] = {
    "CIS_FILE": Label(_l("CIS file"), "info", "inbox"),
    "ACK": Label(_l("Acknowledgement"), "info", "order"),
}

SEVERITY: Mapping[str, Label] = {
    "ERROR": Label(_l("Error"), "fail", "fail"),
    "WARN": Label(_l("Warning"), "warn", "warn"),
    "INFO": Label(_l("Note"), "info", "info"),
}

METER: Mapping[str, Label] = {
    "ORDERED": Label(_l("Ordered"), "info", "wait"),
    "DELIVERED": Label(_l("In stock"), "info", "inbox"),
    "ALLOCATED": Label(_l("Reserved for an order"), "info", "order"),
    "INSTALLED": Label(_l("Installed"), "ok", "meter"),
    "COMMUNICATING": Label(_l("Communicating"), "ok", "meter"),
    "FAULTY": Label(_l("Faulty"), "fail", "fail"),
    "LOST": Label(_l("Lost"), "fail", "unknown"),
    "REMOVED": Label(_l("Removed"), "calm", "calm"),
    "RETURNED": Label(_l("Returned"), "calm", "calm"),
    "SCRAPPED": Label(_l("Scrapped"), "calm", "calm"),
}

CIRCUIT: Mapping[str, Label] = {
    "CLOSED": Label(_l("Working"), "ok", "ok"),
    "OPEN": Label(_l("Circuit broken"), "fail", "fail"),
    "TRYING": Label(_l("Trying again"), "warn", "going"),
    "PAUSED": Label(_l("Paused by an operator"), "warn", "held"),
}

CHANNEL: Mapping[str, Label] = {
    "SMS": Label(_l("SMS"), "info", "sms"),
    "EMAIL": Label(_l("E-mail"), "info", "email"),
}

LANE: Mapping[str, Label] = {
    "poll_cis": Label(_l("Fetching CIS files")),
    "intake": Label(_l("Reading CIS files")),
    "acks": Label(_l("Acknowledgements")),
    "receipts": Label(_l("Delivery reports")),
    "notices": Label(_l("Deciding whom to tell")),
    "upkeep": Label(_l("Upkeep")),
    "cis": Label(_l("Reports to the CIS")),
    "nis": Label(_l("Network information system (NIS)")),
    "dms": Label(_l("Distribution management system (DMS)")),
    "billing": Label(_l("Billing")),
    "sms": Label(_l("SMS")),
    "email": Label(_l("E-mail")),
}

SYSTEM: Mapping[str, Label] = {
    "cis": Label(_l("CIS")),
    "nis": Label(_l("NIS")),
    "dms": Label(_l("DMS")),
    "billing": Label(_l("Billing")),
}

LANGUAGE: Mapping[str, Label] = {
    "fi": Label(_l("Finnish")),
    "sv": Label(_l("Swedish")),
    "en": Label(_l("English")),
}

ROLE: Mapping[str, Label] = {
    "agent": Label(_l("Customer service"), "info", "person"),
    "operator": Label(_l("Operator"), "info", "person"),
    "admin": Label(_l("Administrator"), "info", "person"),
}

MAPS: Mapping[str, Mapping[str, Label]] = {
    "work_order": WORK_ORDER,
    "notice": NOTICE,
    "notice_type": NOTICE_TYPE,
    "topic": TOPIC,
    "connection": CONNECTION,
    "announcement": ANNOUNCEMENT,
    "resolved_by": RESOLVED_BY,
    "planned_cut": PLANNED_CUT,
    "planned_event": PLANNED_EVENT,
    "ack_type": ACK_TYPE,
    "verdict": VERDICT,
    "outbox": OUTBOX,
    "run": RUN,
    "step": STEP,
    "parked": PARKED,
    "alarm": ALARM,
    "account": ACCOUNT,
    "inbound": INBOUND,
    "inbound_kind": INBOUND_KIND,
    "severity": SEVERITY,
    "meter": METER,
    "circuit": CIRCUIT,
    "channel": CHANNEL,
    "role": ROLE,
    "system": SYSTEM,
    "language": LANGUAGE,
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    app.add_template_global(label, "label")
    app.add_template_global(lane_name, "lane_name")


def label(kind: str, code: str | None) -> Label:
    """The label of a code of one kind; an unknown code is its own label."""
    if code is None:
        return Label("–")
    return MAPS[kind].get(code) or Label(code)


def lane_name(lane: str) -> str:
    """What a lane is called; a partner's lane by the partner's code."""
    partner = partner_of(lane)
    if partner is not None:
        return gettext("Contractor %(code)s", code=partner)
    known = LANE.get(lane)
    return str(known.text) if known else lane
