"""The end of a contract at the portal: choices, third parties and points end at the day change.

Whom a notice goes to is decided by who has the point on that day; this removes what the customer who
has left chose about it, so that none of it counts for whoever comes, or when they come back (REQ-14).
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.models.customer import Contact
from app.services import contacts
from app.services.contacts import Origin
from app.services.retention import claim_day

TASK = "tenancies"
_BY = "system:cis"

# A customer without any running or coming contract has no choices left; one with another point keeps
# the general ones.
_END_CHOICES = text(
    """
    WITH gone AS (
        DELETE FROM preference p USING contact k
        WHERE k.id = p.contact_id
          AND EXISTS (SELECT 1 FROM occupancy o WHERE o.customer_id = k.customer_id
              AND (p.gsrn IS NULL OR o.gsrn = p.gsrn))
          AND NOT EXISTS (SELECT 1 FROM occupancy o WHERE o.customer_id = k.customer_id
              AND (p.gsrn IS NULL OR o.gsrn = p.gsrn)
              AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today))
        RETURNING p.*)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, night_ok, ended, source,
        legal_basis, changed_by, changed_at)
    SELECT contact_id, gsrn, topic, enabled, night_ok, true, 'CIS', legal_basis, :by, :now
    FROM gone RETURNING id
    """
)
_LEFT_POINTS = text(
    """
    SELECT k.id, array_remove(array_agg(o.gsrn), NULL) AS kept
    FROM contact k JOIN customer c ON c.cis_id = k.customer_id AND c.active
    LEFT JOIN occupancy o ON o.customer_id = k.customer_id
        AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)
        AND (k.only_gsrns IS NULL OR o.gsrn = ANY(k.only_gsrns))
    WHERE k.third_party_name IS NOT NULL AND k.state <> 'REMOVED'
      AND EXISTS (SELECT 1 FROM occupancy any_o WHERE any_o.customer_id = k.customer_id)
    GROUP BY k.id
    HAVING count(o.gsrn) = 0
        OR k.only_gsrns IS NOT NULL AND count(DISTINCT o.gsrn) < cardinality(k.only_gsrns)
    ORDER BY k.id
    """
)


def end_left(session: Session, now: datetime) -> Counter[str]:
    """Do the work of the day, once a day; returns what ended, empty when it was done before."""
    today = helsinki_day(now)
    if not claim_day(session, TASK, today):
        return Counter()
    counts: Counter[str] = Counter()
    values = {"today": today, "by": _BY, "now": now}
    counts["choices"] = len(session.execute(_END_CHOICES, values).all())
    origin = Origin("CIS", _BY, now)
    for row in session.execute(_LEFT_POINTS, values).all():
        contact = session.scalars(select(Contact).where(Contact.id == row.id)).one()
        if row.kept:
            contacts.set_points(session, contact, row.kept, origin)
        else:
            contacts.remove(session, contact, origin)
        counts["third_parties"] += 1
    return +counts
