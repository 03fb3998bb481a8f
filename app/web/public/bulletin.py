"""The status as a voice reads it on the phone: whole sentences, no signs, no abbreviations (REQ-22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask_babel import gettext, ngettext

from app.domain.clock import helsinki_day
from app.domain.public_status import BULLETIN_STALE_AFTER
from app.web.clock import now
from app.web.formats import clock_time, day


def bulletin(snapshot: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The whole bulletin, and each area's part for a system that asks for the caller's area."""
    at = now()
    updated_at = datetime.fromisoformat(snapshot["updated_at"])
    stale = at - updated_at > BULLETIN_STALE_AFTER
    opening = list(_opening(snapshot, updated_at, stale=stale, language=language))
    areas = [
        {
            "code": one["code"],
            "name": one["name"][language],
            "updated_at": _updated_at(one),
            "stale": _is_stale(one, at),
            "text": " ".join(_of_area(one, language, at)),
        }
        for one in snapshot["municipalities"]
        if one["faults"] or _today(one, at)
    ]
    return {
        "language": language,
        "updated_at": snapshot["updated_at"],
        "stale": stale,
        "opening": " ".join(opening),
        "areas": areas,
        "text": "\n".join([" ".join(opening), *(area["text"] for area in areas)]),
    }


def _opening(
    snapshot: Mapping[str, Any], updated_at: datetime, *, stale: bool, language: str
) -> Iterator[str]:
    words = {"time": clock_time(updated_at), "day": day(updated_at)}
    if stale:
        yield gettext(
            "Attention: this information is from %(time)s on %(day)s and is not up to date.",
            **words,
        )
    else:
        yield gettext("Power cut information at %(time)s on %(day)s.", **words)
    for storm in snapshot["storms"]:
        names = _listed([one["name"][language] for one in storm["municipalities"]])
        yield gettext("There are widespread power cuts in %(areas)s.", areas=names)
        if not storm["assessed"]:
            yield gettext("Repair estimates are given once the damage has been assessed.")
    if not any(one["faults"] for one in snapshot["municipalities"]):
        yield gettext("No faults are known.")


def _of_area(one: Mapping[str, Any], language: str, at: datetime) -> Iterator[str]:
    yield f"{one['name'][language]}."
    faults = one["faults"]
    if faults:
        yield ngettext("%(num)d fault.", "%(num)d faults.", one["fault_count"])
        yield _customers(one)
        yield gettext("Postal codes: %(codes)s.", codes=_codes(faults))
        causes = sorted({fault["cause"][language] for fault in faults})
        yield gettext("Cause: %(causes)s.", causes=_listed(causes))
        yield from _estimates(faults)
        yield from _latest_word(one, at)
    planned = _today(one, at)
    if planned:
        yield gettext("Planned cuts today:")
    yield from (_planned(cut, at) for cut in planned)


def _planned(cut: Mapping[str, Any], at: datetime) -> str:
    """One planned cut; days are said where it does not lie within today."""
    begin = datetime.fromisoformat(cut["from_at"])
    words = {"code": _spoken(cut["postal_code"]), "from": clock_time(begin)}
    if cut["to_at"] is None:
        return gettext("postal code %(code)s since %(from)s, takes longer than planned.", **words)
    end = datetime.fromisoformat(cut["to_at"])
    words |= {"to": clock_time(end), "from_day": day(begin), "to_day": day(end)}
    if helsinki_day(begin) == helsinki_day(end) == helsinki_day(at):
        return gettext("postal code %(code)s from %(from)s to %(to)s.", **words)
    return gettext(
        "postal code %(code)s from %(from)s on %(from_day)s to %(to)s on %(to_day)s.", **words
    )


def _customers(one: Mapping[str, Any]) -> str:
    if not one["customers"]:
        return gettext("Fewer than 5 customers in each area are without power.")
    if one["hidden_count"]:
        return gettext("More than %(count)s customers are without power.", count=one["customers"])
    return ngettext(
        "%(num)d customer is without power.",
        "%(num)d customers are without power.",
        one["customers"],
    )


def _estimates(faults: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The latest estimate, and a word about those that have none."""
    known = sorted(fault["etr_at"] for fault in faults if fault["etr_at"])
    if known:
        last = datetime.fromisoformat(known[-1])
        words = {"time": clock_time(last), "day": day(last)}
        yield gettext("Repairs are estimated to be ready by %(time)s on %(day)s.", **words)
        if len(known) < len(faults):
            yield gettext("For some of the areas the estimate is not known yet.")
    elif any(fault["etr_withheld"] for fault in faults):
        yield gettext("Repair estimates are given once the damage has been assessed.")
    elif any(fault["overdue"] for fault in faults):
        yield gettext("The repair estimate is being revised.")
    else:
        yield gettext("The repair estimate is not known yet.")


def _updated_at(one: Mapping[str, Any]) -> str | None:
    """When anybody said something about the area's faults last; None without faults."""
    return max(
        (fault["updated_at"] for fault in one["faults"]), key=datetime.fromisoformat, default=None
    )


def _is_stale(one: Mapping[str, Any], at: datetime) -> bool:
    """Whether nobody has said anything for so long that it may not be so any more."""
    latest = _updated_at(one)
    return latest is not None and at - datetime.fromisoformat(latest) > BULLETIN_STALE_AFTER


def _latest_word(one: Mapping[str, Any], at: datetime) -> Iterator[str]:
    """How old the area's news are: the bulletin itself is renewed whether or not there are any."""
    latest = _updated_at(one)
    if latest is None:
        return
    latest_at = datetime.fromisoformat(latest)
    words = {"time": clock_time(latest_at), "day": day(latest_at)}
    if helsinki_day(latest_at) == helsinki_day(at):
        yield gettext("The latest information is from %(time)s.", **words)
    else:
        yield gettext("The latest information is from %(time)s on %(day)s.", **words)
    if _is_stale(one, at):
        yield gettext("It is more than half an hour old and may have changed.")


def _today(one: Mapping[str, Any], at: datetime) -> list[Mapping[str, Any]]:
    return [
        cut
        for cut in one["planned"]
        if helsinki_day(datetime.fromisoformat(cut["from_at"])) <= helsinki_day(at)
    ]


def _codes(faults: Sequence[Mapping[str, Any]]) -> str:
    codes = sorted({fault["postal_code"] for fault in faults if fault["postal_code"]})
    return _listed([_spoken(code) for code in codes]) or gettext("not known")


def _spoken(code: str) -> str:
    """Digit by digit: a voice would make a five-digit number of it."""
    return " ".join(code)


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return gettext("%(first)s and %(last)s", first=", ".join(names[:-1]), last=names[-1])
