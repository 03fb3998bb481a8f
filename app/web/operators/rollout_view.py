"""The rollout's figures as its page shows them: each number with the choice of orders behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from app.domain.rollout import (
    AGES,
    LAST_DAY,
    NONE,
    OPEN,
    PACE_WORKING_DAYS,
    RECENT_WORKING_DAYS,
    Choice,
    Flag,
    Group,
    Pace,
    last_working_days,
    pace,
    percent,
)
from app.domain.rollout_plan import PlanRow, planned_by, planned_curve
from app.queries.rollout_figures import Figures, PlaceCount, StockCount

_WEEK = timedelta(days=7)
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Number:
    """How many orders there are, and which they are."""

    count: int
    choice: Choice


@dataclass(frozen=True, slots=True)
class Due:
    """A row of the plan, and how many of its meters ought to hang since yesterday."""

    row: PlanRow
    due: int


@dataclass(frozen=True, slots=True)
class Headline:
    """The rollout in a few numbers; planned and gap are of the end of yesterday, None unplanned."""

    orders: Number
    installed: Number
    open: Number
    called_off: Number
    until_yesterday: Number
    planned: int | None
    gap: int | None
    percent: float | None
    visited: Number
    first_visit: Number
    first_visit_percent: float | None
    pace: Pace


@dataclass(frozen=True, slots=True)
class Week:
    """Where plan and work stood at the end of a day; installed is None in the future."""

    day: date
    planned: int
    installed: Number | None


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A wave or a municipality: what is planned, what is ordered and what is done."""

    name: str | None
    planned: int
    due: int
    orders: Number
    installed: Number
    open: Number
    percent: float | None
    due_percent: float | None


@dataclass(frozen=True, slots=True)
class CrewRow:
    """A crew in the last working days."""

    partner: str | None
    crew: str | None
    installed: Number
    days: int
    per_day: float


