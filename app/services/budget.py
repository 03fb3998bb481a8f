"""The money that messages may cost in an hour and in a day, and what they have cost.

What would exceed a limit stays where it waits, with an alarm, until the next hour or day begins or
somebody adds to the day's money. What saves lives and what somebody asked for always leaves, and
counts. A call that surely did not reach the provider is taken off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.domain.clock import HELSINKI, helsinki_day
from app.domain.lanes import NOTICE_LANES, SMS
from app.domain.notice_types import TOPIC_PRIORITY, Topic
from app.doorbell import ring_after_commit
from app.models.sending import BudgetRaise
from app.services import alarms, audit
from app.settings import Settings

ALARM = "BUDGET_SPENT"
_SUBJECT = "messages"
# From the most to the least urgent priority that no budget stops.
EXEMPT = (TOPIC_PRIORITY[Topic.SAFETY], TOPIC_PRIORITY[Topic.SERVICE])
_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Prices:
    """What one part of a text message and one e-mail cost, in thousandths of a cent."""

    sms_part: int = 0
    email: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Prices:
        """The prices of the settings."""
        return cls(
            round(settings.sms_part_price_cents * _MILLI),
            round(settings.email_price_cents * _MILLI),
        )

    def unit(self, lane: str) -> int:
        """The least that a message of a lane can cost."""
        return self.sms_part if lane == SMS else self.email


FREE = Prices()


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits and spending of this hour and this day, in thousandths of a cent; limit 0 is none."""

    hour_spent: int
    day_spent: int
    hour_limit: int
    day_limit: int
    extra: int

    @property
    def left(self) -> int | None:
        """What may still be spent now; None means any sum."""
        rooms = [
            limit + self.extra - spent
            for limit, spent in (
                (self.hour_limit, self.hour_spent),
                (self.day_limit, self.day_spent),
            )
            if limit
        ]
        return max(0, min(rooms)) if rooms else None


_SPENT = text(
    """
    SELECT coalesce(sum(millicents) FILTER (WHERE hour_at = :hour), 0) AS hour,
        coalesce(sum(millicents), 0) AS day,
        (SELECT coalesce(sum(extra_cents), 0) FROM budget_raise WHERE on_day = :day) AS extra
    FROM spend_hour WHERE hour_at >= :begin AND hour_at < :end
    """
)


def read(session: Session, settings: Settings, now: datetime) -> Budget:
    """Where the spending stands."""
    day = helsinki_day(now)
    row = session.execute(
        _SPENT,
        {"hour": _hour(now), "day": day, "begin": _midnight(day), "end": _midnight(day, 1)},
    ).one()
    return Budget(
        hour_spent=int(row.hour),
        day_spent=int(row.day),
        hour_limit=settings.budget_hour_cents * _MILLI,
        day_limit=settings.budget_day_cents * _MILLI,
        extra=int(row.extra) * _MILLI,
    )


_LOCK = text(
    "INSERT INTO spend_hour AS s (hour_at, millicents) VALUES (:hour, 0)"
    " ON CONFLICT (hour_at) DO UPDATE SET millicents = s.millicents"
)
_ADD = text(
    "INSERT INTO spend_hour AS s (hour_at, millicents) VALUES (:hour, greatest(0, :sum))"
    " ON CONFLICT (hour_at) DO UPDATE SET millicents = greatest(0, s.millicents + :sum)"
)


def read_locked(session: Session, settings: Settings, now: datetime) -> Budget:
    """The same; where there is a limit, nobody else spends until the commit."""
    if settings.budget_hour_cents or settings.budget_day_cents:
        session.execute(_LOCK, {"hour": _hour(now)})
    return read(session, settings, now)


def spend(session: Session, millicents: int, now: datetime) -> None:
    """Add to this hour's spending; less than nothing takes back what no call has cost.

    Every sender waits for the row from here to the commit, so it comes late.
    """
    if millicents:
        session.execute(_ADD, {"hour": _hour(now), "sum": millicents})


_COSTS = text(
    "SELECT id, channel, coalesce(segments, 1) FROM notice WHERE id = ANY(CAST(:ids AS bigint[]))"
)


def costs_of(session: Session, notice_ids: Sequence[int], prices: Prices) -> dict[int, int]:
    """What one call for each of the notices costs."""
    if prices == FREE or not notice_ids:
        return {}
    rows = session.execute(_COSTS, {"ids": plain_array(notice_ids)})
    return {
        id_: parts * prices.sms_part if channel == "SMS" else prices.email
        for id_, channel, parts in rows
    }


def what_fits(items: Sequence[tuple[int, int, int]], left: int | None) -> set[int]:
    """Which of (item, priority, cost) may leave with what is left."""
    fits: set[int] = set()
    total = 0
    for item, priority, cost in items:
        exempt = EXEMPT[0] <= priority <= EXEMPT[1]
        if exempt or left is None or total + cost <= left:
            fits.add(item)
            total += cost
    return fits


def add_for_today(
    session: Session, extra_cents: int, *, reason: str, by: str, now: datetime
) -> None:
    """Let today's messages cost more; both limits are raised until midnight in Helsinki."""
    day = helsinki_day(now)
    session.execute(
        insert(BudgetRaise).values(
            on_day=day, extra_cents=extra_cents, reason=reason, raised_by=by, raised_at=now
        )
    )
    detail = {"extra_cents": extra_cents, "reason": reason}
    audit.record(session, by, "BUDGET_RAISED", f"day:{day.isoformat()}", detail, now)
    for lane in NOTICE_LANES:
        ring_after_commit(lane)


def note_spent(session: Session, budget: Budget, now: datetime) -> None:
    """Raise the alarm: messages wait for money."""
    which = (
        "hour"
        if budget.hour_limit
        and budget.left == max(0, budget.hour_limit + budget.extra - budget.hour_spent)
        else "day"
    )
    words = f"The money for this {which} is spent; messages wait for the next or for more."
    alarms.open_alarm(session, ALARM, _SUBJECT, words, now)


def watch(session: Session, settings: Settings, now: datetime) -> None:
    """End the alarm once there is money again."""
    left = read(session, settings, now).left
    if left is None or left >= max(Prices.of(settings).sms_part, Prices.of(settings).email, 1):
        alarms.close_alarm(session, ALARM, _SUBJECT, now)


def _hour(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(day: date, days: int = 0) -> datetime:
    return datetime.combine(day + timedelta(days=days), time(0), HELSINKI).astimezone(UTC)
