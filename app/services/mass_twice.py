"""Items of a mass file that are there twice, in the file or in what is known of the mass order.

Of two with one number or one point the first counts; the other one is refused alone (MASS_DUP_ITEM).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.findings import Finding
from app.domain.reject_codes import RejectCode, Severity
from app.models.mass_order import MassFile
from app.services import inbound, rejects
from app.services.mass_staging import Staging
from app.services.slices import Refusal

_FETCH_ROWS = 20_000


def mark_twice(session: Session, message_id: int, now: datetime) -> tuple[list[Refusal], int]:
    """Of items with one number or one point the first counts; the others are refused alone.

    The database keeps the findings, since every item of a large file may be such a one; here come
    those that the CIS hears of, and how many there are.
    """
    if not session.execute(_ANY_TWICE, {"id": message_id}).scalar_one():
        return [], 0
    values = {
        "id": message_id,
        "code": RejectCode.MASS_DUP_ITEM.value,
        "now": now,
        "most": rejects.TOLD_MOST,
    }
    rows = session.execute(_MARK_TWICE, values).all()
    told = [_twice(row.order_id, row.path, row.line, row.words) for row in rows]
    return told, rows[0].number if rows else 0


def refuse_taken(
    session: Session,
    message_id: int,
    mass_id: str,
    staging: Staging,
    known: Sequence[int],
) -> list[Refusal]:
    """Refuse items that an order of an earlier file, or an item left as it was, stands for."""
    found: list[Refusal] = []
    key = {"id": message_id}
    if session.execute(_ANY_ORDER, {"mass_id": mass_id}).scalar_one():
        found += _mark_taken(session, message_id, mass_id)
    if staging.same_count:
        rows = session.execute(_ALREADY_SAME, key, execution_options={"yield_per": _FETCH_ROWS})
        for row in [one for one in rows if _was_seen(one.source_hash, staging, known)]:
            session.execute(
                text(
                    "UPDATE mass_stage SET verdict = 'TWICE'"
                    " WHERE inbound_message_id = :id AND seq = :seq"
                ),
                {**key, "seq": row.seq},
            )
            words = "ItemNo occurs twice, once unchanged."
            found.append(_twice(row.order_id, "ItemNo", row.line, words))
    if staging.twice:
        words = f"{len(staging.twice)} items occur twice, word for word."
        found.append(_twice(None, "ItemNo", None, words))
    return found


def refuse_taken_since(session: Session, message_id: int, now: datetime) -> int:
    """Refuse items whose points another file of the mass order took while this one waited."""
    row = session.get_one(MassFile, message_id, with_for_update=True, populate_existing=True)
    if not session.execute(
        _OTHER_SINCE, {"id": message_id, "mass_id": row.mass_id, "since": row.created_at}
    ).scalar_one():
        return 0
    found = _mark_taken(session, message_id, row.mass_id, row.done_seq)
    row.rejected_count += len(found)
    row.refused_count += len(found)
    inbound.add_findings(session, message_id, [(one.order_id, one.finding) for one in found], now)
    return len(found)


# Grouping tells quickly that nothing is there twice, which is the rule; only then is it looked for.
_ANY_TWICE = text(
    """
    SELECT EXISTS (SELECT 1 FROM mass_stage WHERE inbound_message_id = :id AND item_no IS NOT NULL
                   GROUP BY item_no HAVING count(*) > 1)
        OR EXISTS (SELECT 1 FROM mass_stage WHERE inbound_message_id = :id AND verdict = 'NEW'
                   GROUP BY gsrn HAVING count(*) > 1)
    """
)
_MARK_TWICE = text(
    """
    WITH firsts AS (
        SELECT seq,
            CASE WHEN item_no IS NULL THEN seq
                ELSE first_value(seq) OVER (PARTITION BY item_no ORDER BY seq) END AS number_seq,
            CASE WHEN verdict <> 'NEW' THEN seq ELSE first_value(seq)
                OVER (PARTITION BY verdict = 'NEW', gsrn ORDER BY seq) END AS point_seq
        FROM mass_stage WHERE inbound_message_id = :id),
    twice AS (
        SELECT seq, CASE WHEN seq <> number_seq THEN number_seq ELSE point_seq END AS first_seq,
            CASE WHEN seq <> number_seq THEN 'ItemNo' ELSE 'MeteringPoint/Identification' END
                AS path
        FROM firsts WHERE seq <> number_seq OR seq <> point_seq),
    marked AS (
        UPDATE mass_stage s SET verdict = 'TWICE', cause = twice.path
        FROM twice JOIN mass_stage f ON f.inbound_message_id = :id AND f.seq = twice.first_seq
        WHERE s.inbound_message_id = :id AND s.seq = twice.seq
        RETURNING s.seq, s.order_id, s.line, twice.path,
            twice.path || ' occurs before, in the item on line ' || f.line || '.' AS words),
    kept AS (
        INSERT INTO inbound_finding (inbound_message_id, order_id, line, path, code, severity,
            text, at)
        SELECT :id, order_id, line, path, :code, 'ERROR', words, :now FROM marked ORDER BY seq)
    SELECT order_id, line, path, words, count(*) OVER () AS number FROM marked
    ORDER BY seq LIMIT :most
    """
)
# An order of the same mass order for the same point that goes on and that this file is not about.
_MARK_TAKEN = text(
    """
    UPDATE mass_stage s SET verdict = 'TWICE', cause = 'MeteringPoint/Identification'
    FROM work_order o
    WHERE s.inbound_message_id = :id AND s.seq > :done AND s.verdict = 'NEW' AND o.gsrn = s.gsrn
      AND o.mass_id = :mass_id AND o.order_id <> s.order_id
      AND o.state NOT IN ('REJECTED', 'CANCELLED', 'RETURNED')
      AND NOT EXISTS (SELECT 1 FROM mass_stage m WHERE m.inbound_message_id = :id
                      AND m.order_id = o.order_id AND m.verdict IN ('NEW', 'CANCEL'))
    RETURNING s.order_id, s.line, o.order_id AS other
    """
)
_ALREADY_SAME = text(
    """
    SELECT s.seq, s.order_id, s.line, o.source_hash FROM mass_stage s
    JOIN work_order o ON o.order_id = s.order_id
    WHERE s.inbound_message_id = :id AND s.verdict <> 'TWICE' AND o.source_hash IS NOT NULL
    """
)
# Orders that were changed by themselves have no hash among the known ones, and count all the same.
_ANY_ORDER = text("SELECT EXISTS (SELECT 1 FROM work_order WHERE mass_id = :mass_id)")
_OTHER_SINCE = text(
    "SELECT EXISTS (SELECT 1 FROM mass_file WHERE mass_id = :mass_id AND inbound_message_id <> :id"
    " AND state = 'SPLIT' AND state_at >= :since)"
)


def _mark_taken(
    session: Session, message_id: int, mass_id: str, done_seq: int = 0
) -> list[Refusal]:
    """Refuse items behind done_seq for whose points the mass order has other orders that go on."""
    rows = session.execute(_MARK_TAKEN, {"id": message_id, "mass_id": mass_id, "done": done_seq})
    return [
        _twice(
            row.order_id,
            "MeteringPoint/Identification",
            row.line,
            f"The metering point has order {row.other} of the same mass order.",
        )
        for row in rows
    ]


def _was_seen(source_hash: int, staging: Staging, known: Sequence[int]) -> bool:
    place = bisect_left(known, source_hash)
    return place < len(known) and known[place] == source_hash and bool(staging.seen[place])


def _twice(order_id: str | None, path: str, line: int | None, words: str) -> Refusal:
    severity = Severity.ERROR
    return Refusal(order_id, Finding(RejectCode.MASS_DUP_ITEM, path, words, line, severity))
