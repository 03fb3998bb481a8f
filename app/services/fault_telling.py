"""Turns a fault's news into announcements, in the transaction of the fact that caused them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain import fault_news
from app.domain.fault_course import Course
from app.domain.fault_news import CUT_KINDS, Before, News, Told
from app.domain.notice_types import NoticeType
from app.domain.states import FaultState
from app.models.announcement import Announcement
from app.models.outage import Outage
from app.services import announcements, corrections
from app.services.announcements import about_outage
from app.services.audience import believed, family
from app.services.notice_items import STANDING

# No storm keeps an end from being told for longer; a bound for the search, not a rule.
_OWED_FOR = timedelta(days=14)
# In this time the DMS says where points belong that it has left out of a fault.
_SETTLES = timedelta(minutes=5)

_LAST_ESTIMATE = text(
    """
    SELECT id, coalesce(CAST(facts ->> 'first_event_at' AS timestamptz), event_at) AS event_at,
        facts ->> 'etr_at' AS etr_at,
        state IN ('PENDING', 'HELD') AND told_count + suppressed_count = 0 AS untold
    FROM announcement
    WHERE outage_id = :id AND type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED') AND state <> 'WITHDRAWN'
    ORDER BY id DESC LIMIT 1
    """
)
_TAKEN_BACK = text(
    """
    SELECT bool_and(state = 'WITHDRAWN' AND told_count = 0) FROM announcement
    WHERE outage_id = :id AND type = :type
      AND (occurrence = :name OR occurrence LIKE :name || '/again:%')
    """
)
_SOMEBODY = text(
    """
    SELECT coalesce(sum(told_count), 0) > 0 FROM announcement
    WHERE outage_id = ANY(:ids) AND type = ANY(:kinds)
    """
)
_WITHHELD = text(
    "SELECT EXISTS (SELECT 1 FROM storm WHERE id = :id AND assessed_at IS NULL AND ended_at IS NULL)"
)

_FREE = text("SELECT coalesce(assessed_at, ended_at) FROM storm WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Telling:
    """Where and in whose name something is told."""

    session: Session
    outage: Outage
    now: datetime
    by: str


def tell(telling: Telling, before: Before, after: Course) -> None:
    """Announce what the new course is worth, and take back what it made untrue.

    Everything is named by what happened, so the same course told twice announces once.
    """
    session, outage = telling.session, telling.outage
    _drop_untold_estimate(telling, after)
    _withdraw_ended(telling, after)
    etr_at, etr_event_at = _told_estimate(session, outage.id)
    told = Told(
        etr_at=etr_at,
        etr_event_at=etr_event_at,
        somebody=_somebody(session, outage.id),
        etr_withheld=etr_withheld(session, outage),
        etr_free_at=_etr_free_at(session, outage),
    )
    decided = fault_news.decide_news(before, after, told, telling.now)
    if decided.withdraw:
        _withdraw(telling, decided.withdraw, decided.reason)
    if decided.corrects is not None:
        # Before the news, which is none to whoever reads that an end was none.
        _correct(telling, decided.corrects)
    for news in decided.news:
        announce(telling, news)
    if dropped := before.off - after.points.keys():
        _correct_dropped(telling, before, after, dropped)
    if back := before.off - after.off:
        tell_overshadowed(telling, back)
        if after.state is FaultState.FALSE_ALARM:
            _tell_shadows(telling, back)


def announce(telling: Telling, news: News) -> int | None:
    """Write one piece of news down for the planner.

    An estimate that was taken back before anybody heard it may be told after all: a storm keeps it
    until damage is assessed (REQ-08).
    """
    announced = _announce(telling, news, news.occurrence)
    if announced is None and news.type in fault_news.ESTIMATES:
        values = {"id": telling.outage.id, "type": news.type, "name": news.occurrence}
        if telling.session.execute(_TAKEN_BACK, values).scalar():
            again = f"{news.occurrence}/again:{telling.now.isoformat()}"
            announced = _announce(telling, news, again)
    return announced


def _announce(telling: Telling, news: News, occurrence: str) -> int | None:
    return announcements.announce(
        telling.session,
        news.type,
        about_outage(telling.outage.id),
        occurrence=occurrence,
        event_at=news.event_at,
        facts={**news.facts, "event_at": news.event_at.isoformat()},
        now=telling.now,
        by=telling.by,
        not_before=news.not_before,
    )


def etr_withheld(session: Session, outage: Outage) -> bool:
    """Whether a storm keeps this fault's estimate back until damage is assessed (REQ-08)."""
    if outage.storm_id is None:
        return False
    return bool(session.execute(_WITHHELD, {"id": outage.storm_id}).scalar())


def _etr_free_at(session: Session, outage: Outage) -> datetime | None:
    """When the storm that kept this fault's estimate back let it go."""
    if outage.storm_id is None:
        return None
    found: datetime | None = session.execute(_FREE, {"id": outage.storm_id}).scalar_one_or_none()
    return found


