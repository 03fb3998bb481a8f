"""The figures of the rollout, counted from the narrow copy of its orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.rollout import OPEN, Choice
from app.queries.rollout_choice import AGE, FLAGS, moments, states, where

# Days of which the crews' single installations are kept; more than the pages look back.
_CREW_DAYS = 70


@dataclass(frozen=True, slots=True)
class StateCount:
    """Orders of one state that have been in it for one of AGES."""

    state: str
    age: int
    orders: int


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """Orders of one wave in one municipality."""

    wave: str | None
    area: str | None
    orders: int
    installed: int
    open: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """Installations of one day."""

    day: date
    orders: int


@dataclass(frozen=True, slots=True)
class CrewDay:
    """Installations of one crew on one day."""

    partner: str | None
    crew: str | None
    day: date
    orders: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Orders whose last failed visit failed for one reason: how many of them wait, or are done."""

    reason: str
    orders: int
    open: int
    installed: int


@dataclass(frozen=True, slots=True)
class ModelCount:
    """Orders that ask for one meter model."""

    model: str | None
    open: int
    installed: int


@dataclass(frozen=True, slots=True)
class StockCount:
    """Meters of one model that hang nowhere."""

    model: str
    ordered: int
    in_stock: int
    lost: int


@dataclass(frozen=True, slots=True)
class AreaPoint:
    """Where the metering points of a municipality are in the middle, and how many they are."""

    area: str
    points: int
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one choice at one moment; flags are counts by the names of Flag."""

    states: list[StateCount]
    flags: dict[str, int]
    places: list[PlaceCount]
    days: list[DayCount]
    crews: list[CrewDay]
    reasons: list[ReasonCount]
    models: list[ModelCount]
    stock: list[StockCount]
    areas: list[AreaPoint]
    # More orders had changed than one round takes: some are still told of as they were before.
    behind: bool = False


def count(
    session: Session,
    choice: Choice,
    as_of: datetime,
    silent_days: int,
    whole: Figures | None = None,
) -> Figures:
    """Count; the caller holds a snapshot, or the figures may tell of different moments.

    whole: what was counted of the whole at that moment: meters and places are the same for a part.
    """
    condition, values = where(choice)
    values = {**values, **moments(as_of, silent_days)}
    today = helsinki_day(as_of)

    def ask(statement: str, **more: Any) -> Any:
        return session.execute(text(statement.replace("{where}", condition)), {**values, **more})

    flags = ask(_FLAGS).one()
    return Figures(
        states=[StateCount(*row) for row in ask(_STATES)],
        flags=dict(zip(FLAGS, flags, strict=True)),
        places=[PlaceCount(*row) for row in ask(_PLACES)],
        days=[DayCount(*row) for row in ask(_DAYS)],
        crews=[CrewDay(*row) for row in ask(_CREWS, since=today - timedelta(days=_CREW_DAYS))],
        reasons=[ReasonCount(*row) for row in ask(_REASONS)],
        models=[ModelCount(*row) for row in ask(_MODELS)],
        stock=whole.stock if whole else [StockCount(*row) for row in session.execute(_STOCK)],
        areas=whole.areas if whole else [AreaPoint(*row) for row in session.execute(_AREAS)],
    )


_STATES = f"""
    SELECT r.state, {AGE} AS age, count(*) FROM rollout_order r WHERE {{where}} GROUP BY 1, 2
    ORDER BY 1, 2
"""  # noqa: S608 - our own constants, here and below.
_COUNTS = ", ".join(f"count(*) FILTER (WHERE {words})" for words in FLAGS.values())
_FLAGS = f"SELECT {_COUNTS} FROM rollout_order r WHERE {{where}}"  # noqa: S608
_PLACES = f"""
    SELECT r.wave, r.municipality_code, count(*),
        count(*) FILTER (WHERE r.installed_on IS NOT NULL),
        count(*) FILTER (WHERE r.state IN {states(OPEN)})
    FROM rollout_order r WHERE {{where}} GROUP BY 1, 2 ORDER BY 1 NULLS LAST, 2 NULLS LAST
"""  # noqa: S608
_DAYS = """
    SELECT r.installed_on, count(*) FROM rollout_order r
    WHERE {where} AND r.installed_on IS NOT NULL GROUP BY 1 ORDER BY 1
"""
_CREWS = """
    SELECT r.partner_code, r.crew, r.installed_on, count(*) FROM rollout_order r
    WHERE {where} AND r.installed_on >= :since GROUP BY 1, 2, 3
    ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3
"""
_REASONS = f"""
    SELECT r.failed_reason, count(*), count(*) FILTER (WHERE r.state IN {states(OPEN)}),
        count(*) FILTER (WHERE r.installed_on IS NOT NULL)
    FROM rollout_order r WHERE {{where}} AND r.failed_reason IS NOT NULL GROUP BY 1
    ORDER BY 2 DESC, 1
"""  # noqa: S608
_MODELS = f"""
    SELECT r.model, count(*) FILTER (WHERE r.state IN {states(OPEN)}),
        count(*) FILTER (WHERE r.installed_on IS NOT NULL)
    FROM rollout_order r WHERE {{where}} GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST
"""  # noqa: S608
_STOCK = text(
    """
    SELECT model, count(*) FILTER (WHERE state = 'ORDERED'),
        count(*) FILTER (WHERE state IN ('DELIVERED', 'ALLOCATED')),
        count(*) FILTER (WHERE state IN ('LOST', 'FAULTY'))
    FROM meter WHERE model IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
_AREAS = text(
    """
    SELECT municipality_code, count(*), avg(lat), avg(lon) FROM metering_point
    WHERE municipality_code IS NOT NULL AND lat BETWEEN 58 AND 71 AND lon BETWEEN 18 AND 33
    GROUP BY 1 ORDER BY 1
    """
)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures that were counted last; took_ms is how long that took."""

    as_of_at: datetime
    took_ms: int
    reread_after: str
    figures: dict[str, Any]


def find_summary(session: Session) -> Summary | None:
    """The last summary, or None before the first."""
    statement = text(
        "SELECT as_of_at, took_ms, reread_after, figures FROM rollout_summary WHERE id = 1"
    )
    row = session.execute(statement).one_or_none()
    return Summary(*row) if row is not None else None
