"""Providers' reports about our messages, carried from where they were stored into the ledger.

They come late, twice and in any order, so a report only ever moves a notice up the ladder
sent, undelivered, delivered: whatever comes when, the end is the same. A report about a call of
unknown outcome also settles the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import contact_standing
from app.services.contact_standing import ProviderWord
from app.services.notice_sending import lock_notices
from app.services.receipt_store import TWILIO
from integrations.sendgrid_email import codes as sendgrid
from integrations.twilio_sms import codes as twilio

# UNDELIVERED may give way to DELIVERED: of a message sent again, one copy may have arrived.
# EXPIRED comes from a doubt that was given up, and FAILED from one whose second call was refused; the
# provider's word ends the doubt.
RANKS: Mapping[str, int] = {
    "SENDING": 0,
    "UNKNOWN": 0,
    "EXPIRED": 0,
    "FAILED": 0,
    "SENT": 1,
    "RESENT": 1,
    "UNDELIVERED": 2,
    "DELIVERED": 3,
}


@dataclass(frozen=True, slots=True)
class AppliedReceipt:
    """What became of one report: APPLIED, LATE or UNKNOWN_ATTEMPT."""

    id: int
    verdict: str
    provider: str
    status: str
    provider_ref: str | None
    notice_id: int | None
    gsrn: str | None


_WAITING = text(
    """
    SELECT r.id, r.provider, r.status, r.error_code, r.provider_ref, r.attempt_id,
        coalesce(r.occurred_at, r.received_at) AS at, item.id AS item_id,
        n.id AS notice_id, n.state, n.gsrn
    FROM delivery_receipt r
    LEFT JOIN attempt a ON a.id = r.attempt_id
    LEFT JOIN outbox_item item ON item.id = a.outbox_item_id
    LEFT JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
        AND n.channel = CASE r.provider WHEN 'twilio' THEN 'SMS' ELSE 'EMAIL' END
    WHERE r.verdict = 'WAITING'
    ORDER BY r.id LIMIT :limit FOR UPDATE OF r
    """
)

# A call is settled by a report once and for all; an item that was to be sent again stays here.
_SETTLE_ATTEMPTS = text(
    """
    UPDATE attempt SET outcome = 'SENT', resolved_by = 'CALLBACK', ref = coalesce(ref, said.told),
        finished_at = coalesce(finished_at, :now), next_lookup_at = NULL
    FROM unnest(CAST(:attempts AS uuid[]), CAST(:refs AS text[])) AS said (id, told)
    WHERE attempt.id = said.id AND attempt.outcome = 'UNKNOWN'
    RETURNING attempt.id
    """
)

_SETTLE_ITEMS = text(
    """
    UPDATE outbox_item item
    SET state = CASE item.state WHEN 'UNKNOWN' THEN 'SENT' ELSE 'CANCELLED' END,
        last_error = 'the provider reported that the call had reached it',
        ref = coalesce(item.ref, a.ref), settled_at = :now
    FROM attempt a
    WHERE a.id = ANY(:attempts) AND item.id = a.outbox_item_id AND item.attempt_id = a.id
      AND item.state IN ('UNKNOWN', 'READY')
    """
)

_MOVE = text(
    """
    WITH reported AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:ranks AS int[]),
            CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:codes AS text[]),
            CAST(:ats AS timestamptz[])) AS s (id, state, rank, provider, ref, code, at))
    UPDATE notice n
    SET state = s.state, state_at = :now, suppress_reason = NULL, provider = s.provider,
        provider_ref = coalesce(n.provider_ref, s.ref), sent_at = coalesce(n.sent_at, s.at),
        error_code = CASE WHEN s.state = 'UNDELIVERED' THEN s.code END,
        delivered_at = CASE WHEN s.state = 'DELIVERED' THEN s.at END
    FROM reported s
    WHERE n.id = s.id AND s.rank > CASE n.state
        WHEN 'SENDING' THEN 0 WHEN 'UNKNOWN' THEN 0 WHEN 'EXPIRED' THEN 0 WHEN 'FAILED' THEN 0
        WHEN 'SENT' THEN 1 WHEN 'RESENT' THEN 1 WHEN 'UNDELIVERED' THEN 2 ELSE 9 END
    """
)

_VERDICT = text(
    """
    UPDATE delivery_receipt r SET verdict = v.verdict
    FROM unnest(CAST(:ids AS bigint[]), CAST(:verdicts AS text[])) AS v (id, verdict)
    WHERE r.id = v.id
    """
)


@dataclass(slots=True)
class _Ladder:
    """How far one notice has come while its reports are read one after the other."""

    state: str
    row: Any = None


def apply_waiting(session: Session, limit: int, now: datetime) -> list[AppliedReceipt]:
    """Apply up to `limit` reports that wait; an empty list means that none did.

    Locks calls before items before notices, as the settling of a drain does.
    """
    rows = session.execute(_WAITING, {"limit": limit}).all()
    if not rows:
        return []
    ladders: dict[int, _Ladder] = {}
    verdicts = [_climb(ladders, row) for row in rows]
    known = [row for row in rows if row.notice_id is not None]
    about_calls = [row for row in known if state_of(row.provider, row.status) is not None]
    settle_attempts(session, {row.attempt_id: row.provider_ref for row in about_calls}, now)
    _move(session, {id_: ladder for id_, ladder in ladders.items() if ladder.row is not None}, now)
    session.execute(_VERDICT, {"ids": [row.id for row in rows], "verdicts": verdicts})
    words = [
        ProviderWord(row.notice_id, row.error_code, row.status)
        for row in known
        if row.error_code is not None or state_of(row.provider, row.status) is None
    ]
    reached = [
        id_ for id_, one in ladders.items() if one.row is not None and one.state == "DELIVERED"
    ]
    contact_standing.note_delivered(session, reached)
    contact_standing.note_words(session, words, now)
    return [
        AppliedReceipt(
            row.id, verdict, row.provider, row.status, row.provider_ref, row.notice_id, row.gsrn
        )
        for row, verdict in zip(rows, verdicts, strict=True)
    ]


def settle_attempts(
    session: Session, attempts: Mapping[UUID, str | None], now: datetime
) -> set[UUID]:
    """Settle calls of unknown outcome that a report speaks of; attempts: id -> provider's name."""
    found = session.execute(
        _SETTLE_ATTEMPTS,
        {"now": now, "attempts": list(attempts), "refs": list(attempts.values())},
    )
    settled = list(found.scalars())
    if settled:
        session.execute(_SETTLE_ITEMS, {"now": now, "attempts": settled})
    return set(settled)