def withdraw_estimates(telling: Telling, reason: str) -> None:
    """Take back estimates that nobody has heard yet."""
    _withdraw(telling, fault_news.ESTIMATES, reason)


def _withdraw(telling: Telling, kinds: tuple[NoticeType, ...], reason: str) -> None:
    announcements.withdraw(
        telling.session,
        about_outage(telling.outage.id),
        kinds,
        telling.now,
        reason=reason,
        by=telling.by,
    )


def _drop_untold_estimate(telling: Telling, after: Course) -> None:
    """An estimate that nobody has heard gives way to the newest without being a change of it."""
    last = telling.session.execute(_LAST_ESTIMATE, {"id": telling.outage.id}).one_or_none()
    newest = after.etr_at.isoformat() if after.etr_at else None
    if last is not None and last.untold and last.etr_at != newest:
        withdraw_estimates(telling, "A newer estimate came before it was told.")


def _withdraw_ended(telling: Telling, after: Course) -> None:
    """Before asking who was told: what waits for a cut that is over will not be told any more."""
    if after.confirmed_at is not None and after.points and not after.off:
        _withdraw(telling, CUT_KINDS, "The power was back before it was told.")


def _told_estimate(session: Session, outage_id: int) -> tuple[datetime | None, datetime | None]:
    last = session.execute(_LAST_ESTIMATE, {"id": outage_id}).one_or_none()
    if last is None or not last.etr_at:
        return None, None
    return datetime.fromisoformat(last.etr_at), last.event_at


def _somebody(session: Session, outage_id: int) -> bool:
    ours = family(session, outage_id)
    ids = [*ours, *believed(session, ours)]
    values = {"ids": ids, "kinds": [str(kind) for kind in CUT_KINDS]}
    return bool(session.execute(_SOMEBODY, values).scalar())


def _correct(telling: Telling, kind: NoticeType) -> None:
    """Correct what was wrong to exactly those who heard it (REQ-34).

    All corrections of one mistake are one event, so that whoever heard several wrong texts is
    corrected once.
    """
    session, now, by = telling.session, telling.now, telling.by
    still_off = kind is NoticeType.CORRECTION_STILL_OFF
    wrong = (NoticeType.FAULT_RESTORED,) if still_off else CUT_KINDS
    for announcement in _told_of_cut(telling, wrong):
        corrections.correct(session, announcement, still_off=still_off, by=by, now=now)
    if still_off:
        return
    # Whoever heard of another false alarm was not corrected as long as this one cut them, too.
    for announcement in _told_of_cut(telling, wrong, believed(session, [telling.outage.id])):
        after = f"after:{telling.outage.id}/{now.isoformat()}"
        corrections.correct(
            session, announcement, still_off=False, occurrence=after, by=by, now=now
        )


