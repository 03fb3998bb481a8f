"""What a contact knows of another fault at the same point, as conditions for psycopg.

News of one fault is none to somebody who has read the same of another one there. Within the list of
contacts and points (audience_sql.py): listed is the contact's row, q the point in the other fault, other
that fault, n what was told of it, same the contact of the same address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from psycopg.sql import SQL, Composed, Literal

from app.domain.notice_types import NoticeType
from app.domain.telling import AMENDS_ESTIMATE, NAMES_ESTIMATE
from app.services.notice_items import NOT_TOLD

_NOT_TOLD = SQL(NOT_TOLD)


def kinds_in_sql(kinds: Iterable[NoticeType]) -> Composed:
    """These kinds of notices as they stand between the brackets of IN."""
    return SQL(", ").join(Literal(str(kind)) for kind in sorted(kinds))


def _told_of_other(but: SQL | Composed) -> Composed:
    """Whether the contact has been told of another fault that cuts the point, by a notice n of q."""
    return SQL(
        """
        off_elsewhere AND EXISTS (
            SELECT 1 FROM outage_point q JOIN outage other ON other.id = q.outage_id
            JOIN contact same ON same.kind = listed.kind AND same.value = listed.value
            JOIN notice n ON n.outage_id = q.outage_id AND n.contact_id = same.id
            WHERE q.gsrn = listed.gsrn AND q.outage_id <> ALL(%(outages)s) AND other.kind = 'FAULT'
              AND n.state NOT IN {not_told} {but})
        """
    ).format(but=but, not_told=_NOT_TOLD)


# A second fault inside one that the contact has been told of is no news there, also when that one
# has ended meanwhile and nobody could say so.
_KNOWS_OTHER_FAULT = _told_of_other(
    SQL(
        """
        AND (q.on_at IS NULL OR q.on_at >= listed.off_at)
        AND other.state NOT IN ('MERGED', 'FALSE_ALARM')
        AND n.type IN ('FAULT_STARTED', 'FAULT_ETR', 'FAULT_ETR_CHANGED', 'FAULT_ETR_DELAYED',
            'FAULT_PARTLY_RESTORED', 'CORRECTION_STILL_OFF')
        AND NOT EXISTS (
            SELECT 1 FROM notice ended
            WHERE ended.outage_id = q.outage_id AND ended.contact_id = same.id AND ended.id > n.id
              AND ended.type IN ('FAULT_RESTORED', 'CORRECTION')
              AND ended.state NOT IN {not_told})
        """
    ).format(not_told=_NOT_TOLD)
)


# Which time the contact has read last that the power is back there, of whichever fault, this one too;
# none if the last text named none. What waits for the morning, or for its hour, has not been read.
_LAST_READ = SQL(
    """
    SELECT CASE WHEN n.type IN ({naming}) THEN CAST(a.facts->>'etr_at' AS timestamptz) END AS etr_at
    FROM contact same JOIN notice n ON n.contact_id = same.id
    JOIN announcement a ON a.id = n.announcement_id
    WHERE same.kind = listed.kind AND same.value = listed.value
      AND n.type IN ({amending})
      AND n.state NOT IN {not_told} AND n.state NOT IN ('CREATED', 'HELD')
      AND (n.outage_id = ANY(%(outages)s) OR EXISTS (
          SELECT 1 FROM outage_point q WHERE q.outage_id = n.outage_id AND q.gsrn = listed.gsrn))
    ORDER BY n.id DESC LIMIT 1
    """
).format(
    naming=kinds_in_sql(NAMES_ESTIMATE | {NoticeType.CORRECTION_STILL_OFF}),
    amending=kinds_in_sql(AMENDS_ESTIMATE),
    not_told=_NOT_TOLD,
)
# News without a time says that none is known.
_SAID = SQL("coalesce(CAST(%(etr_at)s AS timestamptz), CAST(%(event_at)s AS timestamptz))")
# The power is back when the last fault there is mended, so that an earlier time than the others' is none.
_LASTS_LONGER = SQL(
    """
    EXISTS (SELECT 1 FROM outage_point q JOIN outage other ON other.id = q.outage_id
        WHERE q.gsrn = listed.gsrn AND q.on_at IS NULL AND q.outage_id <> ALL(%(outages)s)
          AND other.kind = 'FAULT' AND other.confirmed_at IS NOT NULL
          AND other.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
          AND other.etr_at > {said})
    """
).format(said=_SAID)
# Whether the contact has read of a later time than this news says, and another fault does last longer.
_READ_LATER = SQL(
    """
    off_elsewhere AND {longer} AND coalesce(({last}) > {said}, false)
    """
).format(longer=_LASTS_LONGER, last=_LAST_READ, said=_SAID)
# Nor is an estimate of a second fault that says no more than the first one's, or what the contact has
# read last, word for word, nor one that would take back what has been read and is true.
_KNOWS_OTHER_ESTIMATE = SQL("({told} OR {same} OR {later})").format(
    told=_told_of_other(
        SQL(
            """
            AND n.type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
            AND q.on_at IS NULL AND other.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
            AND other.etr_at >= CAST(%(etr_at)s AS timestamptz)
            """
        )
    ),
    same=SQL("off_elsewhere AND coalesce(({last}) = {said}, false)").format(
        last=_LAST_READ, said=_SAID
    ),
    later=_READ_LATER,
)
# Nor that a second fault takes longer, too, as long as no estimate has been told since.
_SAID_DELAYED = SQL(
    """
    AND q.on_at IS NULL AND other.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    AND n.type = 'FAULT_ETR_DELAYED' AND NOT EXISTS (
        SELECT 1 FROM notice later
        WHERE later.contact_id = same.id AND later.gsrn = n.gsrn AND later.id > n.id
          AND later.type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
          AND later.state NOT IN {not_told})
    """
).format(not_told=_NOT_TOLD)
# Nor that a second fault is partly repaired, when the first one says the same.
_SAID_SAME = SQL(
    """
    AND q.on_at IS NULL AND other.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    AND (other.etr_at IS NULL OR CAST(%(etr_at)s AS timestamptz) IS NULL
        OR other.etr_at >= CAST(%(etr_at)s AS timestamptz))
    AND n.type = 'FAULT_PARTLY_RESTORED'
    """
)


def _or_read_later(said: SQL | Composed) -> Composed:
    """Whether the same was said of another fault, or a later time has been read and is true."""
    return SQL("({told} OR {later})").format(told=_told_of_other(said), later=_READ_LATER)


_T = NoticeType
# By the kind of news; what is not here is news whatever else cuts the point.
KNOWN: Final[Mapping[NoticeType, Composed]] = {
    _T.FAULT_STARTED: _KNOWS_OTHER_FAULT,
    _T.FAULT_ETR: _KNOWS_OTHER_ESTIMATE,
    _T.FAULT_ETR_CHANGED: _KNOWS_OTHER_ESTIMATE,
    _T.FAULT_ETR_DELAYED: _or_read_later(_SAID_DELAYED),
    _T.FAULT_PARTLY_RESTORED: _or_read_later(_SAID_SAME),
}
