"""What must not be kept for ever goes when its time is over (REQ-36); a run says how much went.

Texts of messages go before what became of them, and the audit trail stays longest. Work is done day
by day of the data, each in a transaction of its own: whoever dies goes on with the day that was not
finished. Nothing that is still under way is touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI, helsinki_day
from app.models.schedule import DailyTask
from app.settings import Settings

PROCESS = "retention"
# So many days of data in one round; the next round goes on.
_DAYS_PER_ROUND = 10


@dataclass(frozen=True, slots=True)
class _Rule:
    """One kind of rows: the oldest of them, and what is done to those of an hour."""

    name: str
    days: str
    oldest: str
    statements: tuple[tuple[str, str], ...]


_BODIES = _Rule(
    "bodies",
    "retention_body_days",
    "SELECT min(created_at) FROM notice",
    (
        (
            "bodies",
            "UPDATE notice SET body = NULL, subject = NULL, html = NULL"
            " WHERE created_at >= :begin AND created_at < :end"
            " AND (body IS NOT NULL OR html IS NOT NULL) RETURNING 1",
        ),
        (
            "payloads",
            "UPDATE outbox_item i SET payload = i.payload - '{body,text,subject,html,to}'::text[]"
            " FROM notice n WHERE n.created_at >= :begin AND n.created_at < :end"
            " AND i.business_key = 'notice:' || n.id"
            " AND i.state IN ('SENT', 'CANCELLED', 'DEAD') RETURNING 1",
        ),
        (
            "letters",
            "UPDATE letter SET subject = '', body = '' WHERE created_at >= :begin"
            " AND created_at < :end AND state IN ('POSTED', 'WITHDRAWN') AND body <> '' RETURNING 1",
        ),
        (
            "replies",
            "UPDATE inbound_sms SET body = '' WHERE received_at >= :begin AND received_at < :end"
            " AND state = 'DONE' AND body <> '' RETURNING 1",
        ),
    ),
)
_DELIVERIES = _Rule(
    "deliveries",
    "retention_delivery_days",
    "SELECT min(created_at) FROM notice",
    (
        (
            "receipts",
            "DELETE FROM delivery_receipt r USING attempt a, outbox_item i, notice n"
            " WHERE n.created_at >= :begin AND n.created_at < :end"
            " AND i.business_key = 'notice:' || n.id AND a.outbox_item_id = i.id"
            " AND r.attempt_id = a.id RETURNING 1",
        ),
        (
            "items",
            "DELETE FROM outbox_item i USING notice n"
            " WHERE n.created_at >= :begin AND n.created_at < :end"
            " AND i.business_key = 'notice:' || n.id"
            " AND i.state IN ('SENT', 'CANCELLED', 'DEAD') RETURNING 1",
        ),
        (
            "senders",
            "UPDATE inbound_sms SET from_number = '' WHERE received_at >= :begin"
            " AND received_at < :end AND state = 'DONE' AND from_number <> '' RETURNING 1",
        ),
        (
            "cases",
            "UPDATE reply_case SET number = '', note = NULL WHERE opened_at >= :begin"
            " AND opened_at < :end AND state = 'CLOSED' AND number <> '' RETURNING 1",
        ),
        (
            "notices",
            "DELETE FROM notice n WHERE n.created_at >= :begin AND n.created_at < :end"
            " AND NOT EXISTS (SELECT 1 FROM outbox_item i"
            " WHERE i.business_key = 'notice:' || n.id) RETURNING 1",
        ),
    ),
)
_INBOUND = _Rule(
    "inbound",
    "retention_xml_days",
    "SELECT min(received_at) FROM inbound_message",
    (
        (
            "chunks",
            "DELETE FROM inbound_chunk c USING inbound_message m"
            " WHERE m.received_at >= :begin AND m.received_at < :end"
            " AND m.state IN ('INTERPRETED', 'PARTLY', 'REJECTED')"
            " AND c.inbound_message_id = m.id RETURNING 1",
        ),
        (
            "messages",
            "UPDATE inbound_message SET body_removed_at = :now"
            " WHERE received_at >= :begin AND received_at < :end AND body_removed_at IS NULL"
            " AND state IN ('INTERPRETED', 'PARTLY', 'REJECTED') RETURNING 1",
        ),
    ),
)
_AUDIT = _Rule(
    "audit",
    "retention_audit_days",
    "SELECT min(at) FROM audit_entry",
    (("audit", "DELETE FROM audit_entry WHERE at >= :begin AND at < :end RETURNING 1"),),
)
RULES = (_BODIES, _DELIVERIES, _INBOUND, _AUDIT)


def days_due(session: Session, settings: Settings, now: datetime) -> Iterator[tuple[_Rule, date]]:
    """The days of data whose time is over, oldest first per kind, at most a round's worth."""
    left = _DAYS_PER_ROUND
    for rule in RULES:
        last = helsinki_day(now) - timedelta(days=getattr(settings, rule.days) + 1)
        day = _next_day(session, rule, last)
        while day is not None and day <= last and left:
            yield rule, day
            day += timedelta(days=1)
            left -= 1


def clear_day(session: Session, rule: _Rule, day: date, now: datetime) -> Counter[str]:
    """Remove what one day of one kind holds, and note that the day is done."""
    counts: Counter[str] = Counter()
    midnight = datetime(day.year, day.month, day.day, tzinfo=HELSINKI)
    after = day + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=HELSINKI)
    begin = midnight
    while begin < end:
        until = min(begin + timedelta(hours=1), end)
        for name, statement in rule.statements:
            values = {"begin": begin, "end": until, "now": now}
            counts[name] += len(session.execute(text(statement), values).all())
        begin = until
    _note_done(session, rule, day)
    return +counts


def _next_day(session: Session, rule: _Rule, last: date) -> date | None:
    """The first day that is not done yet; where there is nothing old at all, all days are done."""
    row = session.get(DailyTask, rule.name, populate_existing=True)
    if row is not None:
        return row.done_on + timedelta(days=1)
    oldest = session.execute(text(rule.oldest)).scalar_one_or_none()
    if oldest is None or helsinki_day(oldest) > last:
        return None
    return helsinki_day(oldest)


def _note_done(session: Session, rule: _Rule, day: date) -> None:
    session.execute(
        insert(DailyTask)
        .values(name=rule.name, done_on=day)
        .on_conflict_do_update(index_elements=["name"], set_={"done_on": day})
    )


def claim_day(session: Session, name: str, today: date) -> bool:
    """Take a task of the day for this transaction; False when it has been done today."""
    found = session.execute(
        text(
            "INSERT INTO daily_task (name, done_on) VALUES (:name, :today)"
            " ON CONFLICT (name) DO UPDATE SET done_on = excluded.done_on"
            " WHERE daily_task.done_on < excluded.done_on RETURNING 1"
        ),
        {"name": name, "today": today},
    )
    return found.one_or_none() is not None
