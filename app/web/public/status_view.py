"""The public status in the reader's language: what page and frame show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext, ngettext

from app.web.formats import clock_time, day, moment, span, weekday


@dataclass(frozen=True, slots=True)
class Line:
    """What goes on in one area: all its faults, or one planned cut."""

    area: str
    faults: str
    when: str
    until: str
    cause: str
    customers: str
    updated: str


@dataclass(frozen=True, slots=True)
class Area:
    """One municipality with its faults."""

    code: str
    name: str
    summary: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class DayOfCuts:
    """The planned cuts of one day: (municipality, line)."""

    name: str
    lines: list[tuple[str, Line]]


@dataclass(frozen=True, slots=True)
class StatusView:
    """The whole page."""

    updated: str
    # A sentence when what is shown may be out of date.
    stale: str
    storms: list[str]
    summary: str
    tone: str
    areas: list[Area]
    days: list[DayOfCuts]


def status_view(
    snapshot: Mapping[str, Any], language: str, municipality: str | None = None
) -> StatusView:
    """Put the snapshot into words; only one municipality's part if one is given."""
    found = [
        one
        for one in snapshot["municipalities"]
        if municipality is None or one["code"] == municipality
    ]
    faulty = [one for one in found if one["faults"]]
    updated_at = _at(snapshot["updated_at"])
    return StatusView(
        updated=moment(updated_at),
        stale=_stale(snapshot),
        storms=[
            _storm(one, language)
            for one in snapshot["storms"]
            if municipality is None or municipality in [m["code"] for m in one["municipalities"]]
        ],
        summary=_summary(faulty),
        tone="warn" if faulty else "ok",
        areas=[_area(one, language) for one in faulty],
        days=_days(found, language),
    )


def customers_text(count: int | None) -> str:
    """How many customers; a small number is not told."""
    if count is None:
        return gettext("fewer than 5")
    return ngettext("%(num)d customer", "%(num)d customers", count)


def estimate_text(fault: Mapping[str, Any]) -> str:
    """When the power should be back, or why nobody says so."""
    if fault["etr_at"]:
        return moment(_at(fault["etr_at"]))
    if fault["etr_withheld"]:
        return gettext("given once the damage has been assessed")
    if fault["overdue"]:
        return gettext("being revised")
    return gettext("not known yet")


def _stale(snapshot: Mapping[str, Any]) -> str:
    if not snapshot["stale"]:
        return ""
    age = span(timedelta(seconds=snapshot["age_s"]))
    words = gettext("This information is %(age)s old and may be out of date.", age=age)
    return words + " " + gettext("Estimates that have passed are not shown.")


def _storm(storm: Mapping[str, Any], language: str) -> str:
    names = ", ".join(one["name"][language] for one in storm["municipalities"])
    if storm["assessed"]:
        return gettext("Widespread power cuts: %(areas)s.", areas=names)
    return gettext(
        "Widespread power cuts: %(areas)s. Repair estimates follow once the damage has been"
        " assessed. Keep away from fallen lines.",
        areas=names,
    )


def _summary(faulty: Sequence[Mapping[str, Any]]) -> str:
    if not faulty:
        return gettext("No faults are known.")
    outages = {fault["outage"] for one in faulty for fault in one["faults"]}
    words = ngettext("%(num)d fault", "%(num)d faults", len(outages))
    return f"{words}. {_without_power(faulty)}"


def _without_power(found: Sequence[Mapping[str, Any]]) -> str:
    known = sum(one["customers"] for one in found)
    hidden = sum(one["hidden_count"] for one in found)
    if not known:
        return gettext("Fewer than 5 customers in each area are without power.")
    words = ngettext(
        "%(num)d customer is without power", "%(num)d customers are without power", known
    )
    if hidden:
        more = ngettext(
            "and fewer than 5 in %(num)d more area",
            "and fewer than 5 in %(num)d more areas",
            hidden,
        )
        words = f"{words}, {more}"
    return words + "."


def _area(one: Mapping[str, Any], language: str) -> Area:
    faults = ngettext("%(num)d fault", "%(num)d faults", one["fault_count"])
    return Area(
        code=one["code"],
        name=one["name"][language],
        summary=f"{faults}. {_without_power([one])}",
        lines=[_line(faults, language) for faults in _by_place(one["faults"])],
    )


def _by_place(faults: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The faults of each area together; in a storm one has dozens."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for fault in faults:
        found.setdefault(fault["postal_code"], []).append(fault)
    return [found[code] for code in sorted(found)]


def _line(faults: Sequence[Mapping[str, Any]], language: str) -> Line:
    """All faults of one area; numbers that are hidden stay so, since only shown ones are summed."""
    shown = [fault["customers"] for fault in faults if fault["customers"] is not None]
    customers = customers_text(sum(shown) if shown else None)
    if shown and len(shown) < len(faults):
        customers = gettext("over %(customers)s", customers=customers)
    return Line(
        area=_place(faults[0]),
        faults=ngettext("%(num)d fault", "%(num)d faults", len(faults)),
        when=moment(min(_at(fault["started_at"]) for fault in faults)),
        until=_estimates(faults),
        cause=", ".join(dict.fromkeys(fault["cause"][language] for fault in faults)),
        customers=customers,
        updated=moment(max(_at(fault["updated_at"]) for fault in faults)),
    )


def _estimates(faults: Sequence[Mapping[str, Any]]) -> str:
    """The last of the estimates, and whether some faults have none."""
    known = [fault for fault in faults if fault["etr_at"]]
    if not known:
        return estimate_text(faults[0])
    last = estimate_text(max(known, key=lambda fault: _at(fault["etr_at"])))
    if len(known) < len(faults):
        return gettext("%(when)s, not known for all faults", when=last)
    return last


def _days(found: Sequence[Mapping[str, Any]], language: str) -> list[DayOfCuts]:
    cuts = sorted(
        ((cut["from_at"], one, cut) for one in found for cut in one["planned"]),
        key=lambda item: (item[0], item[1]["name"][language], item[2]["postal_code"]),
    )
    days: list[DayOfCuts] = []
    for from_at, one, cut in cuts:
        begin = _at(from_at)
        name = weekday(begin)
        if not days or days[-1].name != name:
            days.append(DayOfCuts(name, []))
        line = Line(
            area=_place(cut),
            faults="",
            when=clock_time(begin),
            until=_planned_end(begin, cut),
            cause=cut["cause"][language],
            customers=customers_text(cut["customers"]),
            updated="",
        )
        days[-1].lines.append((one["name"][language], line))
    return days


def _planned_end(begin: datetime, cut: Mapping[str, Any]) -> str:
    """Until when by plan; nothing where it takes longer and nobody has said how long."""
    if cut["to_at"] is None:
        return ""
    end = _at(cut["to_at"])
    return clock_time(end) if day(begin) == day(end) else moment(end)


def _place(cut: Mapping[str, Any]) -> str:
    return " ".join(part for part in (cut["postal_code"], cut["post_office"]) if part) or "–"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
