"""The last look before the wire: what has come into the night waits, and every word is true now.

It holds the notices still; whether each may leave at all is asked next (notice_sending.begin_sending),
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.domain.clock import helsinki_day
from app.domain.night_hold import night_hold, quiet_end
from app.domain.notice_types import NoticeType
from app.domain.telling import CHANGES, ESTIMATES
from app.domain.telling_times import needed_by
from app.services import last_words
from app.services.last_words import PERHAPS_CUT, STILL_CUT, SWAP_DONE, Turned
from app.services.outbox import Claimed
from app.services.outlasted import mark_outlasted
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Look:
    """go: what may go on, in the words that are true now. held: when the recipients' quiet hours end,
    by item; stale: what would have to be held for longer than it is true."""

    go: list[Claimed]
    held: Mapping[int, datetime]
    stale: frozenset[int]


# Locked in the order of their ids, so that nobody waits in a circle; whoever withdraws one later waits
# for us and finds it on the wire.
_LOOK = text(
    f"""
    SELECT n.id, n.type, n.state, n.suppress_reason, n.event_at, n.expires_at,
        c.quiet_from, c.quiet_to, a.facts,
        -- Answers are awaited at any hour; that the CIS enrolled somebody is no answer.
        n.dedupe_key NOT LIKE 'OPT_IN_OK/enrolled/%' AS live,
        coalesce(b.personal_safety_ban, false)
            OR EXISTS (
                SELECT 1 FROM occupancy o JOIN customer x ON x.cis_id = o.customer_id
                WHERE o.gsrn = n.gsrn AND x.personal_safety_ban AND o.moved_in_on <= :today
                  AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today))
            OR n.order_id IS NOT NULL AND EXISTS (
                SELECT 1 FROM work_order w
                WHERE w.order_id = n.order_id AND w.facts ->> 'safety_ban' = 'true') AS banned,
        CASE WHEN n.type = ANY(CAST(:swaps AS text[])) THEN EXISTS (
            SELECT 1 FROM outage_point q JOIN outage o ON o.id = q.outage_id
            WHERE q.gsrn = n.gsrn AND q.on_at IS NULL AND {STILL_CUT}) END AS is_cut,
        CASE WHEN n.point_count > 1 AND n.type IN ('FAULT_RESTORED', 'MORNING_SUMMARY') THEN ARRAY(
            SELECT CAST(np.gsrn AS text) FROM notice_point np
            WHERE np.notice_id = n.id AND EXISTS (
                SELECT 1 FROM outage_point q JOIN outage o ON o.id = q.outage_id
                WHERE q.gsrn = np.gsrn AND q.on_at IS NULL
                  AND q.outage_id IS DISTINCT FROM n.outage_id AND {PERHAPS_CUT})) END AS still_off,
        n.point_count
    FROM notice n
    LEFT JOIN contact c ON c.id = n.contact_id
    LEFT JOIN customer b ON b.cis_id = n.customer_id
    LEFT JOIN announcement a
        ON a.id = n.announcement_id AND n.type = ANY(CAST(:changes AS text[]))
    WHERE n.id = ANY(CAST(:notices AS bigint[]))
    ORDER BY n.id FOR NO KEY UPDATE OF n
    """  # noqa: S608 - made of our own constants only.
)
_CHANGES = [str(kind) for kind in CHANGES]
_SWAP_DONE = [str(kind) for kind in SWAP_DONE]
_MAY_LEAVE = frozenset({"QUEUED", "HELD", "UNKNOWN"})


def look(session: Session, items: Sequence[Claimed], settings: Settings, now: datetime) -> Look:
    """Lock the items' notices, hold what has come into the night, and put right what changed.

    The items must be locked.
    """
    if not items:
        return Look([], {}, frozenset())
    of_notice: dict[int, Claimed] = {item.payload["notice_id"]: item for item in items}
    values = {
        "notices": plain_array(of_notice),
        "today": helsinki_day(now),
        "changes": _CHANGES,
        "swaps": _SWAP_DONE,
    }
    rows = session.execute(_LOOK, values).all()
    held, stale = _hold(session, rows, now)
    turned = [
        one
        for row in rows
        if row.id not in held and row.id not in stale and (one := _turned(row)) is not None
    ]
    if turned:
        of_notice |= last_words.put_right(session, turned, of_notice, settings, now)
    waits = held.keys() | stale
    mark_outlasted(session, [row.id for row in rows if row.id not in waits and _is_estimate(row)])
    return Look(
        [item for notice, item in of_notice.items() if notice not in waits],
        {of_notice[notice].id: until for notice, until in held.items()},
        frozenset(of_notice[notice].id for notice in stale),
    )


def _turned(row: Any) -> Turned | None:
    """What of its words may be untrue by now; None where nothing is, as nearly always."""
    kind = last_words.swap_done(row.type, row.is_cut)
    # Where all are off, it does not leave at all (notice_sending.begin_sending).
    some_off = row.still_off and len(row.still_off) < row.point_count
    if not row.banned and kind == row.type and not some_off:
        return None
    return Turned(row.id, row.banned, kind, row.still_off if some_off else ())


def _is_estimate(row: Any) -> bool:
    return row.type in ESTIMATES and row.state in ("QUEUED", "HELD")


# As the planner sees it: of several points of one contact, one for which the night is lifted is enough.
_LET_IN = text(
    """
    SELECT n.id FROM notice n
    WHERE n.id = ANY(CAST(:notices AS bigint[])) AND EXISTS (
        SELECT 1 FROM (SELECT n.gsrn UNION
            SELECT np.gsrn FROM notice_point np WHERE np.notice_id = n.id) mine (gsrn)
        CROSS JOIN LATERAL (
            SELECT p.night_ok FROM preference p
            WHERE p.contact_id = n.contact_id AND p.topic = n.topic
              AND (p.gsrn = mine.gsrn OR p.gsrn IS NULL)
            ORDER BY p.gsrn NULLS LAST LIMIT 1) wish
        WHERE wish.night_ok)
    """
)
# What happens to a message later stands after what was decided first, such as that it is sent in place
# of another; that it might leave has turned out otherwise.
_DECISION = """
    CASE WHEN n.decision = 'Outside quiet hours.' THEN {why}
        WHEN right(n.decision, length({why})) = {why} THEN n.decision
        ELSE n.decision || ' ' || {why} END
