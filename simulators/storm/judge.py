"""Judges what customers got in a storm by what the DMS had stated when it reached them.

Reads only the providers' ledgers and what was sent as the DMS; knows no row of the product. A
message may be wrong for a moment, because news and message pass each other on their way: it counts
as wrong when it has been wrong for longer than the grace.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise

from simulators.storm.course import Statement
from simulators.storm.grid import Grid
from simulators.storm.replay import Taken
from simulators.storm.stamps import Stamps
from simulators.storm.texts import CUT, HELSINKI, UPDATES, News, read

HOUR = timedelta(hours=1)
ENDS = frozenset({News.RESTORED, News.MORNING, News.CORRECTION})
# One that is told within these hours was told when people are awake.
MORNING, EVENING = time(7), time(22)
# The smallest change of an estimate that has to be told (REQ-07), and a little for rounding.
WAVERING = timedelta(minutes=31)
EXAMPLES_MOST = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A text or e-mail that a provider took; whole: everything in it that a reader sees."""

    at: datetime
    to: str
    channel: str
    text: str
    whole: str
    parts: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still no fault: grace on the clock, and the shortest cut that must be told."""

    grace: timedelta
    worth_telling: timedelta = timedelta(minutes=30)
    brief: timedelta = timedelta(minutes=3)


@dataclass(slots=True)
class Judgement:
    """What was found; examples: some messages of each wrong kind."""

    messages: int = 0
    parts: int = 0
    people: int = 0
    by_news: Counter[str] = field(default_factory=Counter)
    per_person: Counter[int] = field(default_factory=Counter)
    most: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether no message was doubled, stale or contradictory and nobody was forgotten."""
        return not self.wrong.total()

    def add(self, kind: str, about: str) -> None:
        """One thing that must not be."""
        self.wrong[kind] += 1
        some = self.examples.setdefault(kind, [])
        if len(some) < EXAMPLES_MOST:
            some.append(about)


