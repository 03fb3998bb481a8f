"""Many notices that wait to leave, and a drain of them by stand-ins of the providers; for tests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.db import transaction
from app.domain.notice_types import TOPIC_PRIORITY, Topic
from app.settings import Settings
from tests.integrations.stub_server import Reply
from workers.drain import Drain, drain

SID = "SM" + "b" * 32
CREATED = Reply(201, {"sid": SID, "status": "queued"})
ACCEPTED = Reply(202, b"", {"X-Message-Id": "call-1"})

_QUEUE = text(
    """
    WITH n AS (
        INSERT INTO notice (type, dedupe_key, gsrn, topic, language, channel, sent_to, must_reach,
            body, segments, state, state_at, decision, event_at, resent_count, created_at,
            contact_id)
        SELECT :type, :prefix || i, '649999000000000013', :topic, 'fi', :channel,
            CASE :channel WHEN 'SMS' THEN '+35850' || lpad((:priority * 100000 + i)::text, 7, '0')
                ELSE 'a' || :priority || '.' || i || '@example.fi' END,
            true, 'x', :segments, 'QUEUED', :now, 'test', :now, 0, :now, NULL
        FROM generate_series(1, :count) AS i
        RETURNING id, sent_to)
    INSERT INTO outbox_item (lane, kind, business_key, order_key, version, dedupe_key, payload,
        payload_hash, mode, priority, state, attempts, next_at, created_at)
    SELECT lower(:channel), 'NOTICE', 'notice:' || id, sent_to, 1, 'notice:' || id,
        CASE :channel WHEN 'SMS' THEN jsonb_build_object('notice_id', id, 'to', sent_to,
            'from', 'Verkko', 'body', 'text ' || id, 'validity_s', 3600)
        ELSE jsonb_build_object('notice_id', id, 'to', sent_to, 'from', 'v@example.fi',
            'subject', 'Aihe', 'text', 'Hei ' || id, 'html', '<p>Hei ' || id || '</p>',
            'language', 'fi') END,
        'x', 'once', :priority, 'READY', 0, :now, :now
    FROM n
    """
)
# The last look wants a contact; it may be the same for all. It has no quiet hours, since tests run at
# any hour.
_CONTACT = text(
    """
    WITH c AS (
        INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,
            personal_safety_ban, priority_flag, preferred_channel, active, updated_at)
        VALUES ('C-many', 1, 'consumer', 'x', 'fi', false, false, false, 'SMS', true, now())
        ON CONFLICT DO NOTHING)
    INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, created_at,
        quiet_from, quiet_to)
    SELECT 'C-many', 'SMS', '+358500000000', 'VERIFIED', 'CIS', 0, now(), '00:00', '00:00'
    ON CONFLICT DO NOTHING
    """
)
_GIVE = text(
    "UPDATE notice SET contact_id = (SELECT min(id) FROM contact) WHERE contact_id IS NULL"
)


def queue(
    count: int = 1,
    *,
    topic: Topic = Topic.FAULT,
    channel: str = "SMS",
    segments: int = 1,
    kind: str = "FAULT_STARTED",
) -> None:
    """So many notices that are due."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    with transaction() as session:
        session.execute(_CONTACT)
        session.execute(
            _QUEUE,
            {
                "type": kind,
                "prefix": f"{topic}/{now.timestamp()}/",
                "topic": topic,
                "channel": channel,
                "segments": segments,
                "count": count,
                "priority": TOPIC_PRIORITY[topic],
                "now": now,
            },
        )
        session.execute(_GIVE)


def drain_now(
    settings: Settings, loop: asyncio.AbstractEventLoop, lane: str = "sms", **more: Any
) -> dict[str, int]:
    """One drain of the lane."""
    return dict(drain(Drain(lane, more.pop("lease", 1), settings, loop, **more)))


def states(what: str = "outbox_item") -> dict[str, int]:
    """How many rows are in which state."""
    with transaction() as session:
        rows = session.execute(text(f"SELECT state, count(*) FROM {what} GROUP BY state"))
        return {row[0]: row[1] for row in rows}


def set_lane(name: str, **values: Any) -> None:
    """Change columns of a lane."""
    changes = ", ".join(f"{column} = :{column}" for column in values)
    with transaction() as session:
        session.execute(
            text(f"UPDATE lane SET {changes} WHERE name = :name"), {"name": name, **values}
        )


def add_route(code: str = "twilio2", weight: int = 0, channel: str = "SMS") -> None:
    """A second route of a channel."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO provider_route (code, channel, adapter, account, weight, active,"
                " failures, changed_by, changed_at)"
                " VALUES (:code, :channel, 'twilio', :code, :weight, true, 0, 'test', now())"
            ),
            {"code": code, "weight": weight, "channel": channel},
        )
