"""What must not be kept for ever goes when its time is over (REQ-36); a report says how much went.

Texts of messages go before what became of them, and the audit trail stays longest. Headers (orders,
their history, messages, items of the outbox) stay for good, so that an old order is still found.
Work is done day by day of the data, or by whole months where a table has partitions, each in a
transaction of its own: whoever dies goes on with what was not finished. Nothing that is still under
way is touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI, helsinki_day
from app.models.purge_report import PurgeReport
from app.models.schedule import DailyTask
from app.services import partitions
from app.settings import Settings

PROCESS = "retention"
# So many days of data in one round; the next round goes on.
_DAYS_PER_ROUND = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """One class of data: its oldest row, and what is done to the rows of an hour; days: its limit.

    oldest may leave out what is younger than :before, which is not due.
    """

    name: str
    days: str
    oldest: str
    statements: tuple[tuple[str, str], ...]


# Asked every few seconds for years before anything is due. The index only knows ranges, so without
# the bound every notice would be read each time.
_OLDEST_NOTICE = "SELECT min(created_at) FROM notice WHERE created_at < :before"
_BODIES = Rule(
    "bodies",
    "retention_body_days",
    _OLDEST_NOTICE,
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
_DELIVERIES = Rule(
    "deliveries",
    "retention_delivery_days",
    _OLDEST_NOTICE,
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
# A mass file is read again from its body when what was prepared of it is lost, also while it waits.
_READ = (
    "m.state IN ('INTERPRETED', 'PARTLY', 'REJECTED')"
    " AND NOT EXISTS (SELECT 1 FROM mass_file f WHERE f.inbound_message_id = m.id"
    " AND f.state IN ('READING', 'HELD', 'READY'))"
)
_DECIDED_LATE = (
    "m.body_removed_at IS NULL AND m.received_at < :begin"
    " AND m.state IN ('INTERPRETED', 'PARTLY', 'REJECTED')"
    " AND m.id IN (SELECT f.inbound_message_id FROM mass_file f"
    " WHERE f.state IN ('SPLIT', 'REJECTED') AND f.state_at >= :begin AND f.state_at < :end)"
)
_INBOUND = Rule(
    "inbound",
    "retention_xml_days",
    "SELECT min(received_at) FROM inbound_message",
    (
        (
            "chunks",
            f"DELETE FROM inbound_chunk c USING inbound_message m WHERE {_READ}"  # noqa: S608 - our own text.
            " AND m.received_at >= :begin AND m.received_at < :end"
            " AND c.inbound_message_id = m.id RETURNING 1",
        ),
        (
            "messages",
            f"UPDATE inbound_message m SET body_removed_at = :now WHERE {_READ}"  # noqa: S608 - our own text.
            " AND m.received_at >= :begin AND m.received_at < :end"
            " AND m.body_removed_at IS NULL RETURNING 1",
        ),
        # Mass files that had waited for people when their own day was done.
        (
            "chunks",
            f"DELETE FROM inbound_chunk c USING inbound_message m WHERE {_DECIDED_LATE}"  # noqa: S608 - our own text.
            " AND c.inbound_message_id = m.id RETURNING 1",
        ),
        (
            "messages",
            f"UPDATE inbound_message m SET body_removed_at = :now WHERE {_DECIDED_LATE}"  # noqa: S608 - our own text.
            " RETURNING 1",
        ),
    ),
)
# Who lived where and how to reach them is no business of the record for longer than claims last. A
# partner's orders have a form of their own, so they go as a whole; their key and hash stay.
_OUTGOING = Rule(
    "outgoing",
    "retention_outgoing_days",
    "SELECT created_at FROM outbox_item ORDER BY id LIMIT 1",
    (
        (
            "outgoing",
            "UPDATE outbox_item SET payload = CASE WHEN lane LIKE 'partner.%' THEN '{}'::jsonb"
            " ELSE payload - 'metering_point' END || jsonb_build_object('removed', true)"
            " WHERE created_at >= :begin AND created_at < :end"
            " AND state IN ('SENT', 'CANCELLED', 'DEAD') AND NOT payload ? 'removed'"
            " AND (lane LIKE 'partner.%' OR payload ? 'metering_point') RETURNING 1",
        ),
    ),
)
_PAYLOADS = Rule(
    "payloads",
    "retention_payload_days",
    "SELECT min(created_at) FROM payload_blob",
    (
        (
            "blobs",
            "DELETE FROM payload_blob WHERE created_at >= :begin AND created_at < :end RETURNING 1",
        ),
    ),
)
_AUDIT = Rule(
    "audit",
    "retention_audit_days",
    "SELECT min(at) FROM audit_entry",
    (("audit", "DELETE FROM audit_entry WHERE at >= :begin AND at < :end RETURNING 1"),),
)
RULES = (_BODIES, _DELIVERIES, _INBOUND, _OUTGOING, _PAYLOADS, _AUDIT)
# Tables of which whole months go at once, and the setting with their limit.
MONTHLY = (
    ("steps", "step", "retention_step_days"),
    ("audit", "audit_entry", "retention_audit_days"),
)
CLOCK = "system:retention"


def limits(settings: Settings) -> dict[str, int]:
    """How many days each class of data is kept."""
    found = {rule.name: rule.days for rule in RULES} | {name: days for name, _, days in MONTHLY}
    return {name: int(getattr(settings, days)) for name, days in found.items()}


def rehearse(session: Session, settings: Settings, now: datetime) -> dict[str, Counter[str]]:
    """What the next round would remove, by class, counted by doing it and taking it back."""
    found: dict[str, Counter[str]] = {}
    trial = session.begin_nested()
    for rule, day in list(days_due(session, settings, now)):
        found.setdefault(rule.name, Counter()).update(clear_day(session, rule, day, now))
    trial.rollback()
    for name, month in months_due(session, settings, now):
        count = partitions.count_rows(session, month)
        found.setdefault(name, Counter())[month.name] += count
    return found


def days_due(session: Session, settings: Settings, now: datetime) -> Iterator[tuple[Rule, date]]:
    """The days of data whose time is over, oldest first per kind, at most a round's worth."""
    left = _DAYS_PER_ROUND
    for rule in RULES:
        last = helsinki_day(now) - timedelta(days=getattr(settings, rule.days) + 1)
        day = _next_day(session, rule, last)
        while day is not None and day <= last and left:
            yield rule, day
            day += timedelta(days=1)
            left -= 1