class Judge:
    """Knows the grid and what was stated when."""

    def __init__(self, grid: Grid, stamps: Stamps, taken: Iterable[Taken], bounds: Bounds) -> None:
        self._grid = grid
        self._stamps = stamps
        self._bounds = bounds
        self._versions: dict[str, list[Taken]] = defaultdict(list)
        self._faults: dict[int, set[str]] = defaultdict(set)
        for one in taken:
            if one.copy == 0:
                self._versions[one.statement.ref].append(one)
                for number, _, _ in one.statement.points:
                    self._faults[number].add(one.statement.ref)
        self._homes: dict[str, list[int]] = defaultdict(list)
        for home in grid.homes.values():
            if home.address is not None:
                self._homes[home.address].append(home.number)

    def judge(self, messages: Iterable[Message]) -> Judgement:
        """Look at every message of the storm, person by person."""
        found = Judgement()
        by_person: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            by_person[message.to].append(message)
        for address, theirs in by_person.items():
            theirs.sort(key=lambda one: one.at)
            self._of_person(address, theirs, found)
        found.people = len(by_person)
        found.most = max(found.per_person, default=0)
        self._forgotten(by_person, found)
        return found

    def _of_person(self, address: str, theirs: Sequence[Message], found: Judgement) -> None:
        numbers = self._homes.get(address, [])
        found.per_person[len(theirs)] += 1
        told: list[tuple[Message, News]] = []
        for message in theirs:
            said = read(message.text, message.at)
            found.messages += 1
            found.parts += message.parts
            found.by_news[said.news] += 1
            about = f"{message.at.astimezone(HELSINKI):%d.%m. %H:%M:%S} {said.news} {address}: {message.text[:110]}"
            if not numbers:
                found.add("stranger", about)
            self._repeated(message, said.news, told, about, found)
            if said.news in CUT and not self._is_off(numbers, message.at):
                found.add("stale", f"{about} (the power was on)")
                if any(news in (News.RESTORED, News.MORNING) for _, news in told):
                    found.add("contradictory", f"{about} (after its end was told)")
            if said.news is News.STARTED and told and told[-1][1] in CUT:
                # Two faults at one place; each is told by itself.
                found.noted["told of a second cut while off"] += 1
            if said.news in (News.RESTORED, News.MORNING) and not self._any_on(numbers, message.at):
                found.add("contradictory", f"{about} (the power was off)")
            if said.etr_at is not None:
                self._estimate(numbers, message, said.etr_at, about, found)
            if said.news is not News.STILL_OFF and said.news is not News.CORRECTION:
                self._at_night(message, about, found)
            told.append((message, said.news))
        self._too_often(numbers, told, found)
        self._without_end(address, numbers, told, found)

    def _repeated(
        self,
        message: Message,
        news: News,
        told: Sequence[tuple[Message, News]],
        about: str,
        found: Judgement,
    ) -> None:
        """The same words again, with nothing between them that would call for saying them again.

        Bulletins and delays may be repeated after an hour; a start after an end that was none; that
        a cut is partly repaired after the start of the next one.
        """
        repeats = news in (News.BULLETIN, News.DELAYED, News.PARTLY)
        for earlier, of_earlier in reversed(told):
            if of_earlier in ENDS or (news is News.PARTLY and of_earlier is News.STARTED):
                return
            soon = message.at - earlier.at < HOUR - self._bounds.grace
            if earlier.whole != message.whole or (repeats and not soon):
                continue
            if news is News.PARTLY and self._has_two_faults(message):
                found.noted["two faults at one place, both told"] += 1
                return
            at = f"{earlier.at.astimezone(HELSINKI):%H:%M:%S}"
            found.add("duplicate", f"{about} (also at {at})")
            return

    def _has_two_faults(self, message: Message) -> bool:
        numbers = self._homes.get(message.to, [])
        return len({one.ref for one in self._open_faults(numbers, message.at)}) > 1

    def _estimate(
        self,
        numbers: Sequence[int],
        message: Message,
        etr_at: datetime,
        about: str,
        found: Judgement,
    ) -> None:
        """The estimate that is told is the newest, but for wavering, and has not passed."""
        if etr_at <= message.at - self._bounds.grace:
            found.add("stale", f"{about} (the estimate had passed)")
            return
        known = [
            one
            for statement in self._open_faults(numbers, message.at)
            if (one := self._stamps.estimate(statement)) is not None
        ]
        if not any(abs(one - etr_at) <= WAVERING for one in known):
            newest = ", ".join(f"{one.astimezone(HELSINKI):%H:%M}" for one in known) or "none"
            found.add("stale", f"{about} (estimates known: {newest})")

    def _at_night(self, message: Message, about: str, found: Judgement) -> None:
        local = message.at.astimezone(HELSINKI)
        begun = (local - self._bounds.grace).time()
        if not MORNING <= local.time() < EVENING and not MORNING <= begun < EVENING:
            found.add("at night", about)

    def _too_often(
        self, numbers: Sequence[int], told: Sequence[tuple[Message, News]], found: Judgement
    ) -> None:
        """One update an hour about one fault; of two faults at once, each may have its own."""
        if len({ref for number in numbers for ref in self._faults.get(number, ())}) != 1:
            return
        updates = [message for message, news in told if news in UPDATES]
        for before, after in pairwise(updates):
            if after.at - before.at < HOUR - self._bounds.grace:
                words = f"{after.at:%H:%M:%S} {after.to}: {after.text[:100]}"
                found.add("too often", f"{words} (one before at {before.at:%H:%M:%S})")

    def _without_end(
        self,
        address: str,
        numbers: Sequence[int],
        told: Sequence[tuple[Message, News]],
        found: Judgement,
    ) -> None:
        """Whoever heard of a cut hears of its end, or that it never was."""
        last_cut = max((m.at for m, news in told if news in CUT | {News.STILL_OFF}), default=None)
        last_end = max((m.at for m, news in told if news in ENDS), default=None)
        if last_cut is None or self._is_off(numbers, None):
            return
        if last_end is None or last_end < last_cut:
            found.add("no end", f"{address} was told of a cut at {last_cut:%d.%m. %H:%M:%S}")

    def _forgotten(self, by_person: dict[str, list[Message]], found: Judgement) -> None:
        """Whoever was without power for long in waking hours has heard of it."""
        for address, numbers in self._homes.items():
            if address in by_person:
                continue
            longest = max((self._waking(number) for number in numbers), default=timedelta(0))
            if longest >= self._bounds.worth_telling:
                found.add("forgotten", f"{address}: {longest} without power and without a word")
            elif longest:
                found.noted["short or asleep, not told"] += 1

    def _waking(self, number: int) -> timedelta:
        """The longest time for which this point was known to be off while people were awake.

        A false alarm counts as far as it was believed.
        """
        longest = timedelta(0)
        for ref in self._faults.get(number, ()):
            since: datetime | None = None
            for one in self._versions[ref]:
                is_off = number in one.statement.off and one.statement.parent is None
                if is_off and since is None:
                    since = one.taken_at
                if not is_off and since is not None:
                    longest = max(longest, _awake(since, one.taken_at))
                    since = None
        return longest

    def _known(self, ref: str, at: datetime | None) -> list[Statement]:
        """What was the newest version at some moment of the grace before, whatever came when.

        None asks for the end, when everything is known.
        """
        newest: Statement | None = None
        found: list[Statement] = []
        begin = None if at is None else at - self._bounds.grace
        for one in sorted(self._versions[ref], key=lambda one: one.taken_at):
            if at is not None and one.taken_at > at:
                break
            if newest is None or one.statement.version > newest.version:
                newest = one.statement
                if begin is None or one.taken_at <= begin:
                    found.clear()
                found.append(newest)
        return found

    def _open_faults(self, numbers: Sequence[int], at: datetime | None) -> list[Statement]:
        """Versions by which one of these points had no power, and those of the wholes of parts."""
        refs = {ref for number in numbers for ref in self._faults.get(number, ())}
        known = [one for ref in refs for one in self._known(ref, at) if one.off & set(numbers)]
        wholes = {one.parent for one in known if one.parent is not None} - refs
        return [*known, *(one for ref in wholes for one in self._known(ref, at))]

    def _is_off(self, numbers: Sequence[int], at: datetime | None) -> bool:
        """Whether one of these points was off then, or a moment before."""
        return bool(self._open_faults(numbers, at))

    def _any_on(self, numbers: Sequence[int], at: datetime) -> bool:
        """Whether one of these points, having been off, was on then or a moment before.

        With several faults at one point the moments of each are looked at by themselves.
        """
        for number in numbers:
            known = [self._known(ref, at) for ref in self._faults.get(number, ())]
            said = [versions for versions in known if versions]
            if said and all(any(number not in one.off for one in each) for each in said):
                return True
        return False


def _awake(since: datetime, until: datetime) -> timedelta:
    """How much of a span lies in one day's waking hours; the longest stretch counts."""
    longest = timedelta(0)
    day = since.astimezone(HELSINKI).date()
    while datetime.combine(day, MORNING, HELSINKI) < until:
        begin = max(since, datetime.combine(day, MORNING, HELSINKI))
        end = min(until, datetime.combine(day, EVENING, HELSINKI))
        longest = max(longest, end - begin)
        day += timedelta(days=1)
    return longest
