"""Tells whoever the CIS has enrolled anew that status messages are on, and how to end them.

Once per contact, so many a minute, in the daytime, and only where it is news: a contract that begins
on or after the day on which the contact came, or a contact that came to a running contract. In a
first load customers come before their contracts, which began long ago: nobody is written to.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts, ContactState
from app.domain.notice_types import Channel, NoticeType, Topic
from app.domain.notice_values import short_address
from app.domain.quiet_hours import quiet_until
from app.services import rate_limits
from app.services.direct_notices import tell_contact
from app.services.preference_matrix import find_matrix
from app.services.rate_limits import Limit
from app.settings import Settings

_MINUTE = timedelta(minutes=1)
_LOOK_AGAIN = timedelta(hours=1)
# A contact whose contract has not come by then was none to tell.
_GIVE_UP_AFTER = "30 days"

_FORGET_ALL = text(
    """
    UPDATE contact SET welcome_due_at = NULL WHERE id IN (
        SELECT id FROM contact WHERE welcome_due_at IS NOT NULL LIMIT 20000)
    """
)
_NEWS = """
    (o.moved_in_on >= CAST(k.created_at AT TIME ZONE 'Europe/Helsinki' AS date)
        OR o.updated_at < k.created_at)
    AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)
"""
_FORGET_OLD = text(
    f"""
    UPDATE contact k SET welcome_due_at = NULL
    WHERE k.id IN (SELECT id FROM contact WHERE welcome_due_at <= :now
            ORDER BY welcome_due_at LIMIT 20000)
      AND (k.state <> 'UNVERIFIED' OR k.doubt IS NOT NULL OR NOT k.enrolled
        OR k.created_at < CAST(:now AS timestamptz) - interval '{_GIVE_UP_AFTER}'
        OR EXISTS (SELECT 1 FROM occupancy o WHERE o.customer_id = k.customer_id)
            AND NOT EXISTS (SELECT 1 FROM occupancy o
                WHERE o.customer_id = k.customer_id AND {_NEWS}))
    """  # noqa: S608 - made of our own constants only.
)
_DUE = text(
    f"""
    SELECT k.id, k.kind, k.value, k.customer_id, k.quiet_from, k.quiet_to,
        coalesce(k.language, c.language) AS language, o.gsrn,
        c.personal_safety_ban AS safety_ban,
        m.street_name, m.house_number, m.staircase, m.apartment
    FROM contact k JOIN customer c ON c.cis_id = k.customer_id AND c.active
    LEFT JOIN LATERAL (SELECT o.gsrn FROM occupancy o WHERE o.customer_id = k.customer_id
        AND {_NEWS} ORDER BY o.moved_in_on DESC, o.gsrn LIMIT 1) o ON true
    LEFT JOIN metering_point m ON m.gsrn = o.gsrn
    WHERE k.welcome_due_at <= :now
    ORDER BY k.welcome_due_at, k.id LIMIT :limit FOR NO KEY UPDATE OF k SKIP LOCKED
    """  # noqa: S608 - made of our own constants only.
)
_NEXT = text("UPDATE contact SET welcome_due_at = :at WHERE id = :id")


def welcome(session: Session, settings: Settings, now: datetime) -> Counter[str]:
    """Tell those who are due, as many as the minute still takes."""
    if not settings.enrolment_confirmation:
        session.execute(_FORGET_ALL)
        return Counter()
    counts: Counter[str] = Counter()
    values = {"now": now, "today": now.date(), "limit": settings.enrolment_per_min_count}
    session.execute(_FORGET_OLD, values)
    for row in session.execute(_DUE, values).all():
        until = quiet_until(now, row.quiet_from, row.quiet_to)
        if row.gsrn is None or until is not None:
            session.execute(_NEXT, {"id": row.id, "at": until or now + _LOOK_AGAIN})
            continue
        limit = Limit("welcome", "all", settings.enrolment_per_min_count, _MINUTE)
        if not rate_limits.allow(session, [limit], now):
            break
        session.execute(_NEXT, {"id": row.id, "at": None})
        if row.id in find_matrix(session, row.customer_id).told(Topic.FAULT):
            _tell(session, row, settings, now)
            counts["welcomed"] += 1
    return counts


def _tell(session: Session, row: Any, settings: Settings, now: datetime) -> None:
    address = short_address(row.street_name, row.house_number, row.staircase, row.apartment)
    tell_contact(
        session,
        ContactFacts(row.id, Channel(row.kind), row.value, ContactState.UNVERIFIED),
        NoticeType.OPT_IN_OK,
        {},
        language=Language(row.language),
        key=f"enrolled/{row.id}",
        why="The CIS enrolled the contact.",
        now=now,
        settings=settings,
        customer_id=row.customer_id,
        gsrn=row.gsrn,
        address=None if row.safety_ban else address,
    )
