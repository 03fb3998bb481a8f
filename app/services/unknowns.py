"""Calls of which nobody can tell whether they reached the provider, and how that doubt ends.

In this order: by the provider's own report, by looking the message up there, by policy. Each of
the three moves the call, its outbox item and its notice together, and only from the doubt: what
somebody else has settled meanwhile stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.notice_types import Topic
from app.domain.unknown_policy import UnknownAction, UnknownFacts, decide_unknown
from app.doorbell import ring_after_commit
from app.services import delivery_receipts
from app.services.notice_sending import lock_notices
from app.services.receipt_store import TWILIO

# How often a provider is asked, or an event waited for, before policy decides.
LOOKUPS = 2
# When nobody is asked any more and a person has to find out; a doubt always has a time.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One call of unknown outcome that is due to be looked at.

    adapter and account: the provider that may have it, None when its route is gone.
    """

    attempt_id: UUID
    item_id: int
    lane: str
    payload: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None
    lookups: int
    notice_id: int
    gsrn: str
    topic: str
    adapter: str | None
    account: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the look-up said: found None means that nothing like it is at the provider."""

    ref: str | None
    status: str | None = None
    error_code: str | None = None


# A sender that died left its notice behind; this is the first moment at which it shows.
_NOTE_LOST = text(
    """
    UPDATE notice n SET state = 'UNKNOWN', state_at = :now, error_code = item.last_error_class
    FROM outbox_item item
    WHERE item.state = 'UNKNOWN' AND n.id = CAST(item.payload->>'notice_id' AS bigint)
      AND n.state IN ('SENDING', 'RESENT')
    """
)

_REPORTED = text(
    """
    SELECT DISTINCT a.id, r.provider_ref, r.provider, r.status
    FROM attempt a JOIN delivery_receipt r ON r.attempt_id = a.id
    WHERE a.next_lookup_at IS NOT NULL AND a.outcome = 'UNKNOWN' AND a.resolved_by IS NULL
      AND r.verdict IN ('APPLIED', 'LATE')
    """
)


def settle_reported(session: Session, now: datetime) -> int:
    """Settle doubts of which a report came before anybody doubted; returns how many."""
    told = {
        row.id: row.provider_ref
        for row in session.execute(_REPORTED)
        if delivery_receipts.state_of(row.provider, row.status) is not None
    }
    settled = delivery_receipts.settle_attempts(session, told, now) if told else set()
    session.execute(_NOTE_LOST, {"now": now})
    return len(settled)


_DUE = text(
    """
    SELECT a.id, item.id, item.lane, item.payload, a.started_at, a.finished_at, a.lookups,
        n.id, n.gsrn, n.topic, route.adapter, route.account
    FROM attempt a
    JOIN outbox_item item ON item.id = a.outbox_item_id
    LEFT JOIN provider_route route
        ON route.code = coalesce(a.route, CASE item.lane WHEN 'sms' THEN 'twilio' END)
    JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
    WHERE a.outcome = 'UNKNOWN' AND a.resolved_by IS NULL AND a.next_lookup_at <= :now
      AND n.state NOT IN ('SENDING', 'RESENT')
    ORDER BY a.next_lookup_at LIMIT :limit
    """
)


def due(session: Session, limit: int, now: datetime) -> list[Doubt]:
    """Doubts whose time to be looked at has come, the longest waiting first."""
    return [Doubt(*row) for row in session.execute(_DUE, {"limit": limit, "now": now})]


_OTHERS = text(
    """
    SELECT a.ref
    FROM notice mine JOIN contact me ON me.id = mine.contact_id
    JOIN contact c ON c.kind = me.kind AND c.value = me.value
    JOIN notice n ON n.contact_id = c.id AND n.body = mine.body
    JOIN outbox_item item ON item.business_key = 'notice:' || n.id
    JOIN attempt a ON a.outbox_item_id = item.id
    WHERE mine.id = :notice AND a.id <> :attempt AND a.ref IS NOT NULL
    """
)


def refs_of_others(session: Session, doubt: Doubt) -> frozenset[str]:
    """What the provider calls messages of the same words to the same address that other calls made.

    Whoever has two meters replaced in one minute, and a hidden address, reads the same twice; one
    of the two must not stand for the other.
    """
    values = {"notice": doubt.notice_id, "attempt": doubt.attempt_id}
    return frozenset(session.execute(_OTHERS, values).scalars())


_FOUND_ATTEMPT = text(
    """
    UPDATE attempt SET outcome = 'SENT', resolved_by = :by, ref = coalesce(:ref, ref),
        lookups = lookups + CAST(:by = 'LOOKUP' AS int),
        finished_at = coalesce(finished_at, :now), next_lookup_at = NULL
    WHERE id = :attempt AND outcome = 'UNKNOWN' AND resolved_by IS NULL RETURNING id
    """
)
_FOUND_ITEM = text(
    """
    UPDATE outbox_item SET state = 'SENT', ref = coalesce(:ref, ref), settled_at = :now
    WHERE id = :item AND state = 'UNKNOWN' AND attempt_id = :attempt
    """
)
_FOUND_NOTICE = text(
    """
    UPDATE notice SET state = :state, state_at = :now, suppress_reason = NULL,
        provider = CASE channel WHEN 'SMS' THEN 'twilio' ELSE 'sendgrid' END,
        provider_ref = coalesce(:ref, provider_ref), error_code = :code,
        sent_at = coalesce(sent_at, :started),
        delivered_at = CASE WHEN :state = 'DELIVERED' THEN CAST(:now AS timestamptz) END
    WHERE id = :notice AND state IN ('UNKNOWN', 'SENDING')
    """
)


def note_found(
    session: Session, doubt: Doubt, found: Found, now: datetime, *, by: str = "LOOKUP"
) -> bool:
    """The provider has it: settle all three; False when somebody else was faster.

    by: who found it, the look-up or a PERSON, who may know no reference.
    """
    parameters = {"now": now, "attempt": doubt.attempt_id, "ref": found.ref, "by": by}
    if session.execute(_FOUND_ATTEMPT, parameters).first() is None:
        return False
    session.execute(_FOUND_ITEM, {**parameters, "item": doubt.item_id})
    lock_notices(session, [doubt.notice_id])
    state = delivery_receipts.state_of(TWILIO, found.status or "") or "SENT"
    session.execute(
        _FOUND_NOTICE,
        {
            **parameters,
            "notice": doubt.notice_id,
            "state": state,
            "started": doubt.started_at,
            "code": found.error_code if state == "UNDELIVERED" else None,
        },
    )
    return True


_ASK_LATER = text(
    """
    UPDATE attempt SET lookups = lookups + :asked, next_lookup_at = :at
    WHERE id = :attempt AND outcome = 'UNKNOWN' AND resolved_by IS NULL AND lookups = :before
    """
)


def ask_later(session: Session, doubt: Doubt, at: datetime | None, *, asked: bool) -> None:
    """Look again at that time, or with None leave it to a person; asked: this look counts."""
    session.execute(
        _ASK_LATER,
        {
            "attempt": doubt.attempt_id,
            "asked": int(asked),
            "at": at or NEVER,
            # Two that look at once count as one look.
            "before": doubt.lookups,
        },
    )


_GIVE_UP_ASKING = text(
    """
    UPDATE attempt SET resolved_by = 'POLICY', lookups = lookups + 1, next_lookup_at = NULL
    WHERE id = :attempt AND outcome = 'UNKNOWN' AND resolved_by IS NULL RETURNING id
    """
)
_LOCK_ITEM = text(
    """
    SELECT id FROM outbox_item
    WHERE id = :item AND state = 'UNKNOWN' AND attempt_id = :attempt FOR NO KEY UPDATE
    """
)
_FACTS = text(
    """
    SELECT n.topic, n.state, n.expires_at, n.resent_count,
        coalesce(n.suppress_reason, CASE
            WHEN NOT n.must_reach AND NOT coalesce(wish.enabled, c.enrolled, false)
                THEN 'OPTED_OUT'
            WHEN c.state = 'REMOVED' THEN 'NO_CONTACT'
            WHEN c.state = 'INVALID' THEN 'CONTACT_INVALID' END) AS stopped
    FROM notice n
    LEFT JOIN contact c ON c.id = n.contact_id
    LEFT JOIN LATERAL (
        SELECT p.enabled FROM preference p
        WHERE p.contact_id = n.contact_id AND p.topic = n.topic
          AND (p.gsrn = n.gsrn OR p.gsrn IS NULL)
        ORDER BY p.gsrn NULLS LAST LIMIT 1) wish ON true
    WHERE n.id = :notice
    """
)
_SEND_AGAIN = text(
    "UPDATE outbox_item SET state = 'READY', next_at = :now WHERE id = :item RETURNING lane"
)
_GIVE_UP_ITEM = text(
    "UPDATE outbox_item SET state = 'CANCELLED', settled_at = :now, last_error = :why"
    " WHERE id = :item"
)
_GIVE_UP_NOTICE = text(
    "UPDATE notice SET state = 'EXPIRED', suppress_reason = :why, state_at = :now"
    " WHERE id = :notice AND state = 'UNKNOWN'"
)


def decide(session: Session, doubt: Doubt, now: datetime) -> tuple[UnknownAction, str] | None:
    """Nobody can tell: send again or give up, by the kind of message; None when it was settled.

    A message to be sent again goes through the drain like any other, and is counted there when
    it really leaves.
    """
    parameters = {"now": now, "attempt": doubt.attempt_id, "item": doubt.item_id}
    if session.execute(_GIVE_UP_ASKING, parameters).first() is None:
        return None
    if session.execute(_LOCK_ITEM, parameters).first() is None:
        return None
    lock_notices(session, [doubt.notice_id])
    row = session.execute(_FACTS, {"notice": doubt.notice_id}).one()
    facts = UnknownFacts(Topic(row.topic), row.state, row.stopped, row.expires_at, row.resent_count)
    action, why = decide_unknown(facts, now)
    if action is UnknownAction.RESEND:
        ring_after_commit(session.execute(_SEND_AGAIN, parameters).scalar_one())
    else:
        session.execute(_GIVE_UP_ITEM, {**parameters, "why": f"outcome unknown, {why}"})
        session.execute(_GIVE_UP_NOTICE, {"now": now, "why": why, "notice": doubt.notice_id})
    return action, why