def state_of(provider: str, status: str) -> str | None:
    """Our state for a provider's word; None when it says nothing about the message itself."""
    if provider == TWILIO:
        return twilio.STATES.get(status)
    return sendgrid.EVENTS.get(status, sendgrid.UNKNOWN_EVENT).state


def _move(session: Session, ladders: Mapping[int, _Ladder], now: datetime) -> None:
    if not ladders:
        return
    lock_notices(session, list(ladders))
    rows = [ladder.row for ladder in ladders.values()]
    session.execute(
        _MOVE,
        {
            "now": now,
            "ids": list(ladders),
            "states": [ladder.state for ladder in ladders.values()],
            "ranks": [RANKS[ladder.state] for ladder in ladders.values()],
            "providers": [row.provider for row in rows],
            "refs": [row.provider_ref for row in rows],
            "codes": [row.error_code or row.status for row in rows],
            "ats": [row.at for row in rows],
        },
    )


def _climb(ladders: dict[int, _Ladder], row: Any) -> str:
    """The verdict on one report, given those before it."""
    if row.notice_id is None:
        return "UNKNOWN_ATTEMPT"
    ladder = ladders.setdefault(row.notice_id, _Ladder(row.state))
    target = state_of(row.provider, row.status)
    if target is None:
        return "APPLIED"
    here = RANKS.get(ladder.state)
    if here is None or RANKS[target] < here:
        return "LATE"
    if RANKS[target] > here:
        ladder.state, ladder.row = target, row
    return "APPLIED"