def months_due(
    session: Session, settings: Settings, now: datetime
) -> list[tuple[str, partitions.Partition]]:
    """The partitions of which every row is older than its limit, with the class of each."""
    return [
        (name, one)
        for name, table, days in MONTHLY
        for one in partitions.older_than(
            session, table, now - timedelta(days=getattr(settings, days))
        )
    ]


def drop_month(
    session: Session, name: str, one: partitions.Partition, now: datetime, *, by: str = CLOCK
) -> Counter[str]:
    """Take a month of a table away, and report it."""
    counts = Counter({one.table: partitions.drop(session, one)})
    last_day = helsinki_day(one.until - timedelta(hours=12)) if one.until else None
    report(session, name, last_day.replace(day=1) if last_day else None, counts, now, by=by)
    return counts


def report(
    session: Session,
    name: str,
    period_on: date | None,
    counts: Mapping[str, int],
    now: datetime,
    *,
    by: str = CLOCK,
) -> None:
    """Keep for good what was removed; nothing removed is nothing to report."""
    if any(counts.values()):
        session.add(
            PurgeReport(class_code=name, period_on=period_on, counts=dict(counts), by=by, at=now)
        )
        session.flush()


def clear_day(
    session: Session, rule: Rule, day: date, now: datetime, *, by: str = CLOCK
) -> Counter[str]:
    """Remove what one day of one kind holds, report it, and note that the day is done."""
    counts: Counter[str] = Counter()
    begin, end = _midnight(day), _midnight(day + timedelta(days=1))
    while begin < end:
        until = min(begin + timedelta(hours=1), end)
        for name, statement in rule.statements:
            values = {"begin": begin, "end": until, "now": now}
            counts[name] += len(session.execute(text(statement), values).all())
        begin = until
    _note_done(session, rule, day)
    report(session, rule.name, day, +counts, now, by=by)
    return +counts


def _next_day(session: Session, rule: Rule, last: date) -> date | None:
    """The first day that is not done yet; where there is nothing old at all, all days are done."""
    row = session.get(DailyTask, rule.name, populate_existing=True)
    if row is not None:
        return row.done_on + timedelta(days=1)
    before = _midnight(last + timedelta(days=1))
    oldest = session.execute(text(rule.oldest), {"before": before}).scalar_one_or_none()
    if oldest is None or helsinki_day(oldest) > last:
        return None
    return helsinki_day(oldest)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=HELSINKI)


def _note_done(session: Session, rule: Rule, day: date) -> None:
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
