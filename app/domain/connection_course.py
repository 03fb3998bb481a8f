"""The course of a connection order, derived from all its versions in their own order.

Promise: whatever the order and number of deliveries, the same versions give the same course. A
version whose stage would go back without being called a correction does not count.
Source: docs/domain.md; the same idea as ADR 0003.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from app.domain.states import (
    CONNECTION_CORRECTIONS,
    CONNECTION_MOVES,
    CONNECTION_PATH,
    ConnectionStage,
    check_move,
)

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """One version as the CIS sent it; target_week as 2026-W48, times in UTC."""

    version: int
    changed_at: datetime
    customer_id: str
    stage: ConnectionStage
    correction: bool = False
    stage_dates: Mapping[str, date] = field(default_factory=dict)
    gsrn: str | None = None
    meter_number: str | None = None
    target_week: str | None = None
    delay_reason: str | None = None
    visit_from: datetime | None = None
    visit_to: datetime | None = None
    energise_from: datetime | None = None
    energise_to: datetime | None = None

    @property
    def visit(self) -> Window | None:
        """When the planner comes."""
        return _window(self.visit_from, self.visit_to)

    @property
    def energise(self) -> Window | None:
        """When the connection is switched on."""
        return _window(self.energise_from, self.energise_to)


@dataclass(frozen=True, slots=True)
class Happening:
    """One change between two versions that count.

    what: STAGE, BACK (a corrected stage), VISIT, ENERGISE, WEEK, DELAYED. value: the stage, the
    window (None when it was taken back), the week or the reason.
    """

    version: int
    at: datetime
    what: str
    value: str | Window | None


@dataclass(frozen=True, slots=True)
class ConnectionCourse:
    """What all versions together say.

    facts: the newest version that counts. held_stage: the stage in which the order was put on hold.
    stage_since: when it came to its stage. promised_week: the first week that was ever named.
    refused: versions that do not count.
    """

    facts: ConnectionFacts
    held_stage: ConnectionStage | None
    stage_since: datetime
    promised_week: str | None
    happenings: tuple[Happening, ...]
    refused: frozenset[int]

    @property
    def delayed(self) -> bool:
        """Whether it is later than was promised and not switched on yet."""
        late = self.facts.target_week is not None and self.promised_week is not None
        return is_ahead(self) and (
            self.facts.delay_reason is not None
            or (late and (self.facts.target_week or "") > (self.promised_week or ""))
        )


def is_ahead(course: ConnectionCourse) -> bool:
    """Whether the connection is still to be switched on."""
    stage = course.held_stage or course.facts.stage
    return course.facts.stage is not ConnectionStage.CANCELLED and not is_behind(
        ConnectionStage.READY, stage
    )


def is_behind(stage: ConnectionStage, other: ConnectionStage) -> bool:
    """Whether one stage of the path comes before another one."""
    return (
        stage in CONNECTION_PATH
        and other in CONNECTION_PATH
        and CONNECTION_PATH.index(stage) < CONNECTION_PATH.index(other)
    )


def course_of(versions: Iterable[ConnectionFacts]) -> ConnectionCourse:
    """Walk through the versions, the lowest first; there must be at least one."""
    course: ConnectionCourse | None = None
    for facts in sorted(versions, key=lambda one: one.version):
        course = _begin(facts) if course is None else _step(course, facts)
    if course is None:
        raise ValueError("a course needs a version")
    return course


def _begin(facts: ConnectionFacts) -> ConnectionCourse:
    return ConnectionCourse(
        facts=facts,
        held_stage=None,
        stage_since=_reached(facts),
        promised_week=facts.target_week,
        happenings=tuple(_changes(None, facts)),
        refused=frozenset(),
    )


def _step(course: ConnectionCourse, facts: ConnectionFacts) -> ConnectionCourse:
    before = course.facts.stage
    held = course.held_stage
    if facts.stage is not before:
        if not _may_move(course, facts):
            return ConnectionCourse(
                course.facts,
                held,
                course.stage_since,
                course.promised_week,
                course.happenings,
                course.refused | {facts.version},
            )
        moves = CONNECTION_CORRECTIONS if facts.correction else CONNECTION_MOVES
        check_move(moves, before, facts.stage)
        held = before if facts.stage is ConnectionStage.ON_HOLD else None
    return ConnectionCourse(
        facts=facts,
        held_stage=held,
        stage_since=course.stage_since if facts.stage is before else _reached(facts),
        promised_week=course.promised_week or facts.target_week,
        happenings=(*course.happenings, *_changes(course.facts, facts)),
        refused=course.refused,
    )


def _may_move(course: ConnectionCourse, facts: ConnectionFacts) -> bool:
    if facts.correction:
        return True
    if course.held_stage is not None and is_behind(facts.stage, course.held_stage):
        return False
    return CONNECTION_MOVES.allow(course.facts.stage, facts.stage)


def _changes(old: ConnectionFacts | None, new: ConnectionFacts) -> Iterable[Happening]:
    def happening(what: str, value: str | Window | None) -> Happening:
        return Happening(new.version, new.changed_at, what, value)

    if old is None or old.stage is not new.stage:
        back = old is not None and is_behind(new.stage, old.stage)
        yield happening("BACK" if back else "STAGE", new.stage)
    if new.visit != (old.visit if old else None):
        yield happening("VISIT", new.visit)
    if new.energise != (old.energise if old else None):
        yield happening("ENERGISE", new.energise)
    if new.target_week != (old.target_week if old else None):
        yield happening("WEEK", new.target_week)
    if new.delay_reason is not None and new.delay_reason != (old.delay_reason if old else None):
        yield happening("DELAYED", new.delay_reason)


def _reached(facts: ConnectionFacts) -> datetime:
    return facts.changed_at


def _window(begin: datetime | None, end: datetime | None) -> Window | None:
    return None if begin is None or end is None else (begin, end)
