"""What announcing a planned cut would come to: people, channels, parts, cost, letters.

Worked out by the planner itself without writing anything, so that what is shown before approval is
what happens after it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.notice_policy import Action
from app.domain.notice_types import NOTICE_RULES, TOPIC_PRIORITY, Channel, NoticeType
from app.domain.working_days import is_in_time, latest_notice_at
from app.models.announcement import Announcement
from app.services import notice_plan
from app.services.holiday_calendar import days_off
from app.services.planned_rows import Plan, facts_of, find
from app.settings import Settings

_NOTICE = NoticeType.PLANNED_NOTICE


@dataclass(frozen=True, slots=True)
class Letter:
    """A customer whom no message can reach: the notice is owed on paper."""

    customer_id: str
    name: str
    gsrn: str
    street: str
    postal_code: str
    post_office: str
    language: str
    safety_ban: bool


@dataclass(slots=True)
class Preview:
    """Numbers that somebody looks at before letting a plan go.

    messages: by channel and language; sample: a text per language as it would read; suppressed:
    contacts that get nothing, by reason; vacant: points without a customer.
    """

    points: int = 0
    customers: int = 0
    vacant: int = 0
    banned: int = 0
    priority: int = 0
    held: int = 0
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    parts: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)
    sample: dict[str, str] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    cost_cents: float = 0.0
    in_time: bool = True
    latest_at: datetime | None = None

    @property
    def message_count(self) -> int:
        return self.messages.total()

    def of_channel(self, channel: str) -> int:
        """How many messages go by this channel."""
        return sum(count for (by, _), count in self.messages.items() if by == channel)

    def of_language(self, language: str) -> int:
        """How many messages are in this language."""
        return sum(count for (_, said), count in self.messages.items() if said == language)


def preview(session: Session, outage_id: int, settings: Settings, now: datetime) -> Preview | None:
    """The numbers of a plan that is not announced yet, None if there is no such plan."""
    plan = find(session, outage_id)
    if plan is None:
        return None
    told_at = max(plan.cut.announce_at or now, now)
    off = days_off(plan.from_at)
    found = Preview(
        in_time=is_in_time(plan.from_at, told_at, off),
        latest_at=latest_notice_at(plan.from_at, off),
    )
    reached = _rehearse(session, plan, found, settings, now)
    _count_people(session, plan, found, reached, now)
    found.cost_cents = (
        found.parts * settings.sms_part_price_cents
        + found.of_channel(Channel.EMAIL) * settings.email_price_cents
        + len(found.letters) * settings.letter_price_cents
    )
    return found


@dataclass(slots=True)
class _Reached:
    customers: set[str] = field(default_factory=set)
    addresses: set[tuple[str, str]] = field(default_factory=set)


def _rehearse(
    session: Session, plan: Plan, found: Preview, settings: Settings, now: datetime
) -> _Reached:
    reached = _Reached()
    topic = NOTICE_RULES[_NOTICE].topic
    announcement = Announcement(
        type=_NOTICE,
        topic=topic,
        priority=TOPIC_PRIORITY[topic],
        subject=f"outage:{plan.id}",
        outage_id=plan.id,
        event_at=now,
        facts=facts_of(plan),
    )
    for one in notice_plan.rehearse(session, announcement, settings, now):
        decision, contact = one.telling.decision, one.recipient.contact
        if one.rendered is None or contact is None:
            if decision.reason is not None and one.recipient.customer_id:
                found.suppressed[decision.reason] += 1
            continue
        found.held += decision.action is Action.HOLD
        found.messages[contact.channel, one.recipient.language] += 1
        found.parts += one.rendered.segments or 0
        if contact.channel is Channel.SMS:
            found.sample.setdefault(one.recipient.language, one.rendered.body)
        reached.customers.add(one.recipient.customer_id)
        reached.addresses.add((contact.channel, contact.value))
    return reached


_PEOPLE = text(
    """
    SELECT p.gsrn, c.cis_id, c.name, c.language, c.personal_safety_ban, c.priority_flag,
        concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment) AS street,
        coalesce(m.postal_code, '') AS postal_code, coalesce(m.post_office, '') AS post_office,
        (SELECT array_agg(k.kind || ' ' || k.value) FROM contact k
            WHERE k.customer_id = c.cis_id AND k.state <> 'REMOVED') AS addresses
    FROM outage_point p
    JOIN metering_point m ON m.gsrn = p.gsrn
    LEFT JOIN occupancy o ON o.gsrn = p.gsrn AND o.moved_in_on <= :on
        AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on)
    LEFT JOIN customer c ON c.cis_id = o.customer_id AND c.active
    WHERE p.outage_id = :id ORDER BY c.cis_id, p.gsrn
    """
)


def _count_people(
    session: Session, plan: Plan, found: Preview, reached: _Reached, now: datetime
) -> None:
    gsrns: set[str] = set()
    lived_in: set[str] = set()
    seen: dict[str, RowMapping] = {}
    for row in session.execute(_PEOPLE, {"id": plan.id, "on": helsinki_day(now)}).mappings():
        gsrns.add(row["gsrn"])
        if row["cis_id"] is None:
            continue
        lived_in.add(row["gsrn"])
        if row["cis_id"] in seen:
            continue
        seen[row["cis_id"]] = row
        found.banned += row["personal_safety_ban"]
        found.priority += row["priority_flag"]
        # A phone that two customers share gets one text for both of them.
        shared = {tuple(each.split(" ", 1)) for each in row["addresses"] or ()}
        if row["cis_id"] not in reached.customers and not shared & reached.addresses:
            found.letters.append(_letter(row))
    found.points, found.customers = len(gsrns), len(seen)
    found.vacant = len(gsrns - lived_in)


def _letter(row: RowMapping) -> Letter:
    return Letter(
        customer_id=str(row["cis_id"]),
        name=str(row["name"]),
        gsrn=str(row["gsrn"]),
        street=str(row["street"]),
        postal_code=str(row["postal_code"]),
        post_office=str(row["post_office"]),
        language=str(row["language"]),
        safety_ban=bool(row["personal_safety_ban"]),
    )
