"""A message as its reader understands it: what kind of news it is, and which estimate it gives.

The words are those of the shipped texts; whoever edits them has to teach this reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")


class News(StrEnum):
    """What a message about a fault tells."""

    STARTED = "STARTED"
    ESTIMATE = "ESTIMATE"
    CHANGED = "CHANGED"
    DELAYED = "DELAYED"
    PARTLY = "PARTLY"
    RESTORED = "RESTORED"
    MORNING = "MORNING"
    BULLETIN = "BULLETIN"
    CORRECTION = "CORRECTION"
    STILL_OFF = "STILL_OFF"
    COMPENSATION = "COMPENSATION"
    OTHER = "OTHER"


# News that the power is off, and news that comes once an hour at most.
CUT = frozenset({News.STARTED, News.ESTIMATE, News.CHANGED, News.DELAYED, News.PARTLY})
UPDATES = CUT - {News.STARTED}

_FI = r"(?P<day>\d+)\.(?P<month>\d+)\. klo (?P<hour>\d\d)\.(?P<minute>\d\d)"
_SV = r"(?P<day>\d+)\.(?P<month>\d+)\. kl\. (?P<hour>\d\d)\.(?P<minute>\d\d)"
_EN = r"(?P<day>\d+) (?P<name>[A-Z][a-z]{2}) (?P<hour>\d\d):(?P<minute>\d\d)"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# In this order: corrections quote the words of what they correct. Text messages and subjects.
_WORDS: tuple[tuple[News, tuple[str, ...]], ...] = (
    (
        News.STILL_OFF,
        (
            r"Korjaus: (?:klo .*)?(?:S|s)ähkökatko jatkuu",
            r"Rättelse: (?:meddelandet .*Avbrottet|elavbrottet) fortsätter",
            r"Correction: (?:the message .*T|t)he power cut goes on",
        ),
    ),
    (
        News.CORRECTION,
        (r"Korjaus:? klo", r"Rättelse(?::| av) meddelandet", r"Correction(?::| of) the message"),
    ),
    (
        News.STARTED,
        (r"Sähkökatko alkoi klo", r"Elavbrott sedan kl\.", r"Power cut since \d"),
    ),
    (
        News.CHANGED,
        (
            rf"[Uu]usi (?:arvio|korjausarvio) {_FI}",
            rf"(?:Ny uppskattning|ny uppskattad reparationstid) {_SV}",
            rf"(?:New estimate|new repair estimate) {_EN}",
        ),
    ),
    (
        News.ESTIMATE,
        (
            rf"korjaus arviolta valmis {_FI}",
            rf"reparationen beräknas klar {_SV}",
            rf"repair estimated by {_EN}",
        ),
    ),
    (
        News.DELAYED,
        (
            r"kestää arvioitua pidempään|korjausarvio viivästyy",
            r"tar längre än beräknat|reparationen dröjer",
            r"takes longer than estimated|the repair is delayed",
        ),
    ),
    (
        News.PARTLY,
        (
            r"Osa sähköistä on palautettu|osa alueen sähköistä on palautettu",
            r"En del har fått strömmen tillbaka|en del av området har ström",
            r"Part of the power is back|part of the area has power again",
        ),
    ),
    (
        News.MORNING,
        (
            r"(?:Viime yönä|Hiljaisena aikana) oli sähkökatko",
            r"(?:I natt|Under tysta timmar) var det elavbrott",
            r"power cut (?:last night|in your quiet hours)",
        ),
    ),
    (News.RESTORED, (r"Sähköt palautettu klo", r"Strömmen tillbaka kl\.", r"Power restored at")),
    (
        News.BULLETIN,
        (r"Laaja sähköhäiriö", r"Omfattande elstörning", r"Widespread power outage"),
    ),
    (News.COMPENSATION, (r"akiokorvaus", r"tandardersättning", r"tandard compensation")),
)
_PATTERNS = [(news, re.compile(one, re.DOTALL)) for news, words in _WORDS for one in words]
# Where the rest of the area has its power back, the estimate stands in a sentence of its own.
_REST = [
    re.compile(one)
    for one in (
        rf"Korjausarvio: {_FI}",
        rf"Uppskattad reparationstid: {_SV}",
        rf"Estimated repair time: {_EN}",
    )
]


@dataclass(frozen=True, slots=True)
class Read:
    """The kind of news, and the estimated end if one is given."""

    news: News
    etr_at: datetime | None = None


def read(text: str, at: datetime) -> Read:
    """What a text message, or the subject of an e-mail, says to somebody who reads it then."""
    for news, pattern in _PATTERNS:
        found = pattern.search(text)
        if found is None:
            continue
        if news in (News.PARTLY, News.STILL_OFF):
            found = next((rest for one in _REST if (rest := one.search(text))), None)
        if found is None or "day" not in found.re.groupindex:
            return Read(news)
        return Read(news, _moment(found, at))
    return Read(News.OTHER)


def _moment(found: re.Match[str], at: datetime) -> datetime:
    """The year is not told: it is the one that brings the moment closest."""
    part = found.groupdict()
    month = int(part["month"]) if part.get("month") else _MONTHS.index(part["name"]) + 1
    local = at.astimezone(HELSINKI)
    # Far from any leap day's trouble: the day is never told for another year than the next.
    candidates = [
        datetime(
            local.year + years,
            month,
            int(part["day"]),
            int(part["hour"]),
            int(part["minute"]),
            tzinfo=HELSINKI,
        )
        for years in (0, 1, -1)
        if not (month == 2 and int(part["day"]) == 29 and years)
    ]
    return min(candidates, key=lambda one: abs(one - at) + timedelta(0))
