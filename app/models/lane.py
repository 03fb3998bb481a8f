"""The state of a lane: paused or not, and its circuit breaker."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, On, Str


class Lane(Model):
    """One lane; sends is False for lanes that only work inside the product."""

    __tablename__ = "lane"

    name: Mapped[Str] = mapped_column(primary_key=True)
    sends: Mapped[bool]
    mode: Mapped[Str]
    # The network whose workers or runners drain it; nobody else may claim from it.
    zone: Mapped[Str] = mapped_column(default="central", server_default="central")
    paused: Mapped[bool] = mapped_column(default=False)
    # Items under way at once in one process; what the attempts of one commit are bounded by.
    in_flight_count: Mapped[int]
    # Items a second over all processes; None means no limit.
    rate_per_s: Mapped[int | None]
    # Items a day in Finland that may reach the receiver; None means any number.
    day_cap: Mapped[int | None]
    # Opening hours as app/domain/opening_hours.py reads them; None means always open.
    hours: Mapped[Str | None]
    # What has reached the receiver on day_on, or may have; an older day counts as nothing.
    day_on: Mapped[On | None]
    day_count: Mapped[int] = mapped_column(default=0, server_default="0")
    # Closed or used up until then, as the last drain found it; spares the dispatcher the bell.
    rests_until: Mapped[At | None]
    max_attempts: Mapped[int]
    # Failed calls in a row that blame the receiver; the circuit opens at the limit of the domain.
    failures: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[At | None]
    open_until: Mapped[At | None]
    last_error: Mapped[Str | None]
    last_sent_at: Mapped[At | None]
