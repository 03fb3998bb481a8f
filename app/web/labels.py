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

MASS_ORDER: Mapping[str, Label] = {
    "RECEIVED": Label(_l("Being read"), "info", "going"),
    "VALIDATED": Label(_l("Checked"), "info", "wait"),
    "HELD": Label(_l("Waits for a decision"), "warn", "held"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "SPLIT": Label(_l("Orders made"), "info", "route"),
    "DISPATCHING": Label(_l("Going to the contractor"), "info", "sent"),
    "RUNNING": Label(_l("Under way"), "info", "going"),
    "PAUSED": Label(_l("Paused"), "warn", "held"),
    "PARTIAL": Label(_l("Over, not all done"), "warn", "warn"),
    "DONE": Label(_l("Done"), "ok", "ok"),
    "CANCELLED": Label(_l("Called off"), "calm", "calm"),
}
MASS_FILE: Mapping[str, Label] = {
    "READING": Label(_l("Being read"), "info", "going"),
    "HELD": Label(_l("Waits for a decision"), "warn", "held"),
    "READY": Label(_l("Orders are being made"), "info", "going"),
    "SPLIT": Label(_l("Taken"), "ok", "ok"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
}
MASS_PART: Mapping[str, Label] = {
    "done": Label(_l("Done"), "ok", "ok"),
    "dispatched": Label(_l("With the contractor"), "info", "sent"),
    "waiting": Label(_l("Waiting to leave"), "calm", "wait"),
    "failed": Label(_l("Failed"), "warn", "warn"),
    "rejected": Label(_l("Rejected"), "fail", "fail"),
    "cancelled": Label(_l("Called off"), "calm", "calm"),
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
    "SUPERSEDED": Label(_l("Stopped, no longer true"), "calm", "calm"),
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
    "METER_SWAP_DONE_STILL_OFF": Label(
        _l("Meter replacement done, power still off"), "warn", "meter"
    ),
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
    "STATUS_SUSPECTED": Label(_l("Reply: outage suspected"), "info", "unknown"),
    "STATUS_PLANNED": Label(_l("Reply: planned cut"), "info", "wait"),
    "STATUS_PLANNED_ON": Label(_l("Reply: planned cut under way"), "info", "off"),
    "STATUS_SWAP": Label(_l("Reply: meter being replaced"), "info", "meter"),
    "STATUS_SWAP_UNCONFIRMED": Label(
        _l("Reply: end of a replacement not reported"), "info", "unknown"
    ),
    "REPORT_RECEIVED": Label(_l("Reply: report received"), "info", "inbox"),
    "BOOKING_OK": Label(_l("Reply: time confirmed"), "ok", "ok"),
    "BOOKING_NO": Label(_l("Reply: time declined"), "info", "info"),
    "HELP_REPLY": Label(_l("Reply: help"), "info", "info"),
    "WHICH_SITE": Label(_l("Reply: which site"), "info", "unknown"),
    "NOT_UNDERSTOOD": Label(_l("Reply: not understood"), "info", "unknown"),
    "AGENT_REPLY": Label(_l("Customer service wrote"), "info", "person"),
    "STAFF_ALARM": Label(_l("Alarm to staff"), "warn", "warn"),
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

TEXT: Mapping[str, Label] = {
    "DRAFT": Label(_l("Draft"), "info", "order"),
    "SUBMITTED": Label(_l("Waits for a second person"), "warn", "held"),
    "PUBLISHED": Label(_l("In use"), "ok", "ok"),
    "RETIRED": Label(_l("Used before"), "calm", "calm"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
    "SHIPPED": Label(_l("As shipped"), "calm", "ok"),
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
    "PERSON": Label(_l("somebody who looked")),
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

FAULT: Mapping[str, Label] = {
    "DETECTED": Label(_l("Suspected"), "warn", "unknown"),
    "CONFIRMED": Label(_l("Confirmed"), "fail", "off"),
    "ETR_SET": Label(_l("Estimated"), "fail", "off"),
    "ETR_CHANGED": Label(_l("Estimate changed"), "fail", "off"),
    "PARTLY_RESTORED": Label(_l("Partly restored"), "warn", "power"),
    "RESTORED": Label(_l("Restored"), "ok", "power"),
    "REOPENED": Label(_l("Reopened"), "fail", "off"),
    "MERGED": Label(_l("Part of another"), "calm", "route"),
    "FALSE_ALARM": Label(_l("False alarm"), "calm", "calm"),
    "CLOSED": Label(_l("Closed"), "calm", "ok"),
}

# The states of every kind of outage; what two kinds share means the same in both.
OUTAGE: Mapping[str, Label] = {
    **PLANNED_CUT,
    **FAULT,
    "OPEN": Label(_l("Power off"), "warn", "off"),
    "STALE": Label(_l("End not reported"), "warn", "unknown"),
}

OUTAGE_KIND: Mapping[str, Label] = {
    "FAULT": Label(_l("Fault"), "fail", "off"),
    "PLANNED": Label(_l("Planned cut"), "info", "wait"),
    "METER_SWAP": Label(_l("Meter replacement"), "info", "meter"),
}

OUTAGE_SOURCE: Mapping[str, Label] = {
    "DMS": Label(_l("DMS")),
    "METER": Label(_l("Meters")),
    "CUSTOMER": Label(_l("Customers")),
    "OPERATOR": Label(_l("An operator")),
    "ACK": Label(_l("Acknowledgement")),
}

FAULT_EVENT: Mapping[str, Label] = {
    "DMS_STATED": Label(_l("The DMS stated it"), "info", "inbox"),
    "POINTS_OFF": Label(_l("The power went"), "fail", "off"),
    "POINTS_ON": Label(_l("The power came back"), "ok", "power"),
    "CONFIRMED": Label(_l("Confirmed"), "warn", "ok"),
    "CAUSE": Label(_l("The cause was set"), "info", "info"),
    "ETR": Label(_l("The estimate was set"), "info", "wait"),
    "ETR_EXPIRED": Label(_l("The estimate passed without an update"), "fail", "warn"),
    "REPORTED": Label(_l("A customer reported no power"), "warn", "person"),
    "WARNED": Label(_l("Customers were warned of fallen lines"), "fail", "warn"),
    "REOPENED": Label(_l("Reopened"), "fail", "off"),
    "SPLIT_OFF": Label(_l("Was part of another fault"), "info", "route"),
    "SPLIT": Label(_l("A fault of its own again"), "info", "route"),
    "MERGED": Label(_l("Became part of another fault"), "info", "route"),
    "FALSE_ALARM": Label(_l("Found to be a false alarm"), "calm", "calm"),
    "CLOSED": Label(_l("Closed"), "calm", "ok"),
}

CALL: Mapping[str, Label] = {
    "OPEN": Label(_l("Nobody calls yet"), "fail", "wait"),
    "TAKEN": Label(_l("Being called"), "warn", "person"),
    "DONE": Label(_l("Done"), "ok", "ok"),
}

CALL_OUTCOME: Mapping[str, Label] = {
    "REACHED": Label(_l("Reached, all well"), "ok", "ok"),
    "HELP_ARRANGED": Label(_l("Reached, help arranged"), "ok", "person"),
    "NOT_REACHED": Label(_l("Not reached"), "warn", "unknown"),
    "POWER_BACK": Label(_l("Power came back"), "ok", "power"),
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
    "FALLBACK": Label(_l("Sent another way"), "info", "sent"),
    "LETTER": Label(_l("A letter is owed"), "warn", "wait"),
    "NOTHING": Label(_l("Nothing more is owed"), "calm", "calm"),
    "FOUND": Label(_l("Found at the provider"), "ok", "ok"),
    "RESEND": Label(_l("Is sent again"), "warn", "sent"),
    "GIVE_UP": Label(_l("Given up"), "warn", "unknown"),
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
    "NOT_FOUND_YET": Label(_l("Not found yet"), "warn", "wait"),
    "NOT_ASKED": Label(_l("The provider could not be asked"), "warn", "wait"),
    "SETTLED_MEANWHILE": Label(_l("Settled meanwhile"), "calm", "calm"),
    "LEFT_TO_A_PERSON": Label(_l("Left to a person"), "warn", "person"),
    "DIFFED": Label(_l("Compared"), "ok", "ok"),
}

PARKED: Mapping[str, Label] = {
    **WORK_ORDER,
    "HELD": Label(_l("A report is held for a check"), "warn", "held"),
    "ASKED": Label(_l("A change waits for the visit's end"), "warn", "wait"),
}

ORDER_REQUEST: Mapping[str, Label] = {
    "WAITING": Label(_l("Waits for the visit's end"), "warn", "wait"),
    "TAKEN": Label(_l("Done as asked"), "ok", "ok"),
    "REFUSED": Label(_l("Too late, the CIS was told"), "fail", "fail"),
    "SUPERSEDED": Label(_l("Replaced by a newer one"), "calm", "calm"),
}
DELIVERY_KIND: Mapping[str, Label] = {
    "ORDERED": Label(_l("Ordered"), "info", "wait"),
    "DELIVERED": Label(_l("Delivered"), "ok", "inbox"),
    "RETURNED": Label(_l("Returned"), "calm", "calm"),
    "SCRAPPED": Label(_l("Scrapped"), "calm", "calm"),
    "FAULTY": Label(_l("Faulty"), "fail", "fail"),
    "LOST": Label(_l("Lost"), "fail", "unknown"),
}
DELIVERY_ITEM: Mapping[str, Label] = {
    "TAKEN": Label(_l("Taken in"), "ok", "ok"),
    "KNOWN": Label(_l("Known already"), "calm", "calm"),
    "LATE": Label(_l("Came after the meter was hung"), "warn", "wait"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
}
MISMATCH: Mapping[str, Label] = {
    "OPEN": Label(_l("Nobody's yet"), "fail", "warn"),
    "TAKEN": Label(_l("Being looked at"), "warn", "person"),
    "SETTLED": Label(_l("Settled"), "ok", "ok"),
}
MISMATCH_END: Mapping[str, Label] = {
    "DELIVERY": Label(_l("Explained by a delivery"), "ok", "inbox"),
    "CORRECTED": Label(_l("Corrected by the installer"), "ok", "ok"),
    "ACCEPTED": Label(_l("Accepted by a person"), "ok", "person"),
}
MISMATCH_VIEW: Mapping[str, Label] = {
    "open": Label(_l("Not settled")),
    "mine": Label(_l("Mine")),
    "settled": Label(_l("Settled")),
}

RUNNER: Mapping[str, Label] = {
    "WELL": Label(_l("Connected"), "ok", "ok"),
    "LATE": Label(_l("Late"), "warn", "wait"),
    "SILENT": Label(_l("Silent"), "fail", "off"),
    "ENDED": Label(_l("Ended"), "calm", "calm"),
}
IMPORT: Mapping[str, Label] = {
    "WAITING": Label(_l("Waits for a second person"), "warn", "held"),
    "APPLIED": Label(_l("Let in"), "ok", "ok"),
    "REJECTED": Label(_l("Rejected"), "fail", "fail"),
}
IMPORT_KIND: Mapping[str, Label] = {
    "bundles": Label(_l("Mappings")),
    "routing": Label(_l("Routing rules")),
    "texts": Label(_l("Texts")),
    "processes": Label(_l("Processes")),
    "schedules": Label(_l("Schedules")),
    "alarm_rules": Label(_l("Alarm rules")),
}
IMPORT_WHAT: Mapping[str, Label] = {
    "ADDED": Label(_l("Added"), "ok", "ok"),
    "CHANGED": Label(_l("Changed"), "info", "route"),
    "REMOVED": Label(_l("Removed"), "warn", "warn"),
}
IMPORT_STANDING: Mapping[str, Label] = {
    "DUE": Label(_l("Will be let in"), "info", "inbox"),
    "WAITS": Label(_l("Here already, waits for a second person"), "calm", "held"),
    "SKIPPED": Label(_l("Left out"), "calm", "calm"),
    "BLOCKED": Label(_l("Keeps the file out"), "fail", "fail"),
}

ALARM: Mapping[str, Label] = {
    "ZONE_SILENT": Label(_l("Nobody drains the lanes of a zone"), "fail", "off"),
    "RUNNER_SILENT": Label(_l("A lane runner is gone with what it has claimed"), "fail", "unknown"),
    "RULE": Label(_l("An alarm rule was broken"), "fail", "warn"),
    "MAILBOX_DOWN": Label(_l("A mailbox cannot be read"), "fail", "off"),
    "MASS_FILE_HELD": Label(_l("A mass file waits for a decision"), "fail", "held"),
    "MASS_SPLIT_FAILED": Label(_l("Orders of a mass file could not be made"), "fail", "fail"),
    "MASS_FOLLOW_FAILED": Label(_l("Orders do not follow what was decided"), "fail", "fail"),
    "LANE_DOWN": Label(_l("The receiver does not answer"), "fail", "off"),
    "ROUTE_DOWN": Label(_l("One provider's route does not work"), "fail", "off"),
    "SENDING_STOPPED": Label(_l("Sending is stopped"), "fail", "held"),
    "BUDGET_SPENT": Label(_l("Messages wait for money"), "fail", "wait"),
    "AFTERCARE_FAILED": Label(
        _l("A message did not arrive, and nothing could replace it"), "fail", "fail"
    ),
    "LANE_OLD": Label(_l("Work waits for too long"), "fail", "wait"),
    "PARTNER_SILENT": Label(
        _l("A contractor has orders and says nothing about them"), "fail", "wait"
    ),
    "ITEMS_DEAD": Label(_l("Sending was given up"), "fail", "fail"),
    "OUTCOME_UNKNOWN": Label(_l("Outcomes have long been unknown"), "warn", "unknown"),
    "INBOUND_HELD": Label(_l("Received messages could not be read"), "fail", "held"),
    "CIS_SFTP": Label(_l("The CIS's file server does not answer"), "fail", "off"),
    "STATUS_NOT_WRITTEN": Label(_l("The public status cannot be renewed"), "fail", "off"),
    "PARTNER_SFTP": Label(_l("A partner's file server does not answer"), "fail", "off"),
    "PARTNER_LEFT_ALONE": Label(
        _l("Something in a partner's inbox is never taken"), "warn", "inbox"
    ),
    "REMINDER_FAILED": Label(_l("Nobody could be reminded of a visit"), "fail", "fail"),
    "BUNDLE_UNREADABLE": Label(
        _l("This program cannot run a partner's mapping: its documents wait"), "fail", "fail"
    ),
    "BUNDLE_DRIFT": Label(_l("A partner sends fields that nobody reads"), "warn", "unknown"),
    "CIS_LEFT_ALONE": Label(_l("Something in the CIS's inbox is never taken"), "warn", "inbox"),
    "REDIS_DOWN": Label(_l("Redis is out of reach: work goes on, but slowly"), "fail", "off"),
    "SWAP_OUTAGE_STALE": Label(_l("Nobody has reported the power back"), "fail", "off"),
    "COMPLETION_TAKEN_BACK": Label(_l("A completion was taken back"), "fail", "warn"),
    "DANGEROUS_FAULT": Label(_l("Dangerous fault found"), "fail", "warn"),
    "INSTALLER_THREATENED": Label(_l("The installer was threatened"), "fail", "warn"),
    "UPKEEP_FAILED": Label(_l("A part of upkeep fails by a fault of ours"), "fail", "fail"),
    "ANNOUNCEMENT_HELD": Label(_l("An announcement waits for a second person"), "warn", "held"),
    "METER_STOCK": Label(_l("The installer had no meter"), "warn", "meter"),
    "PLANNED_NOT_APPROVED": Label(_l("A planned cut waits for approval"), "warn", "wait"),
    "PLANNED_NOTICE_LATE": Label(_l("A planned cut can only be announced late"), "fail", "wait"),
    "PLANNED_NOT_ANNOUNCED": Label(_l("A planned cut was never announced"), "fail", "warn"),
    "PLANNED_OVERRUN": Label(_l("A planned cut takes longer than told"), "fail", "off"),
    "PLANNED_CHANGE_WAITS": Label(_l("The DMS wants a planned cut changed"), "warn", "held"),
    "PLANNED_BEGAN_CANCELLED": Label(_l("A cancelled cut happens all the same"), "fail", "warn"),
    "DIFFERENCES_OLD": Label(_l("Differences to another system wait for too long"), "fail", "wait"),
    "SNAPSHOT_BROKEN": Label(_l("A system gave no usable list"), "fail", "off"),
    "SNAPSHOT_LATE": Label(_l("A system has given no fresh list"), "fail", "wait"),
    "PARTITION_MISSING": Label(_l("The next month has no partition"), "fail", "wait"),
    "PLANNED_STEP_FAILED": Label(_l("A planned cut is stuck by a fault of ours"), "fail", "fail"),
}

_FAULT_ALARMS: Mapping[str, Label] = {
    "FAULT_ETR_EXPIRED": Label(_l("An estimate passed without an update"), "fail", "wait"),
    "FAULT_STILL_OUT": Label(_l("No power although it was reported back"), "fail", "off"),
    "FAULT_UNCONFIRMED": Label(_l("A suspected fault waits for a look"), "warn", "unknown"),
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
    "PARTNER_FILE": Label(_l("File from a partner"), "info", "inbox"),
    "LIST": Label(_l("List for reconciliation"), "info", "inbox"),
    "PLANNED_CUT": Label(_l("Planned cut"), "info", "off"),
    "DMS_OUTAGES": Label(_l("Outages from the DMS"), "info", "off"),
    "METER_EVENTS": Label(_l("Meter events"), "info", "meter"),
    "MAIL": Label(_l("E-mail"), "info", "inbox"),
    "MAIL_ATTACHMENT": Label(_l("Attachment of an e-mail"), "info", "inbox"),
    "METER_DELIVERY": Label(_l("Meter delivery"), "info", "inbox"),
}

SEVERITY: Mapping[str, Label] = {
    "ERROR": Label(_l("Error"), "fail", "fail"),
    "WARN": Label(_l("Warning"), "warn", "warn"),
    "INFO": Label(_l("Note"), "info", "info"),
}

METER: Mapping[str, Label] = {
    "ORDERED": Label(_l("Ordered"), "info", "wait"),
    "DELIVERED": Label(_l("In our stock"), "info", "inbox"),
    "ALLOCATED": Label(_l("In a contractor's stock"), "info", "order"),
    "INSTALLED": Label(_l("Installed"), "ok", "meter"),
    "COMMUNICATING": Label(_l("Communicating"), "ok", "meter"),
    "FAULTY": Label(_l("Faulty"), "fail", "fail"),
    "LOST": Label(_l("Lost"), "fail", "unknown"),
    "REMOVED": Label(_l("Removed"), "calm", "calm"),
    "RETURNED": Label(_l("Returned"), "calm", "calm"),
    "SCRAPPED": Label(_l("Scrapped"), "calm", "calm"),
}

CIRCUIT: Mapping[str, Label] = {
    "OFF": Label(_l("Not in use"), "calm", "calm"),
    "STANDBY": Label(_l("Stands by"), "info", "wait"),
    "CLOSED": Label(_l("Working"), "ok", "ok"),
    "OPEN": Label(_l("Circuit broken"), "fail", "fail"),
    "TRYING": Label(_l("Trying again"), "warn", "going"),
    "PAUSED": Label(_l("Paused by an operator"), "warn", "held"),
    "RESTS": Label(_l("Closed until later"), "info", "wait"),
}

RULE_SET: Mapping[str, Label] = {
    "DRAFT": Label(_l("Draft"), "info", "wait"),
    "SUBMITTED": Label(_l("Waits for a second person"), "warn", "held"),
    "ACTIVE": Label(_l("In force"), "ok", "ok"),
    "RETIRED": Label(_l("Was in force"), "calm", "calm"),
    "REJECTED": Label(_l("Rejected"), "calm", "calm"),
}

BUNDLE: Mapping[str, Label] = {
    "DRAFT": Label(_l("Draft"), "info", "wait"),
    "SHADOW": Label(_l("Runs beside, sends nothing"), "info", "unknown"),
    "ACTIVE": Label(_l("In force"), "ok", "ok"),
    "COMING": Label(_l("Comes into force later"), "info", "wait"),
    "RETIRED": Label(_l("Was in force"), "calm", "calm"),
}
BUNDLE_DOCUMENT: Mapping[str, Label] = {
    "order-out": Label(_l("Orders to them")),
    "order-in": Label(_l("Orders from them")),
    "ack-in": Label(_l("Acknowledgements from them")),
    "delivery-in": Label(_l("Meter deliveries from them")),
}
BUNDLE_CAPABILITY: Mapping[str, Label] = {
    "new": Label(_l("new orders")),
    "update": Label(_l("changes")),
    "cancel": Label(_l("cancellations")),
    "mass": Label(_l("mass orders")),
    "acks": Label(_l("acknowledgements")),
    "deliveries": Label(_l("meter deliveries")),
    "photos": Label(_l("photos")),
    "key_info": Label(_l("key information")),
}
DIFFERENCE: Mapping[str, Label] = {
    "MISSING": Label(_l("left out"), "warn", "fail"),
    "EXTRA": Label(_l("added"), "info", "ok"),
    "OTHER": Label(_l("another value"), "warn", "warn"),
}

REPLAY: Mapping[str, Label] = {
    "PREVIEWED": Label(_l("Only looked at"), "info", "wait"),
    "PROPOSED": Label(_l("Waits for a second person"), "warn", "held"),
    "APPROVED": Label(_l("Under way"), "info", "going"),
    "DONE": Label(_l("Done"), "ok", "ok"),
    "DROPPED": Label(_l("Dropped"), "calm", "calm"),
}

LEFT_OUT: Mapping[str, Label] = {
    "WAITING": Label(_l("On their way anyway")),
    "SENT": Label(_l("Have arrived")),
    "MAY_HAVE_ARRIVED": Label(_l("Have arrived or may have, and nobody may get them twice")),
    "CALLED_OFF": Label(_l("Called off before they left")),
    "NEWER": Label(
        _l("Something newer has gone to the receiver, or was given up and is not among these")
    ),
    "CONTENT_GONE": Label(_l("What was sent is not kept any more")),
    "NOT_FOUND": Label(_l("Not found in this lane")),
}

LETTER: Mapping[str, Label] = {
    "DUE": Label(_l("To be printed"), "warn", "wait"),
    "PRINTED": Label(_l("Printed"), "info", "going"),
    "POSTED": Label(_l("Posted"), "ok", "ok"),
    "WITHDRAWN": Label(_l("Withdrawn, no longer true"), "calm", "calm"),
}

DOUBT: Mapping[str, Label] = {
    "CALLBACK": Label(_l("Reported by the provider"), "ok", "ok"),
    "LOOKUP_1": Label(_l("Found when asked once"), "ok", "ok"),
    "LOOKUP_2": Label(_l("Found when asked again"), "ok", "ok"),
    "PERSON": Label(_l("Found by a person"), "ok", "person"),
    "RESENT": Label(_l("Sent again"), "warn", "sent"),
    "GIVEN_UP": Label(_l("Given up"), "warn", "unknown"),
}

CHANNEL: Mapping[str, Label] = {
    "SMS": Label(_l("SMS"), "info", "sms"),
    "EMAIL": Label(_l("E-mail"), "info", "email"),
}

# What customers wrote, by what it was understood as.
REPLY_VERDICT: Mapping[str, Label] = {
    "STOP": Label(_l("Ended the messages"), "warn", "off"),
    "START": Label(_l("Began the messages again"), "ok", "ok"),
    "ENROL": Label(_l("Enrolled the number"), "ok", "ok"),
    "ENROL_REFUSED": Label(_l("Enrolment did not fit"), "warn", "warn"),
    "OUTAGE": Label(_l("Reported a power cut"), "warn", "off"),
    "OUTAGE_WHICH": Label(_l("Reported a power cut, asked where"), "info", "unknown"),
    "STATUS": Label(_l("Asked how things are"), "info", "info"),
    "STATUS_WHICH": Label(_l("Asked how things are, asked where"), "info", "unknown"),
    "YES": Label(_l("Confirmed the visit"), "ok", "ok"),
    "YES_WHICH": Label(_l("Confirmed a visit, asked which"), "info", "unknown"),
    "NO": Label(_l("Declined the visit"), "warn", "warn"),
    "NO_WHICH": Label(_l("Declined a visit, asked which"), "info", "unknown"),
    "HELP": Label(_l("Asked for help"), "info", "info"),
    "TALK": Label(_l("Belongs to the talk"), "info", "sms"),
    "UNCLEAR": Label(_l("Not understood"), "warn", "unknown"),
    "UNKNOWN_NUMBER": Label(_l("From a number that we do not know"), "warn", "unknown"),
}
REPLY_STATE: Mapping[str, Label] = {
    "WAITING": Label(_l("Waiting to be read"), "info", "wait"),
    "DONE": Label(_l("Handled"), "ok", "ok"),
    "HELD": Label(_l("Could not be handled"), "fail", "held"),
}
CASE_STATE: Mapping[str, Label] = {
    "OPEN": Label(_l("Nobody's yet"), "warn", "wait"),
    "TAKEN": Label(_l("Somebody's"), "info", "person"),
    "CLOSED": Label(_l("Closed"), "ok", "ok"),
}
CASE_VIEW: Mapping[str, Label] = {
    "open": Label(_l("Nobody's yet")),
    "mine": Label(_l("Mine")),
    "taken": Label(_l("Taken by anybody")),
    "closed": Label(_l("Closed")),
}
CASE_REASON: Mapping[str, Label] = {
    "UNCLEAR": Label(_l("The message was not understood")),
    "UNKNOWN_NUMBER": Label(_l("No customer has this number")),
    "ENROL_REFUSED": Label(_l("Customer and metering point did not fit, or a safety ban")),
    "VISIT_DECLINED": Label(_l("The visit was declined: agree on another time")),
    "MANY_SITES": Label(_l("Too many metering points to ask which one")),
    "OFF_AFTER_VISIT": Label(_l("No power after a meter replacement whose end nobody reported")),
    "NOT_ANSWERABLE": Label(_l("The sender cannot be answered")),
    "LIMITED": Label(_l("So many messages that we stopped answering")),
    "FAILED": Label(_l("The message could not be handled by our own fault")),
}
CASE_OUTCOME: Mapping[str, Label] = {
    "ANSWERED": Label(_l("Answered by text message")),
    "CALLED": Label(_l("Called the customer")),
    "REPORTED": Label(_l("Reported to the fault desk")),
    "REBOOKED": Label(_l("Agreed on another time")),
    "NOTHING_NEEDED": Label(_l("Nothing was needed")),
    "SPAM": Label(_l("Not from a customer")),
}
CASE_PROBLEM: Mapping[str, Label] = {
    "CLOSED": Label(_l("The case is closed already")),
    "NOT_ANSWERABLE": Label(_l("The sender cannot be answered")),
    "EMPTY": Label(_l("Write an answer")),
    "TOO_LONG": Label(_l("Use fewer words: at most four SMS parts")),
    "LINK": Label(_l("Take the link out: our messages never have any")),
    "CODE_ASKED": Label(_l("Do not speak of codes or passwords")),
    "MARKETING": Label(_l("Take the advertising out")),
    "NO_SUCH_POINT": Label(_l("There is no such metering point")),
    "NO_OUTCOME": Label(_l("Choose how it ended")),
}
VISIT_ANSWER: Mapping[str, Label] = {
    "CONFIRMED": Label(_l("The customer confirmed the visit"), "ok", "ok"),
    "DECLINED": Label(_l("The customer declined the visit"), "warn", "warn"),
}

LANE: Mapping[str, Label] = {
    "poll_cis": Label(_l("Fetching CIS files")),
    "partner_files": Label(_l("Files from partners")),
    "intake": Label(_l("Reading CIS files")),
    "acks": Label(_l("Acknowledgements")),
    "receipts": Label(_l("Delivery reports")),
    "network": Label(_l("Outages and meter events")),
    "notices": Label(_l("Deciding whom to tell")),
    "replies": Label(_l("Replies of customers")),
    "upkeep": Label(_l("Upkeep")),
    "processes": Label(_l("Processes")),
    "webhook": Label(_l("Alarms and signals to the webhook")),
    "cis": Label(_l("Reports to the CIS")),
    "nis": Label(_l("Network information system (NIS)")),
    "dms": Label(_l("Distribution management system (DMS)")),
    "billing": Label(_l("Billing")),
    "sms": Label(_l("SMS")),
    "email": Label(_l("E-mail")),
}

SYSTEM: Mapping[str, Label] = {
    "partner": Label(_l("Contractor")),
    "cis": Label(_l("CIS")),
    "nis": Label(_l("NIS")),
    "dms": Label(_l("DMS")),
    "billing": Label(_l("Billing")),
    "silent-meters": Label(_l("Silent meters")),
    "acks": Label(_l("Acknowledgements")),
    "alarms": Label(_l("Alarm rules")),
    "clock": Label(_l("Clock")),
    "deliveries": Label(_l("Meter delivery")),
    "head-end": Label(_l("Head-end")),
    "processes": Label(_l("Processes")),
    "reconciliation": Label(_l("Reconciliation")),
    "retention": Label(_l("Retention")),
    "runner": Label(_l("Runner")),
    "setup": Label(_l("Set-up")),
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

# What providers report, in their own words: beside ours theirs stand as well.
PROVIDER_REPORT: Mapping[str, Label] = {
    "accepted": Label(_l("Taken by the provider")),
    "queued": Label(_l("In the provider’s queue")),
    "sending": Label(_l("Leaving the provider")),
    "sent": Label(_l("Passed on by the provider")),
    "processed": Label(_l("Passed on by the provider")),
    "deferred": Label(_l("Put off by the receiver’s server")),
    "delivered": Label(_l("Arrived")),
    "undelivered": Label(_l("Did not arrive")),
    "failed": Label(_l("Could not be sent")),
    "bounce": Label(_l("Sent back by the receiver’s server")),
    "blocked": Label(_l("Sent back by the receiver’s server")),
    "dropped": Label(_l("Not sent by the provider")),
    "spamreport": Label(_l("Reported as spam")),
}

MAPS: Mapping[str, Mapping[str, Label]] = {
    "reply_verdict": REPLY_VERDICT,
    "reply_state": REPLY_STATE,
    "case_state": CASE_STATE,
    "case_view": CASE_VIEW,
    "case_reason": CASE_REASON,
    "case_outcome": CASE_OUTCOME,
    "case_problem": CASE_PROBLEM,
    "work_order": WORK_ORDER,
    "mass_order": MASS_ORDER,
    "mass_file": MASS_FILE,
    "mass_part": MASS_PART,
    "notice": NOTICE,
    "notice_type": NOTICE_TYPE,
    "topic": TOPIC,
    "text": TEXT,
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
    "order_request": ORDER_REQUEST,
    "delivery_kind": DELIVERY_KIND,
    "delivery_item": DELIVERY_ITEM,
    "mismatch": MISMATCH,
    "mismatch_end": MISMATCH_END,
    "mismatch_view": MISMATCH_VIEW,
    "alarm": {**ALARM, **_FAULT_ALARMS},
    "outage": OUTAGE,
    "outage_kind": OUTAGE_KIND,
    "outage_source": OUTAGE_SOURCE,
    "fault_event": FAULT_EVENT,
    "call": CALL,
    "call_outcome": CALL_OUTCOME,
    "account": ACCOUNT,
    "inbound": INBOUND,
    "inbound_kind": INBOUND_KIND,
    "severity": SEVERITY,
    "meter": METER,
    "circuit": CIRCUIT,
    "runner": RUNNER,
    "import": IMPORT,
    "import_kind": IMPORT_KIND,
    "import_what": IMPORT_WHAT,
    "import_standing": IMPORT_STANDING,
    "rule_set": RULE_SET,
    "replay": REPLAY,
    "bundle": BUNDLE,
    "bundle_document": BUNDLE_DOCUMENT,
    "bundle_capability": BUNDLE_CAPABILITY,
    "difference": DIFFERENCE,
    "left_out": LEFT_OUT,
    "letter": LETTER,
    "doubt": DOUBT,
    "provider_report": PROVIDER_REPORT,
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
