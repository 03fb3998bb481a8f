"""Whether a customer is told about an event: now, later or not at all, and why.

The rule of thumb: what is happening at the customer's door is told when it happens, at any hour
(LIVE); what we learn late is told in the morning, and only while it is still worth reading; nothing
is told twice, to nobody who left the topic, and never against the facts. Each answer carries a
sentence for the record (I6).
Source: REQ-02, REQ-09, REQ-10, REQ-11, REQ-18, REQ-31, REQ-38 in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from enum import StrEnum
from hashlib import sha256

from msgspec import Struct

from app.domain.languages import ASSUMED_LANGUAGE, Language
from app.domain.night_hold import night_hold
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeRule, NoticeType
from app.domain.states import NoticeState


class Action(StrEnum):
    """What the policy decided."""

    SEND = "SEND"
    HOLD = "HOLD"
    SUPPRESS = "SUPPRESS"


class SuppressReason(StrEnum):
    """Why somebody was not told."""

    OPTED_OUT = "OPTED_OUT"
    NO_CONTACT = "NO_CONTACT"
    CONTACT_INVALID = "CONTACT_INVALID"
    CONTACT_UNVERIFIED = "CONTACT_UNVERIFIED"
    UNCONFIRMED = "UNCONFIRMED"
    NO_OUTAGE = "NO_OUTAGE"
    STALE = "STALE"
    DUPLICATE = "DUPLICATE"
    # Only for announcements to many (announcement_policy.py):
    NEVER_TOLD = "NEVER_TOLD"
    STILL_OFF = "STILL_OFF"
    SOME_STILL_OFF = "SOME_STILL_OFF"
    KNOWS_OTHER = "KNOWS_OTHER"
    SAME_ESTIMATE = "SAME_ESTIMATE"


class ContactState(StrEnum):
    """How far a phone number or address can be trusted."""

    UNVERIFIED = "UNVERIFIED"
    VERIFIED = "VERIFIED"
    INVALID = "INVALID"
    REMOVED = "REMOVED"


# The CIS is the contract's own record, so its contacts may be used before anybody confirmed them.
TRUSTED_SOURCE = "CIS"


class NoticeEvent(Struct, frozen=True):
    """Something that happened and that a customer may want to know.

    subject: what it is about, for instance an order id or an outage; occurrence: which of several
    happenings of the same kind it is, for instance the id of the acknowledgement. over_at: when
    the situation ended, if it has. confirmed: False when its time is not to be believed. no_outage:
    True when the power stays on, so that a text about a cut would be untrue. true_until: when the
    text turns untrue by itself. if_told: True when it means something only to those who have been
    told of the plan that it changes; with ends_visit, to those who have been told that the visit
    began. live: False for what is told later than it happened.
    """

    type: NoticeType
    subject: str
    gsrn: str
    happened_at: datetime
    occurrence: str = ""
    over_at: datetime | None = None
    confirmed: bool = True
    no_outage: bool = False
    true_until: datetime | None = None
    if_told: bool = False
    ends_visit: bool = False
    live: bool = True


class ContactFacts(Struct, frozen=True):
    """One phone number (E.164) or e-mail address (lower case)."""

    id: int
    channel: Channel
    value: str
    state: ContactState = ContactState.UNVERIFIED
    source: str = TRUSTED_SOURCE


class Recipient(Struct, frozen=True):
    """Who would be told: wants and night_ok are for the event's topic and metering point.

    quiet_from, quiet_to: None means the company's default (quiet_hours.py).
    """

    customer_id: str
    contact: ContactFacts | None
    wants: bool = True
    night_ok: bool = False
    quiet_from: time | None = None
    quiet_to: time | None = None
    language: Language = ASSUMED_LANGUAGE
    safety_ban: bool = False


class LedgerRow(Struct, frozen=True):
    """An earlier decision about the same subject and metering point."""

    notice_id: int
    type: NoticeType
    dedupe_key: str
    contact_value: str | None
    event_at: datetime
    state: NoticeState


class Decision(Struct, frozen=True):
    """What to do, until when to hold, when the text goes stale, and which notices to stop.

    hide_address: the text must not say where (REQ-31). A DUPLICATE needs no ledger row: the
    earlier one is its record.
    """

    action: Action
    why: str
    reason: SuppressReason | None = None
    until: datetime | None = None
    expires_at: datetime | None = None
    supersedes: tuple[int, ...] = ()
    hide_address: bool = False


def decide_notice(
    event: NoticeEvent, recipient: Recipient, ledger: Iterable[LedgerRow], now: datetime
) -> Decision:
    """Decide about telling one recipient of one event.

    ledger holds the earlier decisions about the event's subject at its metering point; rows of
    other contacts in it do no harm.
    """
    rule = NOTICE_RULES[event.type]
    rows = tuple(ledger)
    found = _obstacle(event, recipient, rule, rows, now)
    if found is not None and found[0] is SuppressReason.DUPLICATE:
        return Decision(Action.SUPPRESS, found[1], found[0])
    # Even somebody who will not be told must not get an older text that has become untrue.
    supersedes = tuple(
        row.notice_id for row in rows if _made_pointless(row, event, recipient, rule)
    )
    if found is not None:
        return Decision(Action.SUPPRESS, found[1], found[0], supersedes=supersedes)
    action, why, until = _when(event, recipient, now)
    expires_at = event.happened_at + rule.good_for
    if event.true_until is not None:
        expires_at = min(expires_at, event.true_until)
    if until is not None and until >= expires_at:
        why = "Quiet hours end only after the text has gone stale."
        return Decision(Action.SUPPRESS, why, SuppressReason.STALE, supersedes=supersedes)
    return Decision(
        action,
        why,
        until=until,
        expires_at=expires_at,
        supersedes=supersedes,
        hide_address=recipient.safety_ban,
    )


def check_before_send(
    recipient: Recipient, expires_at: datetime | None, now: datetime
) -> SuppressReason | None:
    """Look once more at what may have changed since the decision, right before the call (REQ-11)."""
    found = contact_obstacle(recipient)
    if found is not None:
        return found[0]
    if expires_at is not None and now >= expires_at:
        return SuppressReason.STALE
    return None


def dedupe_key(event: NoticeEvent, recipient: Recipient) -> str:
    """The name under which a person is told of an event once (REQ-02); unique in the ledger.

    It goes by the address itself, not by our row of it: one phone known under two customers rings
    once. The address is hashed because keys end up in logs and with providers.
    """
    contact = recipient.contact
    short = address_hash(contact) if contact else _short_hash(f"-:{recipient.customer_id}")
    return "/".join((event.type, event.subject, event.occurrence, event.gsrn, short))


def address_hash(contact: ContactFacts) -> str:
    """The address in a form that may be part of a key."""
    return _short_hash(f"{contact.channel}:{contact.value}")


def _short_hash(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:20]


_Obstacle = tuple[SuppressReason, str]


def _obstacle(
    event: NoticeEvent,
    recipient: Recipient,
    rule: NoticeRule,
    rows: tuple[LedgerRow, ...],
    now: datetime,
) -> _Obstacle | None:
    key = dedupe_key(event, recipient)
    if any(row.dedupe_key == key for row in rows):
        return SuppressReason.DUPLICATE, "This was decided before."
    found = (
        contact_obstacle(recipient)
        or _untrue(event, rule, now)
        or _never_told(event, recipient, rows)
    )
    if found is not None:
        return found
    if any(_tells_the_same(row, event, recipient, rule, rows) for row in rows):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def contact_obstacle(
    recipient: Recipient, *, must_reach: bool = False
) -> tuple[SuppressReason, str] | None:
    """Why this recipient cannot or does not want to be told anything at all."""
    contact = recipient.contact
    if not recipient.wants and not must_reach:
        return SuppressReason.OPTED_OUT, "The recipient does not want this topic."
    if contact is None or contact.state is ContactState.REMOVED:
        return SuppressReason.NO_CONTACT, "There is no contact to tell."
    if contact.state is ContactState.INVALID:
        return SuppressReason.CONTACT_INVALID, "The contact has proved unusable."
    if contact.state is ContactState.UNVERIFIED and contact.source != TRUSTED_SOURCE:
        return SuppressReason.CONTACT_UNVERIFIED, "The contact has not been confirmed."
    return None


def _untrue(event: NoticeEvent, rule: NoticeRule, now: datetime) -> _Obstacle | None:
    if not event.confirmed:
        return SuppressReason.UNCONFIRMED, "The reported time is not to be believed."
    if event.no_outage and rule.only_while_it_lasts:
        return SuppressReason.NO_OUTAGE, "The power stays on, there is no cut to tell of."
    if rule.only_while_it_lasts and event.over_at is not None:
        return SuppressReason.STALE, "It was over before it could be told."
    if event.true_until is not None and now >= event.true_until:
        return SuppressReason.STALE, "What it says has passed already."
    if now - event.happened_at > rule.good_for:
        minutes = int((now - event.happened_at).total_seconds() // 60)
        limit = int(rule.good_for.total_seconds() // 60)
        return SuppressReason.STALE, f"It happened {minutes} min ago, more than {limit} min."
    return None


def _never_told(
    event: NoticeEvent, recipient: Recipient, rows: tuple[LedgerRow, ...]
) -> _Obstacle | None:
    """A cancellation is for whoever knows of this visit: told since the last one began or ended.

    Of one that was broken off, for whoever knows that it began, and not yet how it ended.
    """
    if not event.if_told:
        return None
    known, over = _knows_of(event)
    ours = [row for row in rows if _is_for(row, recipient)]
    last = max((row.event_at for row in ours if row.type in over), default=None)
    if any(
        row.type in known and row.state in _MAY_BE_KNOWN and (last is None or row.event_at > last)
        for row in ours
    ):
        return None
    return SuppressReason.NEVER_TOLD, "The recipient was not told of the visit."


def _knows_of(event: NoticeEvent) -> tuple[frozenset[NoticeType], frozenset[NoticeType]]:
    """The notices that tell of the visit, and those after which it is another one."""
    if event.ends_visit:
        return VISIT_BEGUN, _VISIT_OVER - VISIT_BEGUN
    return VISIT_PLANS, _VISIT_OVER


def _tells_the_same(
    row: LedgerRow,
    event: NoticeEvent,
    recipient: Recipient,
    rule: NoticeRule,
    rows: tuple[LedgerRow, ...],
) -> bool:
    """Whether an earlier notice of the same kind leaves nothing new to tell."""
    if row.type is not event.type or not _is_for(row, recipient) or row.state in _NOT_TOLD:
        return False
    if rule.repeats_after is None:
        return True
    if abs(event.happened_at - row.event_at) >= rule.repeats_after:
        return False
    # A visit that ended in between makes the next start a new one, however soon it comes.
    first, last = sorted((row.event_at, event.happened_at))
    return not any(
        other.type is not event.type and first <= other.event_at <= last for other in rows
    )


def _made_pointless(
    row: LedgerRow, event: NoticeEvent, recipient: Recipient, rule: NoticeRule
) -> bool:
    return (
        row.type in rule.supersedes
        and row.state in _NOT_LEFT
        and _is_for(row, recipient)
        and row.event_at <= event.happened_at
    )


def _is_for(row: LedgerRow, recipient: Recipient) -> bool:
    return recipient.contact is not None and row.contact_value == recipient.contact.value


def _when(
    event: NoticeEvent, recipient: Recipient, now: datetime
) -> tuple[Action, str, datetime | None]:
    until, why = night_hold(
        event.type,
        now,
        event_at=event.happened_at,
        quiet_from=recipient.quiet_from,
        quiet_to=recipient.quiet_to,
        night_ok=recipient.night_ok,
        live=event.live,
    )
    return Action.SEND if until is None else Action.HOLD, why, until


# What tells of a visit to come.
VISIT_PLANS = frozenset(
    {
        NoticeType.METER_SWAP_ANNOUNCED,
        NoticeType.METER_SWAP_BOOK,
        NoticeType.METER_SWAP_REMINDER,
        NoticeType.METER_SWAP_RESCHEDULED,
    }
)
# What tells that it has begun.
VISIT_BEGUN = frozenset({NoticeType.METER_SWAP_STARTED})
_VISIT_OVER = frozenset(
    {
        NoticeType.METER_SWAP_STARTED,
        NoticeType.METER_SWAP_DONE,
        NoticeType.METER_SWAP_FAILED,
        NoticeType.METER_SWAP_CANCELLED,
    }
)
_MAY_BE_KNOWN = frozenset(
    {
        NoticeState.SENDING,
        NoticeState.SENT,
        NoticeState.UNKNOWN,
        NoticeState.RESENT,
        NoticeState.DELIVERED,
        NoticeState.UNDELIVERED,
        NoticeState.FALLBACK,
    }
)
_NOT_TOLD = frozenset(
    {NoticeState.SUPPRESSED, NoticeState.SUPERSEDED, NoticeState.EXPIRED, NoticeState.FAILED}
)
_NOT_LEFT = frozenset({NoticeState.CREATED, NoticeState.HELD, NoticeState.QUEUED})
