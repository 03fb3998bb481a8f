"""What the public may know of outages: by municipality and area, small numbers hidden.

The smallest thing that is published is what one outage does to one area, with its own number of
customers, hidden where it is below five. Every larger number is a sum of published ones, so that none
of the hidden ones can be worked out by taking one from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.cause_codes import cause_shown
from app.domain.clock import helsinki_day
from app.domain.languages import Language, Names
from app.domain.municipalities import municipality_names

# Fewer customers than this are told as "fewer than 5".
SHOWN_FROM = 5
STALE_AFTER = timedelta(minutes=5)
# The phone system reads slower things than a page shows (REQ-22).
BULLETIN_STALE_AFTER = timedelta(minutes=30)
DAYS_AHEAD = 7
FORMAT = 1
# Points whose municipality nobody has told us.
_ELSEWHERE = Names("muu alue", "annat område", "other area")


@dataclass(frozen=True, slots=True)
class Cut:
    """What one outage does to one area of one municipality."""

    outage_id: int
    municipality_code: str
    postal_code: str
    post_office: str
    customers: int
    cause_code: str | None
    started_at: datetime
    updated_at: datetime
    # Of a fault its estimate; of a planned cut its planned end.
    until: datetime | None
    planned: bool
    # A planned cut that goes on after its planned end.
    overrun: bool = False


@dataclass(frozen=True, slots=True)
class StormArea:
    """A storm that is under way in some municipalities."""

    name: str
    municipality_codes: Sequence[str]
    started_at: datetime
    assessed: bool


def build_snapshot(
    cuts: Iterable[Cut], storms: Sequence[StormArea], now: datetime
) -> dict[str, Any]:
    """Everything that pages and the phone system need, as JSON."""
    unassessed = {code for one in storms if not one.assessed for code in one.municipality_codes}
    grouped: dict[str, list[Cut]] = {}
    for cut in cuts:
        grouped.setdefault(cut.municipality_code, []).append(cut)
    return {
        "format": FORMAT,
        "updated_at": _iso(now),
        "storms": [
            {
                "name": one.name,
                "started_at": _iso(one.started_at),
                "assessed": one.assessed,
                "municipalities": [
                    {"code": code, "name": _names(municipality_names(code))}
                    for code in one.municipality_codes
                ],
            }
            for one in storms
        ],
        "municipalities": [
            _municipality(code, found, now, withheld=code in unassessed)
            for code, found in sorted(grouped.items(), key=lambda item: _place_names(item[0]).fi)
        ],
    }


def still_true(snapshot: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The snapshot as it may be shown at a later moment: no estimate that has passed meanwhile.

    stale tells that it is older than five minutes.
    """
    updated_at = datetime.fromisoformat(snapshot["updated_at"])
    return {
        **snapshot,
        "age_s": max(0, int((now - updated_at).total_seconds())),
        "stale": now - updated_at > STALE_AFTER,
        "municipalities": [
            {
                **one,
                "faults": [_in_time(fault, now) for fault in one["faults"]],
                "planned": [
                    _end_in_time(cut, now)
                    for cut in one["planned"]
                    # A file of an older release does not say so.
                    if cut.get("overrun") or _moment(cut["to_at"]) > now
                ],
            }
            for one in snapshot["municipalities"]
        ],
    }


def _municipality(
    code: str, cuts: Sequence[Cut], now: datetime, *, withheld: bool
) -> dict[str, Any]:
    faults = sorted((cut for cut in cuts if not cut.planned), key=lambda cut: cut.started_at)
    last_day = helsinki_day(now) + timedelta(days=DAYS_AHEAD)
    planned = [cut for cut in cuts if cut.planned and helsinki_day(cut.started_at) <= last_day]
    shown = [cut.customers for cut in faults if cut.customers >= SHOWN_FROM]
    return {
        "code": code,
        "name": _names(_place_names(code)),
        "fault_count": len({cut.outage_id for cut in faults}),
        # Customers in the areas whose numbers are shown, and how many areas are not.
        "customers": sum(shown),
        "hidden_count": len(faults) - len(shown),
        "faults": [_fault(cut, withheld=withheld) for cut in faults],
        "planned": [_plan(cut) for cut in sorted(planned, key=lambda cut: cut.started_at)],
    }


def _fault(cut: Cut, *, withheld: bool) -> dict[str, Any]:
    return {
        **_place(cut),
        "started_at": _iso(cut.started_at),
        "updated_at": _iso(cut.updated_at),
        # No single estimate before damage has been assessed (REQ-08).
        "etr_at": None if withheld or cut.until is None else _iso(cut.until),
        "etr_withheld": withheld,
    }


def _plan(cut: Cut) -> dict[str, Any]:
    return {
        **_place(cut),
        "from_at": _iso(cut.started_at),
        "to_at": _iso(cut.until or cut.started_at),
        "overrun": cut.overrun,
    }


def _place(cut: Cut) -> dict[str, Any]:
    return {
        "outage": cut.outage_id,
        "postal_code": cut.postal_code,
        "post_office": cut.post_office,
        "customers": cut.customers if cut.customers >= SHOWN_FROM else None,
        "cause": _names(cause_shown(cut.cause_code)),
    }


def _in_time(fault: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fault without an estimate that has passed (REQ-06); overdue says that there was one."""
    etr_at = fault["etr_at"]
    passed = etr_at is not None and _moment(etr_at) <= now
    return {**fault, "etr_at": None if passed else etr_at, "overdue": passed}


def _end_in_time(cut: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A cut that goes on although its end has passed has none that anybody knows (REQ-17)."""
    return {**cut, "to_at": cut["to_at"] if _moment(cut["to_at"]) > now else None}


def _place_names(code: str) -> Names:
    return municipality_names(code) if code else _ELSEWHERE


def _names(names: Names) -> dict[str, str]:
    return {language.value: names.in_language(language) for language in Language}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
