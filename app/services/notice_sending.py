"""Notices on their way: the last look before the call, and what the end of the call means.

Whoever touches both locks the outbox item before its notice, and notices in the order of their
ids, so that nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array
from app.domain.states import NoticeState
from app.services import budget, contact_standing, outbox
from app.services.budget import FREE, Prices
from app.services.contact_standing import ProviderWord
from app.services.last_words import PERHAPS_CUT
from app.services.notice_items import KIND, STANDING, notice_key
from app.services.outbox import Settlement

# suppress_reason on a notice that has not ended is a mark: it must not leave (again).
# UNKNOWN becomes RESENT, and is counted, when the call before may have reached somebody.
_BEGIN = text(
    f"""
    WITH judged AS (
        SELECT n.id,
            coalesce(n.suppress_reason, CASE
                WHEN NOT n.must_reach AND NOT coalesce(wish.enabled, c.enrolled, false)
                    THEN 'OPTED_OUT'
                -- Codes also go to addresses that are not in the register yet.
                WHEN n.contact_id IS NULL AND n.topic = 'SERVICE' AND n.expires_at > :now THEN NULL
                WHEN c.id IS NULL OR c.state = 'REMOVED' THEN 'NO_CONTACT'
                WHEN c.state = 'INVALID' THEN 'CONTACT_INVALID'
                -- A code or a reply is how an address becomes a verified one.
                WHEN c.state = 'UNVERIFIED' AND (c.source <> 'CIS' OR c.doubt IS NOT NULL)
                    AND n.topic <> 'SERVICE' THEN 'CONTACT_UNVERIFIED'
                WHEN n.expires_at <= :now THEN 'STALE'
                -- The power came back, or had never gone, and the planner has not said so yet.
                WHEN n.type IN ('FAULT_STARTED', 'FAULT_ETR', 'FAULT_ETR_CHANGED',
                        'FAULT_ETR_DELAYED', 'FAULT_PARTLY_RESTORED')
                    AND n.outage_id IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM outage_point q WHERE q.outage_id = n.outage_id
                        AND q.gsrn = n.gsrn AND q.on_at IS NULL)
                    AND (n.point_count = 1 OR NOT EXISTS (
                        SELECT 1 FROM notice_point np JOIN outage_point q
                            ON q.outage_id = n.outage_id AND q.gsrn = np.gsrn AND q.on_at IS NULL
                        WHERE np.notice_id = n.id))
                    -- Nor has it gone on in a fault that was split off from this one.
                    AND NOT EXISTS (
                        SELECT 1 FROM (SELECT n.gsrn UNION SELECT np.gsrn FROM notice_point np
                            WHERE np.notice_id = n.id) mine (gsrn)
                        JOIN outage_point q ON q.gsrn = mine.gsrn AND q.on_at IS NULL
                        JOIN outage_event e ON e.outage_id = q.outage_id AND e.type = 'SPLIT_OFF'
                          AND CAST(e.facts ->> 'from_id' AS bigint) = n.outage_id) THEN 'STALE'
                -- Held for the night, it may find the power gone again by something else.
                WHEN n.type IN ('FAULT_RESTORED', 'MORNING_SUMMARY') AND NOT EXISTS (
                    SELECT 1 FROM (SELECT n.gsrn UNION SELECT np.gsrn FROM notice_point np
                        WHERE np.notice_id = n.id) mine (gsrn)
                    WHERE NOT EXISTS (
                        SELECT 1 FROM outage_point q JOIN outage o ON o.id = q.outage_id
                        WHERE q.gsrn = mine.gsrn AND q.on_at IS NULL
                          AND q.outage_id IS DISTINCT FROM n.outage_id
                          AND {PERHAPS_CUT}))
                    THEN 'STILL_OFF'
            END) AS reason,
            n.state = 'UNKNOWN' AND EXISTS (
                SELECT 1 FROM outbox_item item JOIN attempt a ON a.outbox_item_id = item.id
                WHERE item.business_key = 'notice:' || n.id AND a.outcome = 'UNKNOWN') AS again
        FROM notice n
        LEFT JOIN contact c ON c.id = n.contact_id
        LEFT JOIN LATERAL (
            SELECT p.enabled FROM preference p
            WHERE p.contact_id = n.contact_id AND p.topic = n.topic
              AND (p.gsrn = n.gsrn OR p.gsrn IS NULL)
            ORDER BY p.gsrn NULLS LAST LIMIT 1) wish ON NOT n.must_reach
        WHERE n.id = ANY(CAST(:notices AS bigint[]))
            AND n.state IN ('QUEUED', 'HELD', 'UNKNOWN'))
    UPDATE notice n
    SET state = CASE
            WHEN j.reason IS NULL AND n.state = 'UNKNOWN' THEN 'RESENT'
            WHEN j.reason IS NULL THEN 'SENDING'
            WHEN j.reason = 'STALE' OR n.state = 'UNKNOWN' THEN 'EXPIRED'
            WHEN j.reason = 'SUPERSEDED' THEN 'SUPERSEDED'
            ELSE 'SUPPRESSED' END,
        suppress_reason = j.reason,
        resent_count = n.resent_count + CAST(j.again AND j.reason IS NULL AS int),
        -- A call costs money also if nobody hears of its end; one that surely failed is taken off.
        cost_millicents = n.cost_millicents + CASE WHEN j.reason IS NOT NULL THEN 0
            WHEN n.channel = 'SMS' THEN :sms_part * coalesce(n.segments, 1) ELSE :email END,
        state_at = :now
    FROM judged j WHERE n.id = j.id
    RETURNING n.id, n.suppress_reason
    """  # noqa: S608 - made of our own constants only.
)


def lock_notices(session: Session, notice_ids: Sequence[int]) -> None:
    """Keep these notices from being changed by anybody else until the commit."""
    session.execute(
        text(
            "SELECT id FROM notice WHERE id = ANY(CAST(:ids AS bigint[]))"
            " ORDER BY id FOR NO KEY UPDATE"
        ),
        {"ids": plain_array(notice_ids)},
    )


def hold_still(session: Session, notice_ids: Sequence[int]) -> dict[int, NoticeState]:
    """Keep these notices from leaving until the commit; what has become of them by now.

    Whoever decides by whether something has left decides here: a moment ago it may have waited.
    """
    keys = [notice_key(id_) for id_ in notice_ids]
    session.execute(
        text(
            "SELECT id FROM outbox_item WHERE business_key = ANY(:keys) AND kind = :kind"
            " ORDER BY id FOR NO KEY UPDATE"
        ),
        {"keys": keys, "kind": KIND},
    )
    lock_notices(session, notice_ids)
    # A statement of its own, so that it sees what was committed while we waited for the rows.
    rows = session.execute(
        text(f"SELECT n.id, {STANDING} AS state FROM notice n WHERE n.id = ANY(:ids)"),  # noqa: S608
        {"ids": list(notice_ids)},
    )
    return {row.id: NoticeState(row.state) for row in rows}


def begin_sending(
    session: Session, notice_ids: Mapping[int, int], now: datetime, prices: Prices = FREE
) -> dict[int, str]:
    """Let pass what may still be sent, and tell why for every other item (item id -> reason).

    notice_ids: outbox item id -> notice id. The notices are locked (last_look.py), and it must run in
    the transaction that commits the attempts: whoever withdraws a notice later waits for its row and
    finds it on the wire, whoever did so before is seen here (I4).
    """
    if not notice_ids:
        return {}
    notices = list(notice_ids.values())
    costs = {"sms_part": prices.sms_part, "email": prices.email}
    rows = session.execute(_BEGIN, {"notices": plain_array(notices), "now": now, **costs})
    judged: dict[int, str | None] = {row.id: row.suppress_reason for row in rows}
    ended = [notice for notice in notices if notice not in judged]
    if ended:
        found = session.execute(
            text("SELECT id, coalesce(suppress_reason, state) FROM notice WHERE id = ANY(:ids)"),
            {"ids": ended},
        )
        judged |= dict.fromkeys(ended, "MISSING")
        judged |= {row[0]: row[1] for row in found}
    return {
        item: reason
        for item, notice in notice_ids.items()
        if (reason := judged[notice]) is not None
    }


_SUPERSEDE = text(
    """
    UPDATE notice SET suppress_reason = 'SUPERSEDED',
        state = CASE WHEN id = ANY(:waiting) AND state IN ('QUEUED', 'HELD') THEN 'SUPERSEDED'
                     ELSE state END,
        state_at = CASE WHEN id = ANY(:waiting) AND state IN ('QUEUED', 'HELD')
                        THEN CAST(:now AS timestamptz) ELSE state_at END
    WHERE id = ANY(:older) AND (state IN ('SENDING', 'UNKNOWN', 'RESENT', 'QUEUED')
                                OR id = ANY(:waiting) AND state = 'HELD')
    """
)


def stop_older(
    session: Session, waiting: Sequence[int], older: Sequence[int], now: datetime
) -> None:
    """Stop the notices in `waiting`, and let none of `older` leave (again).

    What is on the wire or in doubt may have arrived, so its state is not ours to end.
    """
    outbox.cancel_waiting(session, [notice_key(id_) for id_ in waiting], KIND, now)
    lock_notices(session, older)
    session.execute(_SUPERSEDE, {"waiting": list(waiting), "older": list(older), "now": now})


# A receipt may have overtaken the settlement: the states that it led to stay.
_SETTLE = text(
    """
    WITH moved AS (
        SELECT n.id, s.word, s.ref, s.code, s.at, s.back,
            CASE
                WHEN s.word = 'SENT' AND n.state IN ('SENDING', 'UNKNOWN') THEN 'SENT'
                WHEN s.word = 'NOT_SENT' AND n.state = 'SENDING' THEN 'QUEUED'
                WHEN s.word = 'NOT_SENT' AND n.state = 'RESENT' THEN 'UNKNOWN'
                WHEN s.word = 'UNKNOWN' AND n.state IN ('SENDING', 'RESENT') THEN 'UNKNOWN'
                WHEN s.word = 'STALE' AND n.state IN ('QUEUED', 'HELD', 'SENDING', 'UNKNOWN')
                    THEN 'EXPIRED'
                WHEN s.word IN ('FAILED', 'STALE') AND n.state IN ('SENDING', 'UNKNOWN', 'RESENT')
                    THEN 'FAILED'
                ELSE n.state
            END AS state
        FROM notice n
        JOIN unnest(CAST(:ids AS bigint[]), CAST(:words AS text[]), CAST(:refs AS text[]),
            CAST(:codes AS text[]), CAST(:ats AS timestamptz[]), CAST(:backs AS int[]))
            AS s (id, word, ref, code, at, back)
            ON s.id = n.id)
    UPDATE notice n
    SET state = m.state,
        cost_millicents = n.cost_millicents - m.back,
        state_at = CASE WHEN m.state = n.state THEN n.state_at ELSE CAST(:now AS timestamptz) END,
        provider = CASE n.channel WHEN 'SMS' THEN 'twilio' ELSE 'sendgrid' END,
        provider_ref = coalesce(m.ref, n.provider_ref),
        error_code = CASE WHEN m.state IN ('DELIVERED', 'UNDELIVERED') THEN n.error_code
                          ELSE m.code END,
        suppress_reason = CASE WHEN m.word = 'SENT' THEN NULL
                               WHEN m.state = 'EXPIRED' THEN coalesce(n.suppress_reason, 'STALE')
                               ELSE n.suppress_reason END,
        sent_at = CASE WHEN m.word = 'SENT' THEN coalesce(n.sent_at, m.at) ELSE n.sent_at END,
        -- A second call that surely did not reach anybody is not one to count.
        resent_count = n.resent_count - CAST(m.word = 'NOT_SENT' AND n.state = 'RESENT' AS int)
    FROM moved m WHERE n.id = m.id
    """
)


def note_settled(session: Session, settled: Sequence[Settlement], now: datetime) -> None:
    """Carry the ends of calls into the ledger, and what the provider said into the contacts."""
    told = [
        (s.item.payload["notice_id"], word, s) for s in settled if (word := _word(s)) is not None
    ]
    if not told:
        return
    ids = [notice for notice, _, _ in told]
    lock_notices(session, ids)
    session.execute(
        _SETTLE,
        {
            "now": now,
            "ids": plain_array(ids),
            "words": text_array([word for _, word, _ in told]),
            "refs": text_array([s.ref for _, _, s in told]),
            "codes": text_array([_code(s) for _, _, s in told]),
            "ats": plain_array(s.finished_at for _, _, s in told),
            "backs": plain_array(_saved(s) for _, _, s in told),
        },
    )
    budget.spend(session, -sum(_saved(s) for _, _, s in told), now)
    contact_standing.note_words(session, list(_provider_words(settled)), now)


# A notice that something newer has overtaken stays what it is; a call in doubt stays counted.
_QUEUE_AGAIN = text(
    """
    UPDATE notice n
    SET state = CASE WHEN EXISTS (
            SELECT 1 FROM attempt a WHERE a.outbox_item_id = item.id AND a.outcome = 'UNKNOWN')
        THEN 'UNKNOWN' ELSE 'QUEUED' END,
        state_at = :now, error_code = NULL
    FROM outbox_item item
    WHERE item.id = ANY(:items) AND item.kind = 'NOTICE' AND item.state = 'READY'
      AND n.id = CAST(item.payload->>'notice_id' AS bigint) AND n.state = 'FAILED'
      AND NOT EXISTS (
        SELECT 1 FROM notice newer
        WHERE newer.order_id = n.order_id AND newer.sent_to = n.sent_to
          AND newer.event_at > n.event_at AND newer.state NOT IN ('SUPPRESSED', 'FAILED'))
    """
)


def queue_again(session: Session, item_ids: Sequence[int], now: datetime) -> None:
    """Let notices leave whose items an operator has just made due again.

    The last look before the call stops those that have expired, been opted out of or overtaken.
    """
    session.execute(_QUEUE_AGAIN, {"items": list(item_ids), "now": now})


def _saved(s: Settlement) -> int:
    """What a call does not cost after all, since it surely did not leave anything there."""
    return s.cost_millicents if s.outcome in ("NOT_SENT", "REJECTED") else 0


def _word(s: Settlement) -> str | None:
    """What a settlement says about its notice; None when the last look has said it already."""
    if s.outcome == "SKIPPED":
        return "STALE" if s.error == "EXPIRED" else None
    if s.outcome == "REJECTED" and _code(s) == "EXPIRED":
        return "STALE"
    if s.outcome == "NOT_SENT" and s.state == "DEAD":
        return "FAILED"
    return {"REJECTED": "FAILED"}.get(s.outcome, s.outcome)


def _code(s: Settlement) -> str | None:
    """The provider's own code where it gave one, else the kind of error."""
    return s.findings[0][1] if s.findings else s.error_class


def _provider_words(settled: Sequence[Settlement]) -> Iterator[ProviderWord]:
    for s in settled:
        if s.outcome == "REJECTED" and s.findings:
            yield ProviderWord(s.item.payload["notice_id"], _code(s))
