"""Estimates of single faults that a storm finds on their way: kept back, and told once assessed (REQ-08)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain import fault_news
from app.domain.fault_news import News
from app.domain.notice_types import NoticeType
from app.models.outage import Outage
from app.services import announcements, fault_telling
from app.services.announcements import Telling, about_outage
from app.services.notice_sending import stop_older

_WAITING = text(
    """
    SELECT id FROM notice
    WHERE outage_id = :id AND type = ANY(:kinds) AND state IN ('CREATED', 'HELD', 'QUEUED')
    ORDER BY id
    """
)
# The last estimate that was announced, where it still holds and somebody's text was kept back.
_KEPT_BACK = text(
    """
    SELECT last.id, coalesce(CAST(last.facts ->> 'first_event_at' AS timestamptz), last.event_at)
        AS event_at, last.facts
    FROM (
        SELECT * FROM announcement
        WHERE outage_id = :id AND type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
          AND state <> 'WITHDRAWN'
        ORDER BY id DESC LIMIT 1) last
    WHERE last.state = 'DONE' AND CAST(last.facts ->> 'etr_at' AS timestamptz) = :etr_at
      AND EXISTS (SELECT 1 FROM notice n WHERE n.outage_id = :id AND n.type = ANY(:kinds)
          AND n.state = 'SUPERSEDED' AND n.state_at >= :since)
    """
)


_KINDS = [str(kind) for kind in fault_news.ESTIMATES]


def keep_back(telling: Telling) -> None:
    """Let no estimate of this fault leave any more: neither planned, nor waiting for the morning.

    Where it had taken the place of the news of the cut itself, that is told instead.
    """
    session, outage, now = telling.session, telling.outage, telling.now
    fault_telling.withdraw_estimates(telling, "A storm: estimates wait for the assessment.")
    values = {"id": outage.id, "kinds": _KINDS}
    waiting = list(session.execute(_WAITING, values).scalars())
    if waiting:
        stop_older(session, waiting, waiting, now)
        facts = {"off_at": outage.started_at.isoformat(), "cause_code": outage.cause_code}
        start = News(NoticeType.FAULT_STARTED, f"kept:{outage.storm_id}", now, facts)
        fault_telling.announce(telling, start)


def tell_after_all(
    session: Session, outage: Outage, since: datetime, now: datetime, by: str
) -> None:
    """Damage is assessed: whoever's text was kept back since the storm began hears what still holds.

    It is news of now, however old it is; whoever heard of it before the storm is not told again.
    """
    if outage.etr_at is None or outage.etr_at <= now:
        return
    values = {"id": outage.id, "etr_at": outage.etr_at, "since": since, "kinds": _KINDS}
    last = session.execute(_KEPT_BACK, values).one_or_none()
    if last is None:
        return
    facts = {name: value for name, value in last.facts.items() if name != "old_etr_at"}
    announcements.announce(
        session,
        NoticeType.FAULT_ETR,
        about_outage(outage.id),
        occurrence=f"kept:{last.id}",
        event_at=now,
        facts=facts | {"first_event_at": last.event_at.isoformat()},
        now=now,
        by=by,
    )
