"""Turns a fault's news into announcements, in the transaction of the fact that caused them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain import fault_news
from app.domain.etr import is_significant
from app.domain.fault_course import Course
from app.domain.fault_news import CUT_KINDS, Before, News, Told
from app.domain.notice_types import NoticeType
from app.domain.states import FaultState
from app.models.announcement import Announcement
from app.models.outage import Outage
from app.services import announcements, corrections, hidden_news
from app.services.announcements import Telling, about_outage
from app.services.audience import believed, family

# In this time the DMS says where points belong that it has left out of a fault.
_SETTLES = timedelta(minutes=5)

_LAST_ESTIMATE = text(
    """
    SELECT id, coalesce(CAST(facts ->> 'first_event_at' AS timestamptz), event_at) AS event_at,
        CAST(facts ->> 'etr_at' AS timestamptz) AS etr_at,
        facts ->> 'first_event_at' IS NOT NULL AS is_told_again,
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
        hidden_news.tell_ends(telling, back)
        hidden_news.tell_starts(telling, back, unread=after.state is not FaultState.FALSE_ALARM)


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
    """An estimate that nobody has heard gives way to the newest without being a change of it.

    One that is told again, to those who are new, holds while the newest is no news to the others.
    """
    last = telling.session.execute(_LAST_ESTIMATE, {"id": telling.outage.id}).one_or_none()
    if last is None or not last.untold or last.etr_at == after.etr_at:
        return
    holds = (
        last.is_told_again
        and after.etr_at is not None
        and not is_significant(last.etr_at, after.etr_at, telling.now)
    )
    if not holds:
        withdraw_estimates(telling, "A newer estimate came before it was told.")


def _withdraw_ended(telling: Telling, after: Course) -> None:
    """Before asking who was told: what waits for a cut that is over will not be told any more."""
    if after.confirmed_at is not None and after.points and not after.off:
        _withdraw(telling, CUT_KINDS, "The power was back before it was told.")


def _told_estimate(session: Session, outage_id: int) -> tuple[datetime | None, datetime | None]:
    last = session.execute(_LAST_ESTIMATE, {"id": outage_id}).one_or_none()
    return (None, None) if last is None else (last.etr_at, last.event_at)


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