@dataclass(frozen=True, slots=True)
class BacklogRow:
    """Open orders of one state by how long they have been in it."""

    state: str
    total: Number
    ages: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Orders by the reason of their last failed visit."""

    reason: str
    orders: Number
    open: Number
    installed: Number


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A meter model: what hangs, what is asked for, and what lies in stock for it."""

    model: str | None
    installed: Number
    open: Number
    in_stock: int
    ordered: int
    lost: int
    missing: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the page shows, and that its files hold."""

    headline: Headline
    weeks: tuple[Week, ...]
    days: tuple[Number, ...]
    waves: tuple[PlaceRow, ...]
    areas: tuple[PlaceRow, ...]
    crews: tuple[CrewRow, ...]
    crew_from: date
    backlog: tuple[BacklogRow, ...]
    flags: dict[str, Number]
    reasons: tuple[ReasonRow, ...]
    models: tuple[ModelRow, ...]


def overview(
    figures: Figures,
    plan: Sequence[PlanRow],
    scope: Choice,
    today: date,
    days_off: Collection[date],
) -> Overview:
    """Lay the figures of a scope out against the plan of the same scope."""
    yesterday = today - timedelta(days=1)
    due = [Due(row, planned_by(row, yesterday, days_off)) for row in plan]
    return Overview(
        headline=_headline(figures, due, scope, today, days_off),
        weeks=tuple(_weeks(figures, plan, scope, today, days_off)),
        days=tuple(_days(figures, scope, today, days_off)),
        waves=_by_wave(figures, due, scope),
        areas=_by_area(figures, due, scope),
        crews=_crews(figures, scope, today, days_off),
        crew_from=last_working_days(today, PACE_WORKING_DAYS, days_off)[0],
        backlog=tuple(_backlog(figures, scope)),
        flags={
            flag: Number(count, replace(scope, flag=str(flag)))
            for flag, count in figures.flags.items()
        },
        reasons=tuple(
            ReasonRow(
                row.reason,
                Number(row.orders, replace(scope, reason=row.reason)),
                Number(row.open, replace(scope, reason=row.reason, group=str(Group.OPEN))),
                Number(
                    row.installed, replace(scope, reason=row.reason, group=str(Group.INSTALLED))
                ),
            )
            for row in figures.reasons
        ),
        models=tuple(_models(figures, scope)),
    )


def _headline(
    figures: Figures,
    due: Sequence[Due],
    scope: Choice,
    today: date,
    days_off: Collection[date],
) -> Headline:
    by_state = _by_state(figures)
    installed = sum(day.orders for day in figures.days)
    yesterday = today - timedelta(days=1)
    until_yesterday = sum(day.orders for day in figures.days if day.day < today)
    opened = sum(by_state[state] for state in OPEN)
    target = sum(each.row.meter_count for each in due) or installed + opened
    planned = sum(each.due for each in due) if due else None
    first = last_working_days(today, PACE_WORKING_DAYS, days_off)[0]
    lately = sum(day.orders for day in figures.days if first <= day.day < today)
    visited, first_visit = figures.flags[Flag.VISITED], figures.flags[Flag.FIRST_VISIT]
    ends_on = max((each.row.to_on for each in due), default=LAST_DAY)
    return Headline(
        orders=Number(sum(by_state.values()), scope),
        installed=Number(installed, replace(scope, group=str(Group.INSTALLED))),
        open=Number(opened, replace(scope, group=str(Group.OPEN))),
        called_off=Number(by_state["CANCELLED"], replace(scope, group=str(Group.CALLED_OFF))),
        until_yesterday=Number(until_yesterday, replace(scope, to_day=yesterday)),
        planned=planned,
        gap=None if planned is None else until_yesterday - planned,
        percent=percent(min(installed, target), target),
        visited=Number(visited, replace(scope, flag=str(Flag.VISITED))),
        first_visit=Number(first_visit, replace(scope, flag=str(Flag.FIRST_VISIT))),
        first_visit_percent=percent(first_visit, visited),
        pace=pace(lately, max(target - installed, 0), today, ends_on, days_off),
    )


def _by_state(figures: Figures) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in figures.states:
        counts[row.state] += row.orders
    return counts


def _weeks(
    figures: Figures,
    plan: Sequence[PlanRow],
    scope: Choice,
    today: date,
    days_off: Collection[date],
) -> Iterable[Week]:
    """The end of every week that the plan or the work touches, and today."""
    begins = [row.from_on for row in plan] + [day.day for day in figures.days[:1]]
    if not begins:
        return
    first, last = min(*begins, today), max([today, *(row.to_on for row in plan)])
    days = {first - timedelta(days=1), today, last}
    day = first + timedelta(days=_SUNDAY - first.weekday())
    while day < last:
        days.add(day)
        day += _WEEK
    ordered = sorted(days)
    counts = iter(figures.days)
    upcoming = next(counts, None)
    total = 0
    for day, planned in zip(ordered, planned_curve(plan, ordered, days_off), strict=True):
        while upcoming is not None and upcoming.day <= day:
            total += upcoming.orders
            upcoming = next(counts, None)
        installed = Number(total, replace(scope, to_day=day)) if day <= today else None
        yield Week(day, planned, installed)


def _days(
    figures: Figures, scope: Choice, today: date, days_off: Collection[date]
) -> Iterable[Number]:
    """The last working days, and days off on which somebody worked all the same."""
    counts = {row.day: row.orders for row in figures.days}
    recent = last_working_days(today, RECENT_WORKING_DAYS, days_off)
    busy = (day for day in counts if recent[0] <= day <= today)
    for day in sorted({*recent, today, *busy}):
        yield Number(counts.get(day, 0), replace(scope, from_day=day, to_day=day))


def _by_wave(figures: Figures, due: Sequence[Due], scope: Choice) -> tuple[PlaceRow, ...]:
    """In the order of the plan; what it does not have comes after it."""
    begins: dict[str | None, date] = {}
    for each in due:
        wave = each.row.wave
        begins[wave] = min(each.row.from_on, begins.get(wave, each.row.from_on))
    names = sorted(
        {row.wave for row in figures.places} | begins.keys(),
        key=lambda name: (begins.get(name, date.max), name is None, name or ""),
    )
    return tuple(
        _place(
            name,
            [each for each in due if each.row.wave == name],
            [row for row in figures.places if row.wave == name],
            replace(scope, wave=name or NONE),
        )
        for name in names
    )


def _by_area(figures: Figures, due: Sequence[Due], scope: Choice) -> tuple[PlaceRow, ...]:
    names = {row.area for row in figures.places} | {each.row.area for each in due}
    return tuple(
        _place(
            name,
            [each for each in due if each.row.area == name],
            [row for row in figures.places if row.area == name],
            replace(scope, area=name or NONE),
        )
        for name in sorted(names, key=lambda name: (name is None, name or ""))
    )


def _place(
    name: str | None, dues: Sequence[Due], counts: Sequence[PlaceCount], choice: Choice
) -> PlaceRow:
    orders = sum(row.orders for row in counts)
    installed = sum(row.installed for row in counts)
    planned, due = sum(each.row.meter_count for each in dues), sum(each.due for each in dues)
    whole = planned or orders
    return PlaceRow(
        name,
        planned,
        due,
        Number(orders, choice),
        Number(installed, replace(choice, group=str(Group.INSTALLED))),
        Number(sum(row.open for row in counts), replace(choice, group=str(Group.OPEN))),
        percent(min(installed, whole), whole),
        percent(due, planned),
    )


def _crews(
    figures: Figures, scope: Choice, today: date, days_off: Collection[date]
) -> tuple[CrewRow, ...]:
    """Who hung meters in the last working days, today included; the busiest first."""
    first = last_working_days(today, PACE_WORKING_DAYS, days_off)[0]
    found: dict[tuple[str | None, str | None], list[int]] = {}
    for row in figures.crews:
        if first <= row.day <= today:
            found.setdefault((row.partner, row.crew), []).append(row.orders)
    rows = (
        CrewRow(
            partner,
            crew,
            Number(
                sum(counts),
                replace(
                    scope,
                    partner=partner or NONE,
                    crew=crew or NONE,
                    from_day=first,
                    to_day=today,
                ),
            ),
            len(counts),
            sum(counts) / len(counts),
        )
        for (partner, crew), counts in found.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.installed.count, row.crew or "")))


def _backlog(figures: Figures, scope: Choice) -> Iterable[BacklogRow]:
    counts = {(row.state, row.age): row.orders for row in figures.states}
    for state in OPEN:
        ages = tuple(
            Number(counts.get((state, age), 0), replace(scope, state=str(state), age=age))
            for age in AGES
        )
        total = sum(number.count for number in ages)
        if total:
            yield BacklogRow(str(state), Number(total, replace(scope, state=str(state))), ages)


def _models(figures: Figures, scope: Choice) -> Iterable[ModelRow]:
    stock = {row.model: row for row in figures.stock}
    for row in figures.models:
        choice = replace(scope, model=row.model or NONE)
        known = stock.get(row.model or "") or StockCount(row.model or "", 0, 0, 0)
        yield ModelRow(
            row.model,
            Number(row.installed, replace(choice, group=str(Group.INSTALLED))),
            Number(row.open, replace(choice, group=str(Group.OPEN))),
            known.in_stock,
            known.ordered,
            known.lost,
            max(row.open - known.in_stock - known.ordered, 0) if row.model else 0,
        )
