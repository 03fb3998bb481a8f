"""From an announcement to notices: who hears of it, when and in which words, slice by slice.

workers/notices.py goes through the slices and commits each by itself, so the first messages leave
while the last are being decided. A planner that dies goes on where the ledger ends: whoever has a
row of this announcement was decided about. The caller holds the planner's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from msgspec import Struct, structs
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.announcement_policy import decide_telling
from app.domain.clock import helsinki_day
from app.domain.notice_policy import Action, SuppressReason
from app.domain.notice_types import NoticeType
from app.domain.states import AnnouncementState, NoticeState
from app.domain.telling import Telling, TellingDecision
from app.domain.telling_times import first_event_at, needed_by, old_etr_at, true_until
from app.models.announcement import Announcement
from app.services import blast_guard, published_texts
from app.services.audience import Listener, believed, family, open_audience
from app.services.notice_bulk import Decided, NoticeRows, build_rows, dedupe_key, write_rows
from app.services.notice_sending import hold_still, stop_older
from app.services.notice_texts import Texts
from app.settings import Settings

_REHEARSED_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Plan:
    """One announcement under way: what its slices share."""

    announcement: Announcement
    outage_id: int | None
    outage_ids: tuple[int, ...]
    told_of: tuple[int, ...]
    telling: Telling
    texts: Texts


@dataclass(frozen=True, slots=True)
class PlanSlice:
    """Decisions that belong into the ledger.

    leaning: those that were decided by what older notices are doing, which may change any moment.
    rows: of the decided ones, once they are built.
    """

    decided: list[Decided]
    leaning: list[Leaning]
    now: datetime
    rows: tuple[NoticeRows, ...] = ()


class Leaning(Struct, frozen=True):
    """One contact some of whose older notices this announcement stops.

    waiting: those that had not left; overtaken: those that may have, and must not leave again.
    """

    listener: Listener
    decided: Decided | None
    waiting: tuple[int, ...]
    overtaken: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a slice came to."""

    told: int = 0
    suppressed: int = 0


def next_announcement(session: Session, now: datetime, *, before: int | None = None) -> int | None:
    """The announcement that is to be planned next; only one that may overtake `before`, if given."""
    statement = (
        select(Announcement.id)
        .where(
            Announcement.state == AnnouncementState.PENDING,
            (Announcement.not_before_at.is_(None)) | (Announcement.not_before_at <= now),
        )
        .order_by(Announcement.priority, Announcement.id)
        .limit(1)
    )
    if before is not None:
        under_way = select(Announcement.priority).where(Announcement.id == before)
        statement = statement.where(Announcement.priority < under_way.scalar_subquery())
    return session.execute(statement).scalar_one_or_none()


def begin_plan(
    session: Session, announcement_id: int, settings: Settings, now: datetime
) -> Plan | None:
    """What planning needs; None when it was withdrawn, or when the blast guard holds it (REQ-34)."""
    announcement = _locked(session, announcement_id)
    if announcement is None or blast_guard.holds(session, announcement, settings, now):
        return None
    plan = _plan_of(session, announcement, settings)
    session.flush()
    session.expunge(announcement)
    return plan


def _plan_of(session: Session, announcement: Announcement, settings: Settings) -> Plan:
    outage_id = _outage_of(session, announcement)
    kind = NoticeType(announcement.type)
    outage_ids = tuple(family(session, outage_id)) if outage_id is not None else ()
    return Plan(
        announcement,
        outage_id,
        outage_ids,
        _told_of(session, announcement, outage_ids),
        Telling(
            # One that is only rehearsed has no number.
            announcement_id=announcement.id or 0,
            type=kind,
            event_at=announcement.event_at,
            true_until=true_until(kind, announcement.facts),
            corrects_id=announcement.corrects_id,
            needed_by=needed_by(kind, announcement.facts),
            first_event_at=first_event_at(announcement.facts),
            old_etr_at=old_etr_at(announcement.facts),
        ),
        Texts(settings, announcement.facts, published_texts.current(session)),
    )


def _told_of(
    session: Session, announcement: Announcement, ours: tuple[int, ...]
) -> tuple[int, ...]:
    """The outages whose notices count as news of this one.

    Whoever hears of the end of the one that went on has heard of this one's; whoever believes in a
    false alarm, since power is off there anyway, knows of this one and is owed its end.
    """
    named = (announcement.facts.get("after_id"), announcement.facts.get("behind_id"))
    told_of = [*ours, *(one for id_ in named if id_ is not None for one in family(session, id_))]
    if announcement.type == NoticeType.FAULT_RESTORED:
        told_of += believed(session, list(ours))
    return tuple(told_of)


@contextmanager
def listeners(plan: Plan) -> Iterator[Iterator[Listener]]:
    """Everybody to decide about, as things stand now."""
    on = helsinki_day(plan.announcement.event_at)
    with open_audience(
        plan.announcement, on, plan.outage_id, list(plan.outage_ids), list(plan.told_of)
    ) as found:
        yield found


def decide_slice(plan: Plan, chunk: Iterable[Listener], now: datetime) -> PlanSlice:
    """Decide about these people; touches no database."""
    decided: list[Decided] = []
    leaning: list[Leaning] = []
    for listener in chunk:
        one = _decide(plan, listener, now)
        if one.waiting or one.overtaken:
            leaning.append(one)
        elif one.decided is not None:
            decided.append(one.decided)
    return PlanSlice(decided, leaning, now)


