"""Sending at a glance: the routes with their state and history, and the money of the last days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route of a provider."""

    code: str
    channel: str
    adapter: str
    weight: int
    active: bool
    rate_per_s: int | None
    open_until: datetime | None
    last_error: str | None
    last_sent_at: datetime | None
    changed_by: str
    changed_at: datetime
    bound: int

    def circuit(self, now: datetime) -> str:
        """OFF (by an operator), OPEN (no calls now), TRYING (one may pass), STANDBY or CLOSED."""
        if not self.active:
            return "OFF"
        if self.open_until is not None:
            return "OPEN" if self.open_until > now else "TRYING"
        return "CLOSED" if self.weight else "STANDBY"


@dataclass(frozen=True, slots=True)
class RouteChange:
    """How a route was set once."""

    weight: int
    active: bool
    rate_per_s: int | None
    reason: str
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class BudgetRaiseRow:
    """Money that somebody added to a day."""

    on_day: date
    extra_cents: int
    reason: str
    raised_by: str
    raised_at: datetime


_ROUTES = text(
    """
    SELECT r.code, r.channel, r.adapter, r.weight, r.active, r.rate_per_s, r.open_until,
        r.last_error, r.last_sent_at, r.changed_by, r.changed_at,
        (SELECT count(*) FROM outbox_item i
         WHERE i.lane = CASE r.channel WHEN 'SMS' THEN 'sms' ELSE 'email' END
           AND i.state = 'UNKNOWN' AND i.route = r.code) AS bound
    FROM provider_route r
    WHERE CAST(:code AS text) IS NULL OR r.code = :code
    ORDER BY r.channel DESC, r.weight DESC, r.code
    """
)
_CHANGES = text(
    """
    SELECT weight, active, rate_per_s, reason, changed_by, changed_at
    FROM provider_route_change WHERE route = :code ORDER BY id DESC LIMIT :limit
    """
)
_RAISES = text(
    """
    SELECT on_day, extra_cents, reason, raised_by, raised_at
    FROM budget_raise ORDER BY id DESC LIMIT :limit
    """
)


def all_routes(session: Session) -> list[RouteRow]:
    """Every route, by channel."""
    return [RouteRow(*row) for row in session.execute(_ROUTES, {"code": None})]


def find_route(session: Session, code: str) -> RouteRow | None:
    """One route, or None."""
    row = session.execute(_ROUTES, {"code": code}).one_or_none()
    return None if row is None else RouteRow(*row)


def changes_of(session: Session, code: str, limit: int) -> list[RouteChange]:
    """How a route was set before, the newest first."""
    return [RouteChange(*row) for row in session.execute(_CHANGES, {"code": code, "limit": limit})]


def budget_raises(session: Session, limit: int) -> list[BudgetRaiseRow]:
    """Who added money to which day, the newest first."""
    return [BudgetRaiseRow(*row) for row in session.execute(_RAISES, {"limit": limit})]


def lane_rates(session: Session) -> dict[str, int | None]:
    """The limit of each lane that carries messages."""
    rows = session.execute(
        text("SELECT name, rate_per_s FROM lane WHERE name IN ('sms', 'email') ORDER BY name DESC")
    )
    return {row.name: row.rate_per_s for row in rows}