"""
# One in doubt stays in doubt; only its item waits.
_HOLD = text(
    f"""
    UPDATE notice n SET not_before_at = h.until, decision = {_DECISION.format(why="h.why")},
        state = CASE WHEN n.state = 'UNKNOWN' THEN n.state ELSE 'HELD' END,
        state_at = CASE WHEN n.state = 'UNKNOWN' THEN n.state_at
            ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:untils AS timestamptz[]), CAST(:whys AS text[]))
        AS h (id, until, why)
    WHERE n.id = h.id
    """  # noqa: S608 - made of our own constants only.
)
_TOO_LATE = "Quiet hours end only after the text has gone stale."
_END = text(
    f"""
    UPDATE notice n SET state = 'EXPIRED', suppress_reason = 'STALE', state_at = :now,
        decision = {_DECISION.format(why="CAST(:why AS text)")}
    WHERE n.id = ANY(CAST(:ids AS bigint[]))
    """  # noqa: S608 - made of our own constants only.
)


def _hold(
    session: Session, rows: Sequence[Any], now: datetime
) -> tuple[dict[int, datetime], set[int]]:
    """What waits until when, and what would have gone stale by then; both written down."""
    found = {row.id: night for row in rows if (night := _night(row, now)) is not None}
    if not found:
        return {}, set()
    let_in = set(session.execute(_LET_IN, {"notices": plain_array(found)}).scalars())
    expires = {row.id: row.expires_at for row in rows}
    held: dict[int, tuple[datetime, str]] = {}
    stale: set[int] = set()
    for notice, (until, why) in found.items():
        if notice in let_in:
            continue
        if expires[notice] is not None and until >= expires[notice]:
            stale.add(notice)
        else:
            held[notice] = (until, why)
    if held:
        values = {
            "now": now,
            "ids": plain_array(held),
            "untils": plain_array(until for until, _ in held.values()),
            "whys": [why for _, why in held.values()],
        }
        session.execute(_HOLD, values)
    if stale:
        session.execute(_END, {"ids": plain_array(stale), "now": now, "why": _TOO_LATE})
    return {notice: until for notice, (until, _) in held.items()}, stale


def _night(row: Any, now: datetime) -> tuple[datetime, str] | None:
    """Until when the night holds a notice that might leave now, whatever its owner let in."""
    if quiet_end(now, row.quiet_from, row.quiet_to) is None:
        # Nearly always, so nothing else is asked first.
        return None
    if row.state not in _MAY_LEAVE or row.suppress_reason is not None:
        return None
    kind = NoticeType(row.type)
    until, why = night_hold(
        kind,
        now,
        event_at=row.event_at,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        live=row.live,
        needed_by=needed_by(kind, row.facts or {}),
    )
    return None if until is None else (until, why)