def _decide(plan: Plan, listener: Listener, now: datetime) -> Leaning:
    told = decide_telling(plan.telling, listener.recipient, listener.points, listener.ledger, now)
    decision = told.decision
    stops = (decision.supersedes, told.overtaken)
    if decision.reason is SuppressReason.DUPLICATE or _is_no_news(told):
        # The earlier row is its record.
        return Leaning(listener, None, *stops)
    rendered = None
    if decision.action is not Action.SUPPRESS and listener.recipient.contact is not None:
        rendered = plan.texts.render(told, listener)
    return Leaning(listener, Decided(listener.recipient, told, rendered), *stops)


def build_slice(session: Session, plan: Plan, part: PlanSlice, settings: Settings) -> PlanSlice:
    """The same slice with its rows, so that the next one's are made while this one's are written."""
    return replace(part, rows=tuple(_build(session, plan, part.decided, settings, part.now)))


def _build(
    session: Session, plan: Plan, decided: list[Decided], settings: Settings, now: datetime
) -> list[NoticeRows]:
    return build_rows(session, plan.announcement, plan.outage_id, decided, settings, now)


def write_slice(
    session: Session, plan: Plan, part: PlanSlice, settings: Settings
) -> Planned | None:
    """Write what was decided; None when somebody has withdrawn the announcement meanwhile."""
    announcement_id = plan.announcement.id
    if _locked(session, announcement_id) is None:
        return None
    stopped = _stop_older(session, plan, part)
    rows = _without_known(
        session, [*part.rows, *_build(session, plan, stopped, settings, part.now)]
    )
    write_rows(session, rows)
    told = sum(one.decided.rendered is not None for one in rows)
    counts = Planned(told, len(rows) - told)
    values = {"id": announcement_id, "told": counts.told, "suppressed": counts.suppressed}
    session.execute(_COUNT, values)
    return counts


def _stop_older(session: Session, plan: Plan, part: PlanSlice) -> list[Decided]:
    """Stop what the announcement makes untrue, and decide by whether it had really not left yet.

    A start may have gone on the wire since the slice was decided: then its end is owed, and where it
    has come back instead, nobody knows of it.
    """
    if not part.leaning:
        return []
    states = hold_still(
        session, [id_ for one in part.leaning for id_ in (*one.waiting, *one.overtaken)]
    )
    leaning = [_as_it_is(plan, one, states, part.now) for one in part.leaning]
    waiting = [id_ for one in leaning for id_ in one.waiting]
    stop_older(
        session, waiting, [*waiting, *(id_ for one in leaning for id_ in one.overtaken)], part.now
    )
    return [one.decided for one in leaning if one.decided is not None]


def _as_it_is(
    plan: Plan, one: Leaning, states: Mapping[int, NoticeState], now: datetime
) -> Leaning:
    ledger = tuple(
        structs.replace(row, state=states.get(row.notice_id, row.state))
        for row in one.listener.ledger
    )
    if ledger == one.listener.ledger:
        return one
    return _decide(plan, structs.replace(one.listener, ledger=ledger), now)


def end_plan(session: Session, plan: Plan, now: datetime) -> None:
    """Everybody has been decided about."""
    session.execute(_DONE, {"id": plan.announcement.id, "now": now})


def rehearse(
    session: Session, announcement: Announcement, settings: Settings, now: datetime
) -> Iterator[Decided]:
    """What this announcement would come to if it were planned now; nothing is written, nobody told.

    The announcement need not be in the database; what it is about has to be committed.
    """
    plan = _plan_of(session, announcement, settings)
    with listeners(plan) as people:
        while chunk := list(islice(people, _REHEARSED_AT_ONCE)):
            part = decide_slice(plan, chunk, now)
            yield from part.decided
            yield from (one.decided for one in part.leaning if one.decided is not None)


def _locked(session: Session, announcement_id: int) -> Announcement | None:
    """The announcement, held against being withdrawn until the commit; None if it was."""
    return session.execute(
        select(Announcement)
        .where(Announcement.id == announcement_id, Announcement.state == AnnouncementState.PENDING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def _outage_of(session: Session, announcement: Announcement) -> int | None:
    """The outage that it is about; a correction is about that of the wrong text."""
    if announcement.outage_id is not None or announcement.corrects_id is None:
        return announcement.outage_id
    return session.execute(
        select(Announcement.outage_id).where(Announcement.id == announcement.corrects_id)
    ).scalar_one_or_none()


def _is_no_news(told: TellingDecision) -> bool:
    """Whether none of the contact's points came back, so that an end does not concern it yet."""
    return told.decision.reason is SuppressReason.SOME_STILL_OFF and all(
        point.on_at is None for point in told.points
    )


def _without_known(session: Session, rows: list[NoticeRows]) -> list[NoticeRows]:
    """Leave out what is in the ledger already although the audience could not see it there.

    Summaries that another outage of the same night has brought about, and, after a planner's
    death, the records of those who have no address.
    """
    unseen = {
        dedupe_key(one.decided): one
        for one in rows
        if one.decided.telling.type is NoticeType.MORNING_SUMMARY
        or one.decided.recipient.contact is None
    }
    if not unseen:
        return rows
    known = session.execute(
        text("SELECT dedupe_key FROM notice WHERE dedupe_key = ANY(:keys)"),
        {"keys": list(unseen)},
    )
    gone = {id(unseen[key]) for key in known.scalars()}
    return [one for one in rows if id(one) not in gone]


_COUNT = text(
    "UPDATE announcement SET told_count = told_count + :told,"
    " suppressed_count = suppressed_count + :suppressed WHERE id = :id"
)
_DONE = text(
    "UPDATE announcement SET state = 'DONE', planned_at = :now WHERE id = :id AND state = 'PENDING'"
)
