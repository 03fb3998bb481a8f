"""News of a fault that another outage at the same points hid, told when that one is over or was none.

Whoever knows of a cut hears neither of a second one there nor that the first one's fault is mended while
the second keeps the power off. When the outage that hid such news goes, it is news, if anybody is owed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.domain.fault_news import BRIEF, CUT_KINDS
from app.domain.notice_types import NoticeType
from app.services import announcements
from app.services.announcements import Telling, about_outage
from app.services.audience import family
from app.services.notice_items import NOT_TOLD, STANDING

# No storm keeps an end from being told for longer; a bound for the search, not a rule.
_OWED_FOR = timedelta(days=14)

# The outage that these points lost was still on when the other one gave them back, or it began
# before the news of that had left, which the last look then stopped, or had speak of the contact's other
# points only, or while that news is being planned, perhaps by what was so a moment ago. The times are
# those of the last point that came back.
_HIDDEN_ENDS = text(
    """
    SELECT o.id, array_agg(p.gsrn) AS gsrns,
        (array_agg(p.on_at ORDER BY p.on_at DESC, p.off_at DESC))[1] AS on_at,
        (array_agg(p.off_at ORDER BY p.on_at DESC, p.off_at DESC))[1] AS off_at
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    JOIN outage_point mine ON mine.gsrn = p.gsrn AND mine.outage_id = :id
        AND (mine.off_at <= p.on_at OR EXISTS (
            SELECT 1 FROM (SELECT n.id FROM notice n WHERE n.gsrn = p.gsrn UNION ALL
                SELECT np.notice_id FROM notice_point np WHERE np.gsrn = p.gsrn) here
            JOIN notice n ON n.id = here.id
            WHERE n.outage_id = o.id AND n.type = 'FAULT_RESTORED'
              AND (n.suppress_reason = 'STILL_OFF' AND n.state_at >= mine.off_at
                OR n.state IN ('QUEUED', 'HELD', 'SENDING')))
            OR EXISTS (
                SELECT 1 FROM (SELECT n.id FROM notice n WHERE n.gsrn = p.gsrn UNION ALL
                    SELECT np.notice_id FROM notice_point np WHERE np.gsrn = p.gsrn) here
                JOIN notice n ON n.id = here.id AND n.point_count > 1
                JOIN notice rest ON rest.outage_id = n.outage_id AND rest.contact_id = n.contact_id
                    AND rest.type = 'FAULT_RESTORED' AND rest.id > n.id AND rest.gsrn <> p.gsrn
                    AND rest.state_at >= mine.off_at
                WHERE n.outage_id = o.id AND NOT EXISTS (SELECT 1 FROM notice_point np
                    WHERE np.notice_id = rest.id AND np.gsrn = p.gsrn))
            OR EXISTS (
                SELECT 1 FROM announcement a
                WHERE a.outage_id = o.id AND a.type = 'FAULT_RESTORED'
                  AND a.state NOT IN ('DONE', 'WITHDRAWN')))
    WHERE p.gsrn = ANY(:gsrns) AND o.kind = 'FAULT' AND o.id <> ALL(:ours)
      AND o.state IN ('PARTLY_RESTORED', 'RESTORED', 'CLOSED') AND p.on_at > :since
    GROUP BY o.id ORDER BY o.id
    """
)


def tell_ends(telling: Telling, back: frozenset[str]) -> None:
    """The end of other faults that this outage kept from being told at these points (REQ-05).

    Whoever is told of this one's end is not told of theirs; the planner sees both ledgers.
    """
    session, outage = telling.session, telling.outage
    values = {
        "id": outage.id,
        "gsrns": sorted(back),
        "ours": family(session, outage.id),
        "since": telling.now - _OWED_FOR,
    }
    hidden = session.execute(_HIDDEN_ENDS, values).all()
    # In a storm each fault overlaps many that ended before, and for most of those all has been said.
    owed = set(session.execute(_OWED, values | _OWED_AFTER).scalars()) if hidden else set()
    for row in hidden:
        if owed.isdisjoint(row.gsrns):
            continue
        announcements.announce(
            session,
            NoticeType.FAULT_RESTORED,
            about_outage(row.id),
            occurrence=f"after:{outage.id}/{telling.now.isoformat()}",
            # As late as it is told, it is news of now.
            event_at=telling.now,
            facts={
                "after_id": outage.id,
                "event_at": row.on_at.isoformat(),
                "off_at": row.off_at.isoformat(),
                "on_at": row.on_at.isoformat(),
                "duration_s": int((row.on_at - row.off_at).total_seconds()),
            },
            now=telling.now,
            by=telling.by,
        )


# Those of these points at which somebody has heard of a cut by another outage and of no end since, or may
# be about to hear of it: what is still being planned counts, since its rows come later. An end at a point is
# told only while nothing else cuts it, so one of any outage is the end of what was told before.
_OWED = text(
    f"""
    WITH here AS (
        SELECT gsrn, id FROM notice WHERE gsrn = ANY(:gsrns) AND created_at > :since
        UNION SELECT gsrn, notice_id FROM notice_point WHERE gsrn = ANY(:gsrns))
    SELECT p.gsrn FROM announcement a JOIN outage_point p ON p.outage_id = a.outage_id
    WHERE a.state IN ('PENDING', 'HELD') AND a.type = ANY(:kinds) AND a.outage_id <> ALL(:ours)
      AND p.gsrn = ANY(:gsrns)
    UNION
    SELECT here.gsrn FROM here JOIN notice n ON n.id = here.id
    WHERE n.outage_id <> ALL(:ours) AND n.type = ANY(:kinds) AND {STANDING} NOT IN {NOT_TOLD}
      AND NOT EXISTS (
          SELECT 1 FROM here same JOIN notice ended ON ended.id = same.id
          WHERE same.gsrn = here.gsrn AND ended.contact_id = n.contact_id AND ended.id > n.id
            AND ended.type IN ('FAULT_RESTORED', 'CORRECTION')
            AND ended.state NOT IN {NOT_TOLD}
            AND ended.state NOT IN ('HELD', 'QUEUED', 'SENDING'))
    """  # noqa: S608 - made of our own constants only.
)
_OWED_AFTER = {"kinds": [str(kind) for kind in (*CUT_KINDS, NoticeType.CORRECTION_STILL_OFF)]}

_HIDDEN_STARTS = text(
    """
    SELECT DISTINCT o.id, min(p.off_at) OVER (PARTITION BY o.id) AS off_at, o.cause_code,
        last.etr_at, last.event_at
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    -- A storm keeps single estimates back until damage is assessed (REQ-08).
    LEFT JOIN storm s ON s.id = o.storm_id
    LEFT JOIN LATERAL (
        SELECT CAST(a.facts->>'etr_at' AS timestamptz) AS etr_at,
            coalesce(CAST(a.facts->>'first_event_at' AS timestamptz), a.event_at) AS event_at
        FROM announcement a
        WHERE a.outage_id = o.id AND a.type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
          AND a.state <> 'WITHDRAWN'
        ORDER BY a.id DESC LIMIT 1) last ON last.etr_at > :now AND o.etr_at IS NOT NULL
            AND (s.id IS NULL OR s.assessed_at IS NOT NULL OR s.ended_at IS NOT NULL)
    WHERE p.gsrn = ANY(:gsrns) AND p.on_at IS NULL AND o.kind = 'FAULT' AND o.id <> ALL(:ours)
      AND o.confirmed_at IS NOT NULL AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
      AND (CAST(:all AS boolean) OR EXISTS (
          SELECT 1 FROM (SELECT n.id FROM notice n WHERE n.gsrn = p.gsrn UNION ALL
              SELECT np.notice_id FROM notice_point np WHERE np.gsrn = p.gsrn) here
          JOIN notice n ON n.id = here.id
          WHERE n.outage_id = ANY(:ours) AND n.type = ANY(:kinds)
            AND n.state IN ('CREATED', 'HELD', 'QUEUED')))
    """
)


def tell_starts(telling: Telling, gsrns: frozenset[str], *, unread: bool = False) -> None:
    """Faults that were no news to people who had heard of this one: now that it is over, they are.

    All of them after a false alarm; unread: where somebody's news of this one has not left, so that
    they read neither of it nor, as yet, of the others.
    """
    session, outage = telling.session, telling.outage
    values = {
        "gsrns": sorted(gsrns),
        "ours": family(session, outage.id),
        "all": not unread,
        "kinds": [str(kind) for kind in CUT_KINDS],
        "now": telling.now,
    }
    for row in session.execute(_HIDDEN_STARTS, values).all():
        facts = {
            "behind_id": outage.id,
            "event_at": telling.now.isoformat(),
            "off_at": row.off_at.isoformat(),
            "cause_code": row.cause_code,
        }
        _announce_now(telling, NoticeType.FAULT_STARTED, row, facts)
        if row.etr_at is not None:
            facts["etr_at"] = row.etr_at.isoformat()
            # Whoever has read of it, passes for told.
            facts["first_event_at"] = row.event_at.isoformat()
            _announce_now(telling, NoticeType.FAULT_ETR, row, facts)


def _announce_now(telling: Telling, kind: NoticeType, row: Any, facts: Mapping[str, Any]) -> None:
    lasts_at = row.off_at + BRIEF
    announcements.announce(
        telling.session,
        kind,
        about_outage(row.id),
        occurrence=f"after:{telling.outage.id}/{telling.now.isoformat()}",
        event_at=telling.now,
        facts=facts,
        now=telling.now,
        by=telling.by,
        not_before=lasts_at if lasts_at > telling.now else None,
    )
