"""Estimates that say nothing as they leave, since another fault at the same points needs longer.

What was decided about one fault while news of another waited is looked at again: of two that waited the
later one leaves, and of two alike the first (REQ-07).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.services.notice_items import NOT_TOLD

# At each of its points another fault is open, of which, or of this one, the same is told in its place, or a
# later time that the other one needs. What had left before was known when this one was decided.
_MARK = text(
    f"""
    UPDATE notice n SET suppress_reason = 'KNOWS_OTHER'
    FROM contact c, announcement a,
        LATERAL (SELECT CAST(a.facts->>'etr_at' AS timestamptz)) its (etr_at)
    WHERE n.id = ANY(CAST(:ids AS bigint[])) AND c.id = n.contact_id AND a.id = n.announcement_id
      AND n.suppress_reason IS NULL AND NOT EXISTS (
        SELECT 1 FROM (SELECT n.gsrn UNION SELECT np.gsrn FROM notice_point np
            WHERE np.notice_id = n.id) mine (gsrn)
        WHERE NOT EXISTS (
            SELECT 1 FROM outage_point q JOIN outage o ON o.id = q.outage_id
            JOIN contact same ON same.kind = c.kind AND same.value = c.value
            JOIN notice r ON r.contact_id = same.id AND r.outage_id IN (q.outage_id, n.outage_id)
            JOIN announcement told ON told.id = r.announcement_id
            CROSS JOIN LATERAL (SELECT CAST(told.facts->>'etr_at' AS timestamptz)) read (etr_at)
            WHERE q.gsrn = mine.gsrn AND q.on_at IS NULL AND q.outage_id <> n.outage_id
              AND o.kind = 'FAULT' AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
              AND r.id <> n.id AND r.type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
              AND r.state NOT IN {NOT_TOLD}
              AND (read.etr_at > its.etr_at AND o.etr_at >= its.etr_at
                OR read.etr_at = its.etr_at AND CASE WHEN r.state IN ('CREATED', 'HELD', 'QUEUED')
                    THEN r.id < n.id ELSE coalesce(r.sent_at, r.state_at) >= n.created_at END)))
    """  # noqa: S608 - made of our own constants only.
)


def mark_outlasted(session: Session, estimates: Sequence[int]) -> None:
    """Mark those of these estimates that must not leave; the notices are locked and have not left."""
    if estimates:
        session.execute(_MARK, {"ids": plain_array(estimates)})
