"""The lanes: where work waits, and which of them send to the outside."""

from __future__ import annotations

from enum import StrEnum

POLL_CIS = "poll_cis"
INTAKE = "intake"
ACKS = "acks"
RECEIPTS = "receipts"
NOTICES = "notices"
REPLIES = "replies"
NETWORK = "network"
UPKEEP = "upkeep"
PARTNER_FILES = "partner_files"
PROCESSES = "processes"

CIS = "cis"
NIS = "nis"
DMS = "dms"
BILLING = "billing"
SMS = "sms"
EMAIL = "email"
WEBHOOK = "webhook"

WORK_LANES = (
    POLL_CIS,
    PARTNER_FILES,
    INTAKE,
    ACKS,
    RECEIPTS,
    NETWORK,
    NOTICES,
    REPLIES,
    UPKEEP,
    PROCESSES,
)
DOWNSTREAM_LANES = (CIS, NIS, DMS, BILLING)
NOTICE_LANES = (SMS, EMAIL)
SIGNAL_LANES = (WEBHOOK,)

_PARTNER_PREFIX = "partner."


class Mode(StrEnum):
    """What a repeated call does at the receiver: nothing (idempotent) or harm (once)."""

    IDEMPOTENT = "idempotent"
    ONCE = "once"


def partner_lane(partner_code: str) -> str:
    """The lane that carries orders to one partner."""
    return _PARTNER_PREFIX + partner_code


def partner_of(lane: str) -> str | None:
    """The partner that a lane belongs to, or None."""
    return lane[len(_PARTNER_PREFIX) :] if lane.startswith(_PARTNER_PREFIX) else None


def mode_of(lane: str) -> Mode:
    """Notices go out once at most; every other receiver tells repetitions by their key."""
    return Mode.ONCE if lane in NOTICE_LANES else Mode.IDEMPOTENT
