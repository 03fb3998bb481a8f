"""What is owed when a message did not arrive: another channel once, a letter, or nothing (REQ-26).

Only for what the company must tell: planned cuts, compensation, and what saves lives. The rest was
worth a message and nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.notice_policy import SuppressReason
from app.domain.notice_types import NoticeType, Topic
from app.domain.states import NoticeState

# Topics of which nobody may be left untold because a provider could not deliver.
OWED_TOPICS = (Topic.SAFETY, Topic.PLANNED, Topic.COMPENSATION)
# A letter takes days, so it is for what is still worth knowing then.
LETTER_TYPES = frozenset(
    {
        NoticeType.PLANNED_NOTICE,
        NoticeType.PLANNED_CHANGED,
        NoticeType.PLANNED_CANCELLED,
        NoticeType.COMPENSATION,
    }
)
# Less time than this and the letter arrives after the fact.
LETTER_TAKES = timedelta(days=1)
# Why nobody was told although there was somebody to tell; a letter asks for no wish.
_NO_WAY = frozenset(
    {
        SuppressReason.NO_CONTACT,
        SuppressReason.CONTACT_INVALID,
        SuppressReason.CONTACT_UNVERIFIED,
        SuppressReason.OPTED_OUT,
    }
)


class Aftercare(StrEnum):
    """What is done about a message that did not arrive."""

    FALLBACK = "FALLBACK"
    LETTER = "LETTER"
    NOTHING = "NOTHING"


@dataclass(frozen=True, slots=True)
class FailedNotice:
    """A notice that did not arrive, or could not be sent.

    is_fallback: it was itself the other channel. told_otherwise: the same customer was or is being
    told of the same at another address. other_contact: there is an address of the other channel
    that may be used and has not been told. outdated: the plan that it tells of was changed or called
    off since, which is told instead. expires_at: when a message about it was no longer worth
    sending; true_until: when what it says has passed, None if it does not pass.
    """

    type: NoticeType
    topic: Topic
    state: NoticeState
    suppress_reason: str | None
    expires_at: datetime | None
    true_until: datetime | None = None
    is_fallback: bool = False
    told_otherwise: bool = False
    other_contact: bool = False
    outdated: bool = False


def decide_aftercare(notice: FailedNotice, now: datetime) -> tuple[Aftercare, str]:
    """What is owed, and why in words for the record."""
    nothing = _nothing_owed(notice, now)
    if nothing is not None:
        return Aftercare.NOTHING, nothing
    in_time = notice.expires_at is None or now < notice.expires_at
    if in_time and notice.other_contact and not notice.is_fallback:
        return Aftercare.FALLBACK, "It did not arrive and there is another channel."
    if notice.type not in LETTER_TYPES:
        return Aftercare.NOTHING, "A letter would come too late for this kind."
    if notice.true_until is not None and notice.true_until - now < LETTER_TAKES:
        return Aftercare.NOTHING, "A letter would come too late."
    return Aftercare.LETTER, "No electronic channel reached the customer."


def _nothing_owed(notice: FailedNotice, now: datetime) -> str | None:
    if notice.topic not in OWED_TOPICS:
        return "Nothing more is owed for this topic."
    if notice.outdated:
        return "The plan has changed since, and that is told instead."
    if notice.told_otherwise:
        return "The customer is told at another address."
    if notice.state is NoticeState.SUPPRESSED and notice.suppress_reason not in _NO_WAY:
        return "There was nothing to tell."
    if notice.true_until is not None and now >= notice.true_until:
        return "What it says has passed already."
    return None
