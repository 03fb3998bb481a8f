"""What steers sending: providers' routes, rates, the stop, and the money that may be spent."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, On, Str


class ProviderRoute(Model):
    """One way to a channel's recipients: an account at a provider, with its own circuit breaker.

    account names the settings that hold its credentials (twilio, twilio2, sendgrid).
    """

    __tablename__ = "provider_route"

    code: Mapped[Str] = mapped_column(primary_key=True)
    channel: Mapped[Str]
    adapter: Mapped[Str]
    account: Mapped[Str]
    # Its share of the messages among the routes of its channel that work.
    weight: Mapped[int]
    active: Mapped[bool]
    # Calls a second over all processes; None means no limit.
    rate_per_s: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[At | None]
    open_until: Mapped[At | None]
    last_error: Mapped[Str | None]
    last_sent_at: Mapped[At | None]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]


class ProviderRouteChange(Model):
    """Append-only history of the routes: how each was set, by whom and why."""

    __tablename__ = "provider_route_change"
    __table_args__ = (Index("ix_provider_route_change_route", "route", "id"),)

    id: Mapped[Id]
    route: Mapped[Str]
    weight: Mapped[int]
    active: Mapped[bool]
    rate_per_s: Mapped[int | None]
    reason: Mapped[Str]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]


class RateBucket(Model):
    """The tokens of one limit (lane:sms, route:twilio), shared by every process."""

    __tablename__ = "rate_bucket"

    name: Mapped[Str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[At]


class SendingStop(Model):
    """A channel on which nothing may leave now; no row means that it may."""

    __tablename__ = "sending_stop"

    channel: Mapped[Str] = mapped_column(primary_key=True)
    # Codes and replies that people wait for may still leave.
    keep_service: Mapped[bool]
    reason: Mapped[Str]
    stopped_by: Mapped[Str]
    stopped_at: Mapped[At]


class SpendHour(Model):
    """What messages that left, or may have left, cost in one hour of UTC."""

    __tablename__ = "spend_hour"

    hour_at: Mapped[At] = mapped_column(primary_key=True)
    millicents: Mapped[Big]


class BudgetRaise(Model):
    """Append-only: money that somebody added to the limits of one day."""

    __tablename__ = "budget_raise"
    __table_args__ = (Index("ix_budget_raise_on_day", "on_day"),)

    id: Mapped[Id]
    on_day: Mapped[On]
    extra_cents: Mapped[Big]
    reason: Mapped[Str]
    raised_by: Mapped[Str]
    raised_at: Mapped[At]
