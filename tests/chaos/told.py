"""What crews reported and what customers got, as the installer and the providers recorded it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from deploy.supervisor import ROOT
from tests.chaos.evidence import Entry, Evidence, moment

TEXTS = ROOT / "templates" / "messages"
# Which report of a crew is told to customers by which text.
TOLD_BY = {
    "STARTED": "METER_SWAP_STARTED",
    "COMPLETED": "METER_SWAP_DONE",
    "FAILED": "METER_SWAP_FAILED",
}
# The same news in the words that are true as it leaves.
SAME_NEWS = {"METER_SWAP_DONE_STILL_OFF": "METER_SWAP_DONE"}
# What is told of a visit before it begins; which of them depends on what was told before.
VISITS_AHEAD = ("METER_SWAP_ANNOUNCED", "METER_SWAP_BOOK", "METER_SWAP_RESCHEDULED")
VISIT_OFF = "METER_SWAP_CANCELLED"
CUT_NEWS = (
    "FAULT_STARTED",
    "FAULT_ETR",
    "FAULT_ETR_CHANGED",
    "FAULT_ETR_DELAYED",
    "FAULT_PARTLY_RESTORED",
)
FAULT_NEWS = (*CUT_NEWS, "FAULT_RESTORED", "CORRECTION", "CORRECTION_STILL_OFF")
PLAN_NEWS = ("PLANNED_NOTICE", "PLANNED_CHANGED", "PLANNED_CANCELLED")
ANSWERS = (
    "OPT_OUT_OK",
    "OPT_OUT_OTHERS_ACTIVE",
    "STATUS_OUTAGE",
    "STATUS_NO_OUTAGE",
    "STATUS_SUSPECTED",
    "STATUS_PLANNED",
    "STATUS_PLANNED_ON",
    "STATUS_SWAP",
    "STATUS_SWAP_UNCONFIRMED",
    "WHICH_SITE",
    "HELP_REPLY",
    "NOT_UNDERSTOOD",
)
SMS_PROVIDERS = ("twilio", "twilio2")
ENDS = ("COMPLETED", "FAILED", "CANCELLED")
TAKEN = 202


@dataclass(frozen=True, slots=True)
class Ack:
    """One report of a crew; taken_at is when the product had said that it has it."""

    ack_id: str
    order_id: str
    revision: int
    type: str
    body: dict[str, Any]
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """One text or e-mail that a provider accepted; kind None means that it is none of our texts."""

    at: datetime
    to: str
    kind: str | None
    language: str | None
    text: str


def read_acks(evidence: Evidence) -> list[Ack]:
    """Every report that was made, with the first moment at which it was taken."""
    taken: dict[str, datetime] = {}
    for entry in evidence.entries("installer", "ack_answer"):
        if entry["answered"] == TAKEN:
            taken.setdefault(entry["ack_id"], moment(entry["at"]))
    return [
        Ack(e["ack_id"], e["order_id"], e["revision"], e["type"], e["body"], taken.get(e["ack_id"]))
        for e in evidence.entries("installer", "ack")
    ]


def read_messages(evidence: Evidence) -> list[Message]:
    """Every message in the order in which the providers accepted them."""
    texts = [_sms(one) for name in SMS_PROVIDERS for one in evidence.entries(name, "message")]
    mails = [_mail(entry) for entry in evidence.entries("sendgrid", "mail")]
    return sorted([*texts, *mails], key=lambda message: message.at)


def recognise(channel: str, text: str) -> tuple[str | None, str | None]:
    """Which of the shipped texts this is, and in which language."""
    for kind, language, pattern in _patterns(channel):
        if pattern.fullmatch(text):
            return kind, language
    return None, None


def _sms(entry: Entry) -> Message:
    kind, language = recognise("sms", entry["body"])
    return Message(moment(entry["at"]), entry["to"].lower(), kind, language, entry["body"])


def _mail(entry: Entry) -> Message:
    kind, language = recognise("subject", entry["subject"])
    text = f"{entry['subject']}\n{entry['text']}"
    return Message(moment(entry["at"]), entry["to"].lower(), kind, language, text)


@lru_cache
def _patterns(channel: str) -> list[tuple[str, str, re.Pattern[str]]]:
    return list(_compile(channel))


def _compile(channel: str) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    swaps = (*TOLD_BY.values(), *VISITS_AHEAD, VISIT_OFF)
    for kind in (*swaps, *SAME_NEWS, *FAULT_NEWS, *PLAN_NEWS, *ANSWERS):
        texts = tomllib.loads((TEXTS / f"{kind}.toml").read_text("utf-8"))
        for language, of_language in texts.items():
            fixed = re.split(r"\(\(\w+\)\)", of_language[channel])
            news = SAME_NEWS.get(kind, kind)
            yield news, language, re.compile(".+?".join(map(re.escape, fixed)), re.DOTALL)
