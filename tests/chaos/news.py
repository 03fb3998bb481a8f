"""I1, I2 and I4 of announcements: outages, cancelled plans, and answers to what people wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.chaos.breach import Breach
from tests.chaos.evidence import Evidence, moment
from tests.chaos.news_plan import STOP_WORDS
from tests.chaos.notices import STALE_AFTER, UNDERSTOOD_AFTER
from tests.chaos.outages import Listener, Version
from tests.chaos.told import ANSWERS, CUT_NEWS, SMS_PROVIDERS, Message

HELSINKI = ZoneInfo("Europe/Helsinki")
RESTORED, STARTED, CORRECTION = "FAULT_RESTORED", "FAULT_STARTED", "CORRECTION"
ESTIMATES = ("FAULT_ETR", "FAULT_ETR_CHANGED")
UPDATES = (*ESTIMATES, "FAULT_ETR_DELAYED", "FAULT_PARTLY_RESTORED")
NOTICE, CANCELLED = "PLANNED_NOTICE", "PLANNED_CANCELLED"
# One piece of news about the same outage in this time (REQ-01).
UPDATE_GAP = timedelta(hours=1)
# A change below it is no news (REQ-07).
WAVERING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Written:
    """One text to us; taken_at is when the product had thanked for it."""

    contact: str
    body: str
    taken_at: datetime | None

    @property
    def stops(self) -> bool:
        """Whether it wants nothing more."""
        return self.body in STOP_WORDS


@dataclass(frozen=True, slots=True)
class Heard:
    """One listener of one outage with everything that came about it, oldest first."""

    who: Listener
    messages: tuple[Message, ...]

    def of(self, *kinds: str) -> list[Message]:
        """The messages of these kinds."""
        return [one for one in self.messages if one.kind in kinds]


def read_written(evidence: Evidence) -> list[Written]:
    """Every text that somebody wrote, once."""
    taken: dict[str, datetime] = {}
    for name in SMS_PROVIDERS:
        for entry in evidence.entries(name, "inbound_post"):
            if 200 <= entry["answered"] < 300:
                taken.setdefault(entry["sid"], moment(entry["at"]))
    return [
        Written(entry["from"].lower(), entry["body"], taken.get(entry["sid"]))
        for name in SMS_PROVIDERS
        for entry in evidence.entries(name, "inbound")
    ]


def hear(listeners: Iterable[Listener], messages: Sequence[Message]) -> list[Heard]:
    """What each listener got."""
    by_contact: dict[str, list[Message]] = {}
    for message in messages:
        by_contact.setdefault(message.to, []).append(message)
    return [Heard(one, tuple(by_contact.get(one.contact, ()))) for one in listeners]


def check_true(evidence: Evidence, heard: Iterable[Heard]) -> Iterator[Breach]:
    """Nobody is told of an end that the DMS has not stated, or of what is known to be over (I4)."""
    late = evidence.lateness
    for one in heard:
        if one.who.outage.kind != "FAULT":
            continue
        yield from _check_end(one)
        yield from _check_cut_news(one, late)
        for message in one.of(*ESTIMATES):
            yield from _check_estimate(one, message, late)


def check_owed(evidence: Evidence, heard: Iterable[Heard], out: set[str]) -> Iterator[Breach]:
    """Whoever was told of a beginning is told of its end, and of what goes on while it does (I1)."""
    missing: dict[str, list[Breach]] = {}
    for one in heard:
        for kind in _lacking(one, out):
            what = f"{one.who.contact} never got {kind}"
            missing.setdefault(kind, []).append(Breach("I1", one.who.outage.ref, what))
    for kind, breaches in missing.items():
        if len(breaches) > evidence.counted.given_up[kind]:
            yield from breaches


def check_pace(evidence: Evidence, heard: Iterable[Heard]) -> Iterator[Breach]:
    """No second update within the hour, but for resends (I2, REQ-01)."""
    extra: list[tuple[Heard, int]] = []
    for one in heard:
        updates = one.of(*UPDATES)
        if len(updates) > 1 and updates[-1].at - updates[0].at < UPDATE_GAP:
            extra.append((one, len(updates) - 1))
    resent = sum(evidence.counted.resent[kind] for kind in UPDATES)
    if sum(count for _, count in extra) > resent:
        for one, count in extra:
            what = f"{one.who.contact} got {count + 1} updates within the hour"
            yield Breach("I2", one.who.outage.ref, what)


def check_answers(
    evidence: Evidence, written: Iterable[Written], messages: Iterable[Message]
) -> Iterator[Breach]:
    """Each text that was thanked for is answered, and once (I1, I2)."""
    got = Counter(message.to for message in messages if message.kind in ANSWERS)
    given_up = sum(evidence.counted.given_up[kind] for kind in ANSWERS)
    wrote = Counter(one.contact for one in written)
    sure = Counter(one.contact for one in written if one.taken_at is not None)
    silent = [contact for contact, count in sure.items() if got[contact] < count]
    if len(silent) > given_up:
        for contact in silent:
            yield Breach("I1", contact, "wrote to us and never got an answer")
    for contact, count in got.items():
        if count > wrote[contact]:
            what = f"got {count} answers to {wrote[contact]} texts"
            yield Breach("I2", contact, what)


def untold_ends(heard: Iterable[Heard]) -> list[Heard]:
    """Listeners who heard of an end, or of a cancellation, without having heard of a beginning."""
    return [
        one
        for one in heard
        if (one.of(RESTORED) and not one.of(*CUT_NEWS))
        or (one.of(CANCELLED) and not one.of(NOTICE))
    ]


def check_untold(evidence: Evidence, heard: Iterable[Heard]) -> Iterator[Breach]:
    """An end, or a cancellation, is for exactly those who may know of a beginning (I4, REQ-16)."""
    alone = untold_ends(heard)
    excused = sum(evidence.counted.given_up[kind] for kind in (*CUT_NEWS, NOTICE))
    if len(alone) > excused:
        for one in alone:
            what = f"{one.who.contact} heard of an end without a beginning"
            yield Breach("I4", one.who.outage.ref, what)


def _check_end(one: Heard) -> Iterator[Breach]:
    for message in one.of(RESTORED):
        known = [v for v in one.who.outage.versions if v.put_at <= message.at]
        if not any(v.is_over_for(one.who.gsrns) and v.state != "FALSE_ALARM" for v in known):
            what = f"{one.who.contact} was told that the power is back, and it was not"
            yield Breach("I4", one.who.outage.ref, what)


def _check_cut_news(one: Heard, late: timedelta) -> Iterator[Breach]:
    """What a cut means is not told after its end was, or once it has been known for long."""
    outage = one.who.outage
    ends = [message.at for message in one.of(RESTORED, CORRECTION)]
    known_at = outage.over_known_at(one.who.gsrns)
    if known_at is not None:
        ends.append(known_at + UNDERSTOOD_AFTER + late)
    for message in one.of(*CUT_NEWS):
        if ends and message.at > min(ends) + STALE_AFTER + late:
            late_s = (message.at - min(ends)).total_seconds()
            what = f"{one.who.contact} got {message.kind} {late_s:.1f} s after the end was known"
            yield Breach("I4", outage.ref, what)


def _check_estimate(one: Heard, message: Message, late: timedelta) -> Iterator[Breach]:
    """An estimate is one that the DMS made, and the newest that the product must have understood."""
    outage = one.who.outage
    told = [v for v in outage.versions if v.etr_at is not None and _says(message, v)]
    if not told:
        yield Breach("I4", outage.ref, f"{one.who.contact} got an estimate that nobody made")
        return
    newest = told[-1]
    for later in outage.versions:
        if later.number <= newest.number or later.etr_at is None or later.taken_at is None:
            continue
        assert newest.etr_at is not None
        wavers = abs(later.etr_at - newest.etr_at) <= WAVERING
        understood_at = later.taken_at + UNDERSTOOD_AFTER + STALE_AFTER + late
        if not wavers and message.at > understood_at:
            what = f"{one.who.contact} got an estimate that had been changed long before"
            yield Breach("I4", outage.ref, what)
            return


def _says(message: Message, version: Version) -> bool:
    assert version.etr_at is not None
    local = version.etr_at.astimezone(HELSINKI)
    return any(local.strftime(form) in message.text for form in ("%H.%M", "%H:%M"))


def _lacking(one: Heard, out: set[str]) -> Iterator[str]:
    outage, who = one.who.outage, one.who
    newest = outage.newest
    if outage.kind == "PLANNED":
        if newest.state == "CANCELLED":
            if one.of(NOTICE) and not one.of(CANCELLED):
                yield CANCELLED
        elif outage.approved and not one.of(NOTICE) and who.contact not in out:
            yield NOTICE
        return
    if newest.state == "FALSE_ALARM":
        # It corrects what was wrong, so it reaches also who wants no more.
        if one.of(*CUT_NEWS) and not one.of(CORRECTION):
            yield CORRECTION
        return
    if who.contact in out:
        return
    if newest.is_over_for(who.gsrns):
        if one.of(*CUT_NEWS) and not one.of(RESTORED):
            yield RESTORED
    elif newest.etr_at is not None and not one.of(*ESTIMATES):
        yield ESTIMATES[0]
