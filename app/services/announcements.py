"""Announcements: what is to be told to many, written down with the event that causes it.

Whoever notices that customers have to hear of something calls `announce` in the same transaction;
the planner (notice_plan.py) later decides contact by contact. Nothing here knows recipients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.lanes import NOTICES
from app.domain.notice_types import NOTICE_RULES, TOPIC_PRIORITY, NoticeType
from app.domain.telling import UPDATES
from app.doorbell import ring_after_commit
from app.models.outage import Outage
from app.services import alarms
from app.services.blast_guard import ALARM as HELD_ALARM

SYSTEM = "system:tiedolla"


@dataclass(frozen=True, slots=True)
class Telling:
    """Of which outage, when and in whose name something is told."""

    session: Session
    outage: Outage
    now: datetime
    by: str


@dataclass(frozen=True, slots=True)
class About:
    """What an announcement is about, in words that its planner resolves to recipients.

    subject: "outage:12" (its metering points), "storm:3/091" (points without power in one
    municipality), "area:091" (whoever follows it), "connection:LT-1" (the customer of the order),
    "correction:55" (whoever got announcement 55).
    """

    subject: str
    outage_id: int | None = None
    corrects_id: int | None = None


def about_outage(outage_id: int) -> About:
    """The metering points of one outage."""
    return About(f"outage:{outage_id}", outage_id=outage_id)


def about_connection(order_no: str) -> About:
    """The customer of one connection order."""
    return About(f"connection:{order_no}")


def about_area(municipality_code: str) -> About:
    """Whoever follows a municipality from the public site."""
    return About(f"area:{municipality_code}")


def about_storm(storm_id: int, municipality_code: str) -> About:
    """Everybody who is without power in one municipality during a storm."""
    return About(f"storm:{storm_id}/{municipality_code}")


def about_correction(announcement_id: int) -> About:
    """Exactly those who got an earlier announcement (REQ-34)."""
    return About(f"correction:{announcement_id}", corrects_id=announcement_id)


_ANNOUNCE = text(
    """
    INSERT INTO announcement (type, topic, priority, subject, occurrence, outage_id, corrects_id,
        event_at, facts, state, not_before_at, told_count, suppressed_count, created_by, created_at)
    VALUES (:type, :topic, :priority, :subject, :occurrence, :outage_id, :corrects_id,
        :event_at, CAST(:facts AS jsonb), 'PENDING', :not_before, 0, 0, :by, :now)
    ON CONFLICT (type, subject, occurrence) DO NOTHING
    RETURNING id
    """
)
_WITHDRAW = text(
    """
    UPDATE announcement SET state = 'WITHDRAWN', state_reason = :reason, decided_by = :by,
        decided_at = :now
    WHERE subject = :subject AND type = ANY(:types) AND state IN ('PENDING', 'HELD')
    RETURNING id
    """
)


def _priority(kind: NoticeType) -> int:
    """What adds to a known cut is planned after the beginnings and ends of its topic.

    When the damage of a storm is assessed, hundreds of estimates come at once, and nobody should
    wait behind them who knows nothing yet. Topics are ten apart.
    """
    return TOPIC_PRIORITY[NOTICE_RULES[kind].topic] + (5 if kind in UPDATES else 0)


def announce(
    session: Session,
    kind: NoticeType,
    about: About,
    *,
    occurrence: str,
    event_at: datetime,
    facts: Mapping[str, Any],
    now: datetime,
    by: str = SYSTEM,
    not_before: datetime | None = None,
) -> int | None:
    """Have something told to whoever it concerns; None when it has been announced before.

    occurrence: which of several happenings of this kind it is ("" for the only one); the same
    (kind, subject, occurrence) is announced once, however often its cause is repeated. facts: JSON
    with the names of docs/interfaces/notice-facts.md, times in ISO 8601. not_before: the planner
    leaves it alone until then, so that something newer may withdraw it.
    """
    announcement_id: int | None = session.execute(
        _ANNOUNCE,
        {
            "type": kind,
            "topic": NOTICE_RULES[kind].topic,
            "priority": _priority(kind),
            "subject": about.subject,
            "occurrence": occurrence,
            "outage_id": about.outage_id,
            "corrects_id": about.corrects_id,
            "event_at": event_at,
            "facts": json.dumps(facts, ensure_ascii=False),
            "not_before": not_before,
            "by": by,
            "now": now,
        },
    ).scalar_one_or_none()
    if announcement_id is not None and (not_before is None or not_before <= now):
        ring_after_commit(NOTICES)
    return announcement_id


def withdraw(
    session: Session,
    about: About,
    kinds: tuple[NoticeType, ...],
    now: datetime,
    *,
    reason: str,
    by: str = SYSTEM,
) -> list[int]:
    """Take back what nobody has been told yet, because it is no longer true; returns their ids.

    Nobody is asked any more to let go what waited for a second person.
    """
    values = {
        "subject": about.subject,
        "types": [str(kind) for kind in kinds],
        "reason": reason,
        "by": by,
        "now": now,
    }
    withdrawn = list(session.execute(_WITHDRAW, values).scalars())
    for announcement_id in withdrawn:
        alarms.close_alarm(session, HELD_ALARM, str(announcement_id), now)
    return withdrawn
