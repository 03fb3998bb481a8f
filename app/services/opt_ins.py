"""Coming back after leaving, and enrolling a number: what START does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.notice_types import CHOSEN_TOPICS
from app.models.customer import Contact

# What the person had switched off one by one, elsewhere, before leaving altogether, stays off.
_RESUME = text(
    """
    WITH asked AS (
        SELECT contact_id, topic FROM unnest(CAST(:contacts AS bigint[])) AS c (contact_id)
        CROSS JOIN unnest(CAST(:topics AS text[])) AS t (topic)),
    wished AS (
        SELECT a.contact_id, CAST(NULL AS text) AS gsrn, a.topic FROM asked a
        UNION
        SELECT p.contact_id, p.gsrn, p.topic FROM preference p JOIN asked a
            ON a.contact_id = p.contact_id AND a.topic = p.topic
        WHERE p.source = :source AND NOT p.enabled),
    chosen AS (
        SELECT w.* FROM wished w
        LEFT JOIN preference p ON p.contact_id = w.contact_id AND p.topic = w.topic
            AND p.gsrn IS NOT DISTINCT FROM w.gsrn
        LEFT JOIN LATERAL (
            SELECT c.enabled, c.source FROM preference_change c
            WHERE c.contact_id = w.contact_id AND c.topic = w.topic
              AND c.gsrn IS NOT DISTINCT FROM w.gsrn AND c.source <> :source
            ORDER BY c.id DESC LIMIT 1) before ON true
        WHERE p.id IS NULL
           OR p.source = 'CIS'
           OR p.source = :source
              AND (before.enabled IS NULL OR before.enabled OR before.source = 'CIS')),
    changed AS (
        INSERT INTO preference AS p (contact_id, gsrn, topic, enabled, night_ok, source,
            legal_basis, changed_at)
        SELECT contact_id, gsrn, topic, true, false, :source,
            CASE WHEN topic = 'PLANNED' THEN 'LEGAL_DUTY' ELSE 'CONTRACT' END, :now
        FROM chosen ORDER BY contact_id, topic, gsrn
        ON CONFLICT (contact_id, topic, (coalesce(gsrn, ''))) DO UPDATE
            SET enabled = true, source = excluded.source, changed_at = excluded.changed_at
            WHERE NOT p.enabled
        RETURNING contact_id, gsrn, topic, legal_basis)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, source, legal_basis, changed_by,
        changed_at)
    SELECT contact_id, gsrn, topic, true, :source, legal_basis, :by, :now FROM changed
    RETURNING id
    """
)
_VERIFY = text(
    """
    UPDATE contact SET state = 'VERIFIED', verified_at = coalesce(verified_at, :now),
        bounce_count = 0
    WHERE id = ANY(:contacts) AND state IN ('UNVERIFIED', 'INVALID')
    """
)
_CONTACTS = text(
    "SELECT id FROM contact WHERE value = :number AND kind = 'SMS' AND state <> 'REMOVED' ORDER BY id"
)


def resume(session: Session, number: str, *, by: str, now: datetime) -> int:
    """Take up again what STOP had ended, for every customer that the number is known of.

    A message from the number proves that its owner reads it. Returns how many wishes changed.
    """
    contacts = list(session.execute(_CONTACTS, {"number": number}).scalars())
    return _resume(session, contacts, by, now)


_OWNER = text(
    """
    SELECT c.cis_id, o.gsrn, c.personal_safety_ban FROM customer c
    JOIN occupancy o ON o.customer_id = c.cis_id AND o.moved_in_on <= :on
        AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on)
    JOIN metering_point m ON m.gsrn = o.gsrn
    WHERE c.active AND upper(c.cis_id) = upper(:customer_no)
      AND (m.gsrn = :point_no OR upper(m.dso_code) = upper(:point_no))
    LIMIT 1
    """
)


def enrol(
    session: Session, number: str, customer_no: str, point_no: str, *, by: str, now: datetime
) -> tuple[str, str] | None:
    """Let a number follow a customer's points: (customer, point), or None if the two do not fit.

    A customer under a safety ban is enrolled by a person only: the two numbers may be known to
    whoever the ban is against.
    """
    values = {"customer_no": customer_no, "point_no": point_no, "on": helsinki_day(now)}
    owner = session.execute(_OWNER, values).one_or_none()
    if owner is None or owner.personal_safety_ban:
        return None
    session.execute(
        insert(Contact)
        .values(
            customer_id=owner.cis_id,
            kind="SMS",
            value=number,
            state="VERIFIED",
            source="SMS",
            verified_at=now,
            bounce_count=0,
            created_at=now,
        )
        .on_conflict_do_update(
            index_elements=["customer_id", "kind", "value"],
            set_={"state": "VERIFIED", "verified_at": now, "bounce_count": 0},
        )
    )
    contact_id = session.execute(
        select(Contact.id).where(
            Contact.customer_id == owner.cis_id, Contact.kind == "SMS", Contact.value == number
        )
    ).scalar_one()
    _resume(session, [contact_id], by, now)
    return owner.cis_id, owner.gsrn


def _resume(session: Session, contacts: list[int], by: str, now: datetime) -> int:
    if not contacts:
        return 0
    values = {
        "contacts": contacts,
        "topics": list(CHOSEN_TOPICS),
        "source": "SMS",
        "by": by,
        "now": now,
    }
    changed = len(session.execute(_RESUME, values).all())
    session.execute(_VERIFY, {"contacts": contacts, "now": now})
    return changed
