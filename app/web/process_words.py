"""What the parts of processes and alarm rules are called, and what each process does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.queries.process_list import ProcessRow, TriggerRow
from app.web.labels import Label, lane_name
from app.web.wording import process_name

OVERLAP: Mapping[str, Label] = {
    "SKIP": Label(_l("Skip the new start")),
    "QUEUE_ONE": Label(_l("Let one wait")),
    "QUEUE_ALL": Label(_l("Let all wait their turn")),
    "PARALLEL": Label(_l("Run beside one another")),
    "REPLACE": Label(_l("Stop the running one")),
}
LOG_LEVEL: Mapping[str, Label] = {
    "ERRORS": Label(_l("Errors only")),
    "RESULTS": Label(_l("Results, no payloads")),
    "EVERYTHING": Label(_l("Everything")),
}
TRIGGER: Mapping[str, Label] = {
    "SCHEDULE": Label(_l("Schedule")),
    "FILE": Label(_l("Arrival of a file")),
    "MAIL": Label(_l("E-mail to a mailbox")),
    "HTTP": Label(_l("Request by HTTP")),
    "CHANGE": Label(_l("Change in the database")),
    "END": Label(_l("End of another process")),
    "MANUAL": Label(_l("By hand")),
    "REPLAY": Label(_l("Run again")),
}
START: Mapping[str, Label] = {
    "WAITING": Label(_l("Waiting"), "info", "wait"),
    "RUNNING": Label(_l("Running"), "info", "going"),
    "DONE": Label(_l("Done"), "ok", "ok"),
    "FAILED": Label(_l("Failed"), "fail", "fail"),
    "STOPPED": Label(_l("Stopped"), "warn", "held"),
    "SKIPPED": Label(_l("Skipped"), "calm", "calm"),
}
ENDED: Mapping[str, Label] = {
    "OK": Label(_l("when it went well")),
    "BAD": Label(_l("when it went wrong")),
    "ANY": Label(_l("however it ended")),
}
RULE_KIND: Mapping[str, Label] = {
    "ABSENCE": Label(_l("Absence: nothing comes")),
    "LATENESS": Label(_l("Lateness: something is too old")),
    "RATE": Label(_l("Rate: too few or too many")),
    "RATIO": Label(_l("Ratio: too large a share")),
}
MEASURE: Mapping[str, Label] = {
    "ORDERS": Label(_l("Work orders received")),
    "CIS_FILES": Label(_l("Files from the CIS")),
    "ACKS": Label(_l("Acknowledgements received")),
    "VISITS": Label(_l("Visits that ended")),
    "PROCESS_RUNS": Label(_l("Runs of processes")),
    "NOTICES": Label(_l("Messages to customers")),
    "LANE_AGE": Label(_l("Age of the oldest in a lane, minutes")),
    "PROCESS_AGE": Label(_l("Time since a process last went well, minutes")),
    "RUNS_BAD": Label(_l("Runs that went wrong, per cent")),
    "NOTICES_BAD": Label(_l("Messages that did not arrive, per cent")),
    "VISITS_BAD": Label(_l("Visits that failed, per cent")),
}
DIRECTION: Mapping[str, Label] = {
    "BELOW": Label(_l("fewer than the limit is bad")),
    "ABOVE": Label(_l("more than the limit is bad")),
}
DAYS: Mapping[str, Label] = {
    "EVERY": Label(_l("Every day")),
    "WORKING": Label(_l("Working days")),
}
_MAPS: Mapping[str, Mapping[str, Label]] = {
    "overlap": OVERLAP,
    "log_level": LOG_LEVEL,
    "trigger": TRIGGER,
    "start": START,
    "ended": ENDED,
    "rule_kind": RULE_KIND,
    "measure": MEASURE,
    "direction": DIRECTION,
    "days": DAYS,
}

# What each shipped process does, by the name of its runs.
_ABOUT: Mapping[str, LazyString] = {
    "poll CIS": _l("Looks into the CIS's folder and stores every file that has come to rest."),
    "intake": _l("Reads stored files of the CIS, checks each order and routes it."),
    "partner files": _l("Fetches the files of contractors and makers by SFTP, and reads them."),
    "acks": _l("Interprets what installers report and carries it into the orders."),
    "apply receipts": _l("Carries the providers' reports of delivery into the messages."),
    "replies": _l("Handles text messages of customers."),
    "network": _l("Reads what the DMS and the head-end report."),
    "plan notices": _l("Decides for each announcement who is told, how and when."),
    "upkeep": _l("Watches over everything else every few seconds: alarms, clocks, doubts."),
    "mailboxes": _l("Stores e-mails and their attachments and moves them to another folder."),
    "public status": _l("Writes the public status page anew."),
    "service level": _l("Counts the hours for the public figures of the service."),
    "purge": _l("Removes technical rows that nobody will ask for again."),
    "read held": _l("Reads messages again that a fault of ours had put aside."),
    "retry dead": _l("Sends again what had been given up, under its original keys."),
    "signal": _l("Posts a signed signal to the webhook, for systems that wait for one."),
    "reconcile": _l("Compares what other systems list with what they got from us."),
    "reconcile changes": _l(
        "The same with what changed since the last list, between the whole ones."
    ),
}
_REASON: Mapping[str, LazyString] = {
    "STILL_RUNNING": _l("An earlier one was not over"),
    "ONE_WAITS": _l("One was waiting already"),
    "REPLACED": _l("A newer start took its place"),
    "IS_STOPPED": _l("It was stopped"),
    "STOPPED": _l("Somebody stopped it"),
    "STOPPED_WAITING": _l("Somebody stopped it before it began"),
    "CHORE_UNKNOWN": _l("The product does not know its work any more"),
    "INTERNAL WorkerDied": _l("Its worker died again and again"),
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (process_label, process_title, process_about, trigger_text, start_reason):
        app.add_template_global(word)
    app.add_template_filter(process_option)
    app.add_template_filter(pair)


def process_label(kind: str, code: str) -> Label:
    """The label of a code of one kind; an unknown code is its own label."""
    return _MAPS[kind].get(code) or Label(code)


def process_option(code: str, kind: str) -> tuple[str, str]:
    """A code and its words, as a list to choose from wants them."""
    return str(code), str(process_label(kind, code).text)


def pair(value: str) -> tuple[str, str]:
    """The same for a value that is its own word."""
    return value, value


def process_title(row: ProcessRow) -> str:
    """What a process is called: as staff named it, or as it was shipped."""
    return row.name or process_name(row.run_name)


def process_about(row: ProcessRow) -> str:
    """What a process does, in a sentence."""
    if row.description:
        return row.description
    known = _ABOUT.get(row.run_name)
    if known is not None:
        return str(known)
    if row.lane is not None:
        return gettext("Sends what waits in the lane %(lane)s.", lane=lane_name(row.lane))
    return ""


def trigger_text(trigger: TriggerRow) -> str:
    """What starts a process, in words."""
    words = _WORDS.get(trigger.kind)
    return words(trigger.spec) if words is not None else f"{trigger.kind} {trigger.key}"


def start_reason(code: str) -> str:
    """Why a start ended as it did."""
    known = _REASON.get(code)
    if known is not None:
        return str(known)
    if code.startswith("INTERNAL "):
        return gettext("A fault of ours (%(name)s)", name=code.removeprefix("INTERNAL "))
    return code


def _unbroken(cron: str) -> str:
    """Its five parts stay on one line."""
    return cron.replace(" ", "\xa0")


def _file(spec: Mapping[str, Any]) -> str:
    source = spec.get("source") or gettext("any source")
    return gettext("File %(name)s from %(source)s", name=spec["name"], source=source)


def _mail(spec: Mapping[str, Any]) -> str:
    text = gettext("E-mail to %(mailbox)s", mailbox=spec.get("mailbox") or gettext("any mailbox"))
    rest = ", ".join(str(spec[part]) for part in ("sender", "subject") if spec.get(part))
    return f"{text} ({rest})" if rest else text


def _change(spec: Mapping[str, Any]) -> str:
    text = gettext("Change of %(table)s", table=spec["table"])
    return f"{text} ({spec['state']})" if spec.get("state") else text


def _end(spec: Mapping[str, Any]) -> str:
    when = str(process_label("ended", spec["ended"]).text)
    return gettext("End of %(process)s, %(when)s", process=spec["process"], when=when)


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "PACE": lambda spec: gettext("Every %(count)s s", count=f"{spec['every_s']:g}"),
    "WORK": lambda _: gettext("As soon as something waits"),
    "SCHEDULE": lambda spec: gettext("Schedule %(cron)s", cron=_unbroken(spec["cron"])),
    "FILE": _file,
    "MAIL": _mail,
    "HTTP": lambda spec: gettext("Request by %(partner)s", partner=spec["partner"]),
    "CHANGE": _change,
    "END": _end,
}