def _told_of_cut(
    telling: Telling, kinds: tuple[NoticeType, ...], outage_ids: Sequence[int] | None = None
) -> Sequence[Announcement]:
    """The announcements of these kinds that somebody has been told, held against their planner.

    outage_ids: of these outages instead of this one.
    """
    ids = [telling.outage.id] if outage_ids is None else outage_ids
    statement = (
        select(Announcement)
        .where(
            Announcement.outage_id.in_(ids),
            Announcement.type.in_([str(one) for one in kinds]),
            Announcement.told_count > 0,
        )
        .order_by(Announcement.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return telling.session.execute(statement).scalars().all()


def _correct_dropped(
    telling: Telling, before: Before, after: Course, dropped: frozenset[str]
) -> None:
    """Points that a newer version leaves out were never in this fault: whoever heard so is told.

    Not at once: the DMS may state in its next breath which other outage they belong to, and then
    that one is told instead.
    """
    if not before.confirmed or after.state in fault_news.SILENT:
        return
    for announcement in _told_of_cut(telling, CUT_KINDS):
        corrections.correct_points(
            telling.session,
            announcement,
            sorted(dropped),
            not_before=telling.now + _SETTLES,
            by=telling.by,
            now=telling.now,
        )


# The outage that these points lost was still on when the other one gave them back, or it began
# before the news of that had left, which the last look then stopped, or while that news is being
# planned, perhaps by what was so a moment ago.
_OVERSHADOWED = text(
    """
    SELECT DISTINCT o.id, p.on_at, p.off_at
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    JOIN outage_point mine ON mine.gsrn = p.gsrn AND mine.outage_id = :id
        AND (mine.off_at <= p.on_at OR EXISTS (
            SELECT 1 FROM notice n
            WHERE n.outage_id = o.id AND n.gsrn = p.gsrn AND n.type = 'FAULT_RESTORED'
              AND (n.suppress_reason = 'STILL_OFF' AND n.state_at >= mine.off_at
                OR n.state IN ('QUEUED', 'HELD', 'SENDING')))
            OR EXISTS (
                SELECT 1 FROM announcement a
                WHERE a.outage_id = o.id AND a.type = 'FAULT_RESTORED'
                  AND a.state NOT IN ('DONE', 'WITHDRAWN')))
    WHERE p.gsrn = ANY(:gsrns) AND o.kind = 'FAULT' AND o.id <> ALL(:ours)
      AND o.state IN ('PARTLY_RESTORED', 'RESTORED', 'CLOSED') AND p.on_at > :since
    """
)


# Somebody at these points who heard of a cut and has heard of no end yet, or may be about to hear of
# it: what is still being planned counts, since its rows come later.
_OWED = text(
    f"""
    WITH here AS (
        SELECT gsrn, id FROM notice WHERE gsrn = ANY(:gsrns) AND created_at > :since
        UNION SELECT gsrn, notice_id FROM notice_point WHERE gsrn = ANY(:gsrns))
    SELECT EXISTS (
        SELECT 1 FROM announcement
        WHERE outage_id = ANY(:ids) AND type = ANY(:kinds) AND state NOT IN ('DONE', 'WITHDRAWN'))
    OR EXISTS (
        SELECT 1 FROM here JOIN notice n ON n.id = here.id
        WHERE n.outage_id = ANY(:ids) AND n.type = ANY(:kinds)
          AND {STANDING} NOT IN ('SUPPRESSED', 'EXPIRED', 'SUPERSEDED', 'FAILED')
          AND NOT EXISTS (
              SELECT 1 FROM here same JOIN notice ended ON ended.id = same.id
              WHERE same.gsrn = here.gsrn AND ended.contact_id = n.contact_id
                AND ended.outage_id = ANY(:ids) AND ended.id > n.id
                AND ended.type IN ('FAULT_RESTORED', 'CORRECTION')
                AND ended.state NOT IN ('SUPPRESSED', 'EXPIRED', 'SUPERSEDED', 'FAILED',
                    'HELD', 'QUEUED', 'SENDING')))
    """  # noqa: S608 - made of our own constants only.
)


def _is_owed(telling: Telling, outage_id: int, gsrns: frozenset[str]) -> bool:
    """Whether anybody at these points may still believe in the cut; else nobody is looked for.

    In a storm each fault overlaps many that ended before, and for most of those all has been said.
    """
    session = telling.session
    ours = family(session, outage_id)
    values = {
        "since": telling.now - _OWED_FOR,
        "ids": [*ours, *believed(session, ours)],
        "kinds": [str(kind) for kind in (*CUT_KINDS, NoticeType.CORRECTION_STILL_OFF)],
        "gsrns": sorted(gsrns),
    }
    return bool(session.execute(_OWED, values).scalar_one())


def tell_overshadowed(telling: Telling, back: frozenset[str]) -> None:
    """The end of other faults that this outage kept from being told (REQ-05).

    Whoever is told of this one's end is not told of theirs; the planner sees both ledgers.
    """
    session, outage = telling.session, telling.outage
    values = {
        "id": outage.id,
        "gsrns": sorted(back),
        "ours": family(session, outage.id),
        "since": telling.now - _OWED_FOR,
    }
    last: dict[int, tuple[datetime, datetime]] = {}
    for row in session.execute(_OVERSHADOWED, values):
        known = last.get(row.id)
        last[row.id] = max(known, (row.on_at, row.off_at)) if known else (row.on_at, row.off_at)
    for outage_id, (on_at, off_at) in last.items():
        if not _is_owed(telling, outage_id, back):
            continue
        announcements.announce(
            session,
            NoticeType.FAULT_RESTORED,
            about_outage(outage_id),
            occurrence=f"after:{outage.id}/{telling.now.isoformat()}",
            # As late as it is told, it is news of now.
            event_at=telling.now,
            facts={
                "after_id": outage.id,
                "event_at": on_at.isoformat(),
                "off_at": off_at.isoformat(),
                "on_at": on_at.isoformat(),
                "duration_s": int((on_at - off_at).total_seconds()),
            },
            now=telling.now,
            by=telling.by,
        )


_SHADOWS = text(
    """
    SELECT DISTINCT o.id, min(p.off_at) OVER (PARTITION BY o.id) AS off_at, o.cause_code
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = ANY(:gsrns) AND p.on_at IS NULL AND o.kind = 'FAULT' AND o.id <> ALL(:ours)
      AND o.confirmed_at IS NOT NULL AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    """
)


def _tell_shadows(telling: Telling, gsrns: frozenset[str]) -> None:
    """Faults whose start was no news to people who had heard of this false alarm: now it is."""
    session, outage = telling.session, telling.outage
    values = {"gsrns": sorted(gsrns), "ours": family(session, outage.id)}
    for row in session.execute(_SHADOWS, values).all():
        announcements.announce(
            session,
            NoticeType.FAULT_STARTED,
            about_outage(row.id),
            occurrence=f"after:{outage.id}/{telling.now.isoformat()}",
            event_at=telling.now,
            facts={
                "behind_id": outage.id,
                "event_at": telling.now.isoformat(),
                "off_at": row.off_at.isoformat(),
                "cause_code": row.cause_code,
            },
            now=telling.now,
            by=telling.by,
        )
