"""Many decided notices at once: ledger rows, their points and their outbox items, by COPY.

For a planner that holds the announcement's lock, so that no row it writes can be there already;
single notices go through notices.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.lanes import mode_of
from app.domain.notice_policy import Action, Recipient, address_hash
from app.domain.notice_types import NOTICE_RULES
from app.domain.states import NoticeState
from app.domain.telling import TellingDecision
from app.doorbell import ring_after_commit
from app.models.announcement import Announcement
from app.services.message_templates import Rendered
from app.services.notice_items import build_item
from app.services.outbox import NewItem
from app.settings import Settings


class Decided(Struct, frozen=True):
    """One contact's decision and, unless nobody is told, the text."""

    recipient: Recipient
    telling: TellingDecision
    rendered: Rendered | None


_STATES = {
    Action.SEND: NoticeState.QUEUED,
    Action.HOLD: NoticeState.HELD,
    Action.SUPPRESS: NoticeState.SUPPRESSED,
}
_NOTICE_COLUMNS = (
    "id",
    "type",
    "dedupe_key",
    "contact_id",
    "customer_id",
    "gsrn",
    "outage_id",
    "announcement_id",
    "point_count",
    "must_reach",
    "topic",
    "language",
    "channel",
    "sent_to",
    "subject",
    "body",
    "html",
    "encoding",
    "segments",
    "text_version",
    "state",
    "state_at",
    "suppress_reason",
    "decision",
    "event_at",
    "not_before_at",
    "expires_at",
    "resent_count",
    "created_at",
)
_ITEM_COLUMNS = (
    "lane",
    "kind",
    "business_key",
    "order_key",
    "gsrn",
    "version",
    "dedupe_key",
    "payload",
    "payload_hash",
    "mode",
    "priority",
    "state",
    "attempts",
    "next_at",
    "expires_at",
    "created_at",
)


class NoticeRows(Struct, frozen=True):
    """One decided notice as the rows that it becomes; item is None where nothing leaves."""

    decided: Decided
    notice: tuple[object, ...]
    points: tuple[tuple[object, ...], ...]
    item: tuple[object, ...] | None
    # The lane that has something to do at once.
    rings: str | None


def build_rows(
    session: Session,
    announcement: Announcement,
    outage_id: int | None,
    decided: Sequence[Decided],
    settings: Settings,
    now: datetime,
) -> list[NoticeRows]:
    """Make the rows of what was decided, under numbers that nobody else gets; writes nothing."""
    return [
        _rows(notice_id, announcement, outage_id, one, settings, now)
        for notice_id, one in zip(_next_ids(session, len(decided)), decided, strict=True)
    ]


def write_rows(session: Session, rows: Sequence[NoticeRows]) -> None:
    """Write what was decided; lanes with something due are rung after the commit."""
    if not rows:
        return
    copy_rows(session, "notice", _NOTICE_COLUMNS, (one.notice for one in rows))
    points = (point for one in rows for point in one.points)
    copy_rows(session, "notice_point", ("notice_id", "gsrn"), points)
    items = (one.item for one in rows if one.item is not None)
    copy_rows(session, "outbox_item", _ITEM_COLUMNS, items)
    for lane in {one.rings for one in rows if one.rings is not None}:
        ring_after_commit(lane)


def _rows(
    notice_id: int,
    announcement: Announcement,
    outage_id: int | None,
    one: Decided,
    settings: Settings,
    now: datetime,
) -> NoticeRows:
    points = one.telling.points
    item = _item(notice_id, announcement, one, settings)
    return NoticeRows(
        one,
        _notice(notice_id, announcement, outage_id, one, now),
        tuple((notice_id, point.gsrn) for point in points) if len(points) > 1 else (),
        _row(item, now) if item is not None else None,
        item.lane if item is not None and item.not_before is None else None,
    )


def dedupe_key(one: Decided) -> str:
    """The name under which this contact is told this once; unique in the ledger (REQ-02)."""
    contact = one.recipient.contact
    if contact is None:
        gsrn = one.telling.points[0].gsrn if one.telling.points else ""
        return f"{one.telling.dedupe}/-:{one.recipient.customer_id or gsrn}"
    return f"{one.telling.dedupe}/{address_hash(contact)}"


def _next_ids(session: Session, count: int) -> list[int]:
    statement = text(
        "SELECT nextval(pg_get_serial_sequence('notice', 'id')) FROM generate_series(1, :count)"
    )
    return list(session.execute(statement, {"count": count}).scalars())


def _notice(
    notice_id: int,
    announcement: Announcement,
    outage_id: int | None,
    one: Decided,
    now: datetime,
) -> tuple[object, ...]:
    recipient, telling, rendered = one.recipient, one.telling, one.rendered
    decision, contact = telling.decision, recipient.contact
    rule = NOTICE_RULES[telling.type]
    return (
        notice_id,
        telling.type.value,
        dedupe_key(one),
        contact.id if contact else None,
        recipient.customer_id or None,
        telling.points[0].gsrn if telling.points else "",
        outage_id,
        announcement.id,
        max(len(telling.points), 1),
        rule.must_reach,
        rule.topic.value,
        recipient.language.value,
        contact.channel.value if contact else None,
        contact.value if contact else None,
        rendered.subject if rendered else None,
        rendered.body if rendered else None,
        rendered.html if rendered else None,
        rendered.encoding if rendered else None,
        rendered.segments if rendered else None,
        rendered.version if rendered else 0,
        _STATES[decision.action].value,
        now,
        decision.reason.value if decision.reason else None,
        decision.why,
        announcement.event_at,
        decision.until,
        decision.expires_at,
        0,
        now,
    )


def _item(
    notice_id: int, announcement: Announcement, one: Decided, settings: Settings
) -> NewItem | None:
    contact, telling = one.recipient.contact, one.telling
    if one.rendered is None or contact is None:
        return None
    return build_item(
        notice_id,
        telling.type,
        telling.points[0].gsrn if telling.points else None,
        contact,
        one.recipient.language,
        one.rendered,
        settings,
        telling.decision.until,
        telling.decision.expires_at,
        order_of=announcement.subject,
    )


def _row(item: NewItem, now: datetime) -> tuple[object, ...]:
    body = msgspec.json.encode(item.payload)
    return (
        item.lane,
        item.kind,
        item.business_key,
        item.order_key,
        item.gsrn,
        item.version,
        item.dedupe_key,
        body.decode(),
        hashlib.sha256(body).hexdigest(),
        mode_of(item.lane).value,
        item.priority,
        "READY",
        0,
        item.not_before or now,
        item.expires_at,
        now,
    )
