"""Where the audience of each kind of announcement comes from, as statements for psycopg.

Each gives one row per contact and point, in the order of the addresses: kind, value, contact_id,
cis_id, language, state, source, quiet_from, quiet_to, wants, night_ok, safety_ban, gsrn, off_at,
on_at, off_elsewhere, address; of an end also silent.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from app.domain.notice_types import NoticeType
from app.domain.telling import NAMES_ESTIMATE, UPDATES
from app.services.known_elsewhere import KNOWN, kinds_in_sql
from app.services.notice_items import NOT_TOLD, STANDING

# Kinds that go to exactly those who got an earlier one, whatever they wish since (REQ-16, REQ-34).
_CHANGES_OF_PLAN = frozenset(
    {NoticeType.PLANNED_CHANGED, NoticeType.PLANNED_CANCELLED, NoticeType.PLANNED_OVERRUN}
)
_CORRECTIONS = frozenset({NoticeType.CORRECTION, NoticeType.CORRECTION_STILL_OFF})
_NOT_TOLD = SQL(NOT_TOLD)
_ESTIMATES = kinds_in_sql(NAMES_ESTIMATE)


def listeners_of(kind: NoticeType, subject: str) -> Composed:
    """The statement that finds everybody to decide about.

    Parameters: topic, on (day), outage_id, outages (its family), after_id (the outage that kept
    this from being told), behind_id (the false alarm that hid this), etr_at, event_at, corrects_id,
    dropped (only who has these points and no others), municipality, order_no.
    """
    if kind in _CORRECTIONS:
        elsewhere = _elsewhere("named.gsrn") if kind is NoticeType.CORRECTION else SQL("false")
        return _EARLIER_RECEIVERS.format(
            which=_GOT_IT_WRONG, elsewhere=elsewhere, standing=SQL(STANDING), not_told=_NOT_TOLD
        )
    if kind in _CHANGES_OF_PLAN:
        receivers = _EARLIER_RECEIVERS.format(
            which=_KNOWS_THE_PLAN,
            elsewhere=SQL("false"),
            standing=SQL(STANDING),
            not_told=_NOT_TOLD,
        )
        by_post = kind is not NoticeType.PLANNED_OVERRUN
        return _WITH_LETTERS.format(receivers=receivers) if by_post else receivers
    if subject.startswith("connection:"):
        return _chosen(_POINT_OF_CONNECTION, _CUSTOMER_OF_CONNECTION, _SITE_OF_CONNECTION)
    if subject.startswith("area:"):
        return _SUBSCRIBERS.format(but=SQL(""))
    if subject.startswith("storm:"):
        subscribers = _SUBSCRIBERS.format(but=_NOT_LISTENING)
        listeners = _chosen(_POINTS_OF_STORM)
        return _WITH_SUBSCRIBERS.format(listeners=listeners, subscribers=subscribers)
    return _of_outage(kind)


def _of_outage(kind: NoticeType) -> Composed:
    if kind in KNOWN:
        return _chosen(_points(kind, _OFF_IN_OTHER_FAULT), elsewhere=KNOWN[kind])
    if kind is NoticeType.FAULT_RESTORED:
        points = _points(kind, _elsewhere("p.gsrn"), on_at=_ON_AT_LAST, silent=_SILENT)
        return _chosen(points, silent=True)
    if kind is NoticeType.COMPENSATION:
        return _chosen(_points(kind, SQL("false"), off_at=_OFF_AT_FIRST))
    return _chosen(_points(kind, SQL("false")))


def _points(
    kind: NoticeType,
    elsewhere: SQL | Composed,
    off_at: SQL | None = None,
    on_at: SQL | None = None,
    silent: SQL | None = None,
) -> Composed:
    return _POINTS_OF_OUTAGE.format(
        silent=silent or SQL(""),
        where=_NARROWED.get(kind, SQL("")),
        elsewhere=elsewhere,
        off_at=off_at or SQL("p.off_at"),
        on_at=on_at or SQL("p.on_at"),
    )


def _elsewhere(gsrn: str) -> Composed:
    """Whether an outage outside the family cuts this point right now (REQ-05)."""
    return _OFF_ELSEWHERE.format(gsrn=SQL(gsrn))


def _chosen(
    points: SQL | Composed,
    people: SQL | None = None,
    site: SQL | None = None,
    elsewhere: SQL | Composed | None = None,
    *,
    silent: bool = False,
) -> Composed:
    """The contacts of whoever has these points, as their owners wish.

    people: who has a point, if not whoever lives there; site: whose address is told; elsewhere:
    what "off elsewhere" means to a contact, if not to the point; silent: whether points say that.
    """
    return _CHOSEN.format(
        points=points,
        people=people or _WHO_LIVES_THERE,
        site=site or _SITE_OF_POINT,
        elsewhere=elsewhere or SQL("off_elsewhere"),
        carried=SQL(", point.silent") if silent else SQL(""),
        silent=SQL(", silent") if silent else SQL(""),
    )


def ledger_of(subject_has_outage: bool) -> Composed:
    """The statement that finds the earlier notices, in the same order.

    Parameters: told_of (outages), or subjects (a LIKE pattern).
    """
    which, told_again = _OF_OUTAGES if subject_has_outage else _OF_SUBJECT
    return _LEDGER.format(
        which=which,
        told_again=told_again.format(estimates=_ESTIMATES),
        standing=SQL(STANDING),
        estimates=_ESTIMATES,
    )


_POINTS_OF_OUTAGE = SQL(
    """
    SELECT p.gsrn, {off_at} AS off_at, {on_at} AS on_at, {elsewhere} AS off_elsewhere {silent}
    FROM outage_point p WHERE p.outage_id = %(outage_id)s {where}
    """
)
# Its meter said in this cut that it lost its power, and has not said since that it has it again.
_SILENT = SQL(
    """
    , EXISTS (SELECT 1 FROM meter_event g
        WHERE g.gsrn = p.gsrn AND g.code = 'LAST_GASP'
          AND g.at BETWEEN p.off_at - interval '30 minutes' AND p.on_at
          AND NOT EXISTS (SELECT 1 FROM meter_event r
            WHERE r.gsrn = p.gsrn AND r.code = 'RESTORE' AND r.at >= g.at)) AS silent
    """
)
# Where another outage went on longer, the power came back with its end.
_ON_AT_LAST = SQL(
    """
    CASE WHEN p.on_at IS NOT NULL THEN greatest(p.on_at, (SELECT q.on_at FROM outage_point q
        WHERE q.outage_id = CAST(%(after_id)s AS bigint) AND q.gsrn = p.gsrn)) END
    """
)
# Faults that overlap are one interruption, for which the law gives one compensation: the one that
# ends last tells of it, and it began with the first.
_OFF_AT_FIRST = SQL(
    """
    least(p.off_at, (SELECT min(q.off_at) FROM outage_point q JOIN outage other
            ON other.id = q.outage_id
        WHERE q.gsrn = p.gsrn AND q.off_at <= p.on_at AND q.on_at >= p.off_at
          AND other.kind = 'FAULT' AND other.state NOT IN ('MERGED', 'FALSE_ALARM')))
    """
)
_LASTED_LONGEST = SQL(
    """
    AND p.on_at - p.off_at >= interval '12 hours' AND NOT EXISTS (
        SELECT 1 FROM outage_point q JOIN outage other ON other.id = q.outage_id
        WHERE q.gsrn = p.gsrn AND q.outage_id <> p.outage_id AND q.off_at <= p.on_at
          AND (q.on_at IS NULL OR (q.on_at, q.outage_id) > (p.on_at, p.outage_id))
          AND coalesce(q.on_at, CAST(%(event_at)s AS timestamptz)) - q.off_at
              >= interval '12 hours'
          AND other.kind = 'FAULT' AND other.state NOT IN ('MERGED', 'FALSE_ALARM'))
    """
)
# The end of an outage that another one kept from being told is news only where both were.
_WHERE_BOTH_WERE = SQL(
    """
    AND (CAST(%(after_id)s AS bigint) IS NULL OR p.on_at IS NULL OR EXISTS (
        SELECT 1 FROM outage_point q
        WHERE q.outage_id = CAST(%(after_id)s AS bigint) AND q.gsrn = p.gsrn))
    """
)
# What was no news inside a false alarm is news where that one was.
_WHERE_IT_HID = SQL(
    """
    AND p.on_at IS NULL AND (CAST(%(behind_id)s AS bigint) IS NULL OR EXISTS (
        SELECT 1 FROM outage_point q
        WHERE q.outage_id = CAST(%(behind_id)s AS bigint) AND q.gsrn = p.gsrn))
    """
)
_NARROWED = dict.fromkeys(UPDATES, SQL("AND p.on_at IS NULL")) | {
    NoticeType.FAULT_STARTED: _WHERE_IT_HID,
    NoticeType.FAULT_RESTORED: _WHERE_BOTH_WERE,
    NoticeType.COMPENSATION: _LASTED_LONGEST,
}
_OFF_ELSEWHERE = SQL(
    """
    EXISTS (SELECT 1 FROM outage_point q JOIN outage other ON other.id = q.outage_id
        WHERE q.gsrn = {gsrn} AND q.on_at IS NULL AND q.outage_id <> ALL(%(outages)s)
          AND (other.kind = 'PLANNED' AND other.state IN ('ONGOING', 'OVERRUN')
            OR other.kind <> 'PLANNED' AND other.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')))
    """
)
_OFF_IN_OTHER_FAULT = SQL(
    """
    EXISTS (SELECT 1 FROM outage_point q JOIN outage other ON other.id = q.outage_id
        WHERE q.gsrn = p.gsrn AND (q.on_at IS NULL OR q.on_at >= p.off_at)
          AND q.outage_id <> ALL(%(outages)s)
          AND other.kind = 'FAULT' AND other.confirmed_at IS NOT NULL
          AND other.state NOT IN ('MERGED', 'FALSE_ALARM'))
    """
)
_POINTS_OF_STORM = SQL(
    """
    SELECT DISTINCT ON (p.gsrn) p.gsrn, p.off_at, p.on_at, false AS off_elsewhere
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE p.on_at IS NULL AND o.kind = 'FAULT' AND m.municipality_code = %(municipality)s
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    ORDER BY p.gsrn, p.off_at
    """
)

_WHO_LIVES_THERE = SQL(
    """
    LEFT JOIN occupancy o ON o.gsrn = point.gsrn AND o.moved_in_on <= %(on)s
        AND (o.moved_out_on IS NULL OR o.moved_out_on >= %(on)s)
    LEFT JOIN customer c ON c.cis_id = o.customer_id AND c.active
    """
)
_SITE_OF_POINT = SQL("LEFT JOIN metering_point m ON m.gsrn = listed.gsrn")

# The metering point of a connection order need not exist yet; its customer and its site do.
_POINT_OF_CONNECTION = SQL(
    """
    SELECT coalesce(n.gsrn, '') AS gsrn, CAST(NULL AS timestamptz) AS off_at,
        CAST(NULL AS timestamptz) AS on_at, false AS off_elsewhere
    FROM connection_order n WHERE n.order_no = %(order_no)s
    """
)
_CUSTOMER_OF_CONNECTION = SQL(
    """
    LEFT JOIN connection_order n ON n.order_no = %(order_no)s
    LEFT JOIN customer c ON c.cis_id = n.customer_id AND c.active
    """
)
_SITE_OF_CONNECTION = SQL("LEFT JOIN connection_order m ON m.order_no = %(order_no)s")

# What app/domain/contact_choice.py says, for many points at once: told are those who chose it, and
# among defaults those of the preferred channel; whoever declined is listed for the record, and where
# there is neither, the best other contact, so that the record says why nobody was told. A contact in
# doubt has its doubt for a source, since the CIS's word is not enough for it.
_CHOSEN = SQL(
    """
    WITH point AS MATERIALIZED ({points}), wish AS (
        SELECT k.kind, k.value, k.id AS contact_id, c.cis_id,
            coalesce(k.language, c.language) AS language,
            k.state, coalesce(k.doubt, k.source) AS source, k.quiet_from, k.quiet_to,
            c.preferred_channel, coalesce(c.personal_safety_ban, false) AS safety_ban,
            k.third_party_name IS NULL AS own, k.enrolled,
            coalesce(k.state = 'VERIFIED'
                OR k.state = 'UNVERIFIED' AND k.source = 'CIS' AND k.doubt IS NULL, false) AS usable,
            coalesce(CASE WHEN here.source <> 'CIS' THEN here.enabled END,
                CASE WHEN everywhere.source <> 'CIS' THEN everywhere.enabled END) AS chosen,
            coalesce(here.enabled, everywhere.enabled, k.enrolled, false) AS wants,
            coalesce(here.night_ok, everywhere.night_ok, false) AS night_ok,
            point.gsrn, point.off_at, point.on_at, point.off_elsewhere {carried}
        FROM point
        {people}
        LEFT JOIN contact k ON k.customer_id = c.cis_id AND k.state <> 'REMOVED'
            AND (k.only_gsrns IS NULL OR point.gsrn = ANY(k.only_gsrns))
        LEFT JOIN preference here ON here.contact_id = k.id AND here.topic = %(topic)s
            AND coalesce(here.gsrn, '') = point.gsrn
        LEFT JOIN preference everywhere ON everywhere.contact_id = k.id
            AND everywhere.topic = %(topic)s AND coalesce(everywhere.gsrn, '') = ''),
    weighed AS (
        SELECT wish.*,
            bool_or(usable AND own AND kind = preferred_channel
                AND (enrolled OR chosen IS NOT NULL)) OVER person AS others_wait,
            bool_or(usable AND own AND wants
                AND (chosen IS NOT NULL OR kind = preferred_channel)) OVER person AS own_told,
            -- Here, so that one sort serves all windows.
            row_number() OVER (PARTITION BY gsrn, cis_id ORDER BY usable DESC, own DESC,
                kind IS DISTINCT FROM preferred_channel, contact_id) AS place
        FROM wish WINDOW person AS (PARTITION BY gsrn, cis_id)),
    judged AS (
        SELECT weighed.*, usable AND wants AND (NOT own OR chosen IS NOT NULL
            OR kind = preferred_channel OR NOT others_wait
            OR %(topic)s = 'PLANNED' AND NOT own_told) AS told
        FROM weighed),
    listed AS (
        SELECT judged.*, bool_or(told OR usable AND chosen IS FALSE) OVER person AS any_listed
        FROM judged WINDOW person AS (PARTITION BY gsrn, cis_id))
    SELECT kind, value, contact_id, cis_id, language, state, source, quiet_from, quiet_to,
        CASE WHEN contact_id IS NULL THEN coalesce(preferred_channel <> 'NONE', true)
            WHEN usable THEN told ELSE chosen IS NOT FALSE END AS wants,
        night_ok, safety_ban, listed.gsrn, off_at, on_at, {elsewhere},
        nullif(concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment), '') {silent}
    FROM listed {site}
    WHERE CASE WHEN any_listed THEN told OR usable AND chosen IS FALSE ELSE place = 1 END
    ORDER BY kind COLLATE "C" NULLS LAST, value COLLATE "C", cis_id, listed.gsrn
    """
)

# Whoever follows an area has no point there, proved the address, and may have left since by STOP.
_SUBSCRIBERS = SQL(
    """
    SELECT k.kind, k.value, k.id, k.customer_id, k.language, k.state, k.source, k.quiet_from,
        k.quiet_to, true, coalesce(p.night_ok, false), false, '' AS gsrn,
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz), false, CAST(NULL AS text)
    FROM area_subscription s
    JOIN contact k ON k.id = s.contact_id AND k.state = 'VERIFIED'
    LEFT JOIN preference p ON p.contact_id = k.id AND p.topic = %(topic)s AND p.gsrn IS NULL
    WHERE s.municipality_code = %(municipality)s AND s.stopped_at IS NULL
      AND coalesce(p.enabled, k.enrolled) {but}
    ORDER BY k.kind COLLATE "C", k.value COLLATE "C"
    """
)
# An address that hears of it anyway hears of it once.
_NOT_LISTENING = SQL(
    """
    AND NOT EXISTS (SELECT 1 FROM listener l
        WHERE l.kind = k.kind AND l.value = k.value AND l.wants)
    """
)
_WITH_SUBSCRIBERS = SQL(
    """
    WITH listener (kind, value, contact_id, cis_id, language, state, source, quiet_from, quiet_to,
        wants, night_ok, safety_ban, gsrn, off_at, on_at, off_elsewhere, address)
        AS MATERIALIZED ({listeners})
    SELECT * FROM (
        SELECT * FROM listener
        UNION ALL
        SELECT * FROM ({subscribers}) also) everybody
    ORDER BY kind COLLATE "C" NULLS LAST, value COLLATE "C", cis_id, gsrn
    """
)

# Where only some points were never without power, those are meant who have no others in it, unless
# the point went on in an outage of another name, which has its own end.
_GOT_IT_WRONG = SQL(
    """
    n.announcement_id = %(corrects_id)s
    AND (CAST(%(dropped)s AS text[]) IS NULL OR NOT EXISTS (
        SELECT 1 FROM (SELECT n.gsrn UNION
            SELECT np.gsrn FROM notice_point np WHERE np.notice_id = n.id) mine (gsrn)
        WHERE mine.gsrn <> ALL(%(dropped)s) OR EXISTS (
            SELECT 1 FROM outage_point q JOIN outage o ON o.id = q.outage_id
            WHERE q.gsrn = mine.gsrn AND (q.on_at IS NULL OR q.on_at >= n.created_at)
              AND (o.kind <> 'PLANNED' OR o.state IN ('ONGOING', 'OVERRUN', 'ENDED')))))
    """
)
_KNOWS_THE_PLAN = SQL(
    "n.outage_id = ANY(%(outages)s) AND n.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED')"
)
# At the same address and in the same channel; whoever has it waiting is listed, too, so that it can
# be stopped.
_EARLIER_RECEIVERS = SQL(
    """
    SELECT n.channel, n.sent_to, n.contact_id, n.customer_id, n.language,
        coalesce(k.state, 'REMOVED'), coalesce(k.source, 'CIS'), k.quiet_from, k.quiet_to,
        true, coalesce(w.night_ok, false), coalesce(c.personal_safety_ban, false), named.gsrn,
        p.off_at, p.on_at,
        {elsewhere},
        nullif(concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment), '')
    FROM (
        SELECT DISTINCT ON (n.channel, n.sent_to, n.gsrn) n.* FROM notice n
        WHERE {which} AND n.channel IS NOT NULL
          AND {standing} NOT IN {not_told}
        ORDER BY n.channel, n.sent_to, n.gsrn, n.id DESC) n
    CROSS JOIN LATERAL (
        SELECT n.gsrn UNION SELECT np.gsrn FROM notice_point np WHERE np.notice_id = n.id
    ) named (gsrn)
    LEFT JOIN contact k ON k.id = n.contact_id
    LEFT JOIN customer c ON c.cis_id = n.customer_id
    LEFT JOIN LATERAL (
        SELECT night_ok FROM preference
        WHERE contact_id = n.contact_id AND topic = %(topic)s
          AND (gsrn = named.gsrn OR gsrn IS NULL)
        ORDER BY gsrn NULLS LAST LIMIT 1) w ON true
    LEFT JOIN metering_point m ON m.gsrn = named.gsrn
    LEFT JOIN outage_point p ON p.outage_id = %(outage_id)s AND p.gsrn = named.gsrn
    ORDER BY n.channel COLLATE "C", n.sent_to COLLATE "C", n.customer_id, named.gsrn
    """
)

# Whoever may have read of the plan in a letter has no address here, and is owed another letter.
_WITH_LETTERS = SQL(
    """
    SELECT * FROM (
        SELECT * FROM ({receivers}) told
        UNION ALL
        SELECT CAST(NULL AS text), NULL, NULL, l.customer_id, l.language, NULL, NULL, NULL, NULL,
            true, false, l.nameless, l.gsrn, p.off_at, p.on_at, false,
            nullif(concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment), '')
        FROM (
            SELECT DISTINCT ON (l.customer_id, l.gsrn) l.* FROM letter l
            JOIN notice n ON n.id = l.notice_id
            WHERE n.outage_id = ANY(%(outages)s) AND l.printed_at IS NOT NULL
              AND l.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED')
            ORDER BY l.customer_id, l.gsrn, l.id DESC) l
        LEFT JOIN metering_point m ON m.gsrn = l.gsrn
        LEFT JOIN outage_point p ON p.outage_id = %(outage_id)s AND p.gsrn = l.gsrn) everybody
        (kind, value, contact_id, cis_id, language, state, source, quiet_from, quiet_to, wants,
        night_ok, safety_ban, gsrn, off_at, on_at, off_elsewhere, address)
    ORDER BY kind COLLATE "C" NULLS LAST, value COLLATE "C", cis_id, gsrn
    """
)

_LEDGER = SQL(
    """
    SELECT n.channel, n.sent_to, n.id, n.type, {standing}, coalesce(again.first_at, n.event_at),
        coalesce(n.sent_at, n.state_at), n.announcement_id,
        CASE WHEN n.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED', 'FAULT_RESTORED')
            THEN array_append(ARRAY(
                SELECT CAST(np.gsrn AS text) FROM notice_point np WHERE np.notice_id = n.id), n.gsrn)
            ELSE '{{}}' END, again.etr_at
    FROM notice n LEFT JOIN (
        SELECT id, CAST(facts ->> 'first_event_at' AS timestamptz) AS first_at,
            CASE WHEN type IN ({estimates}) THEN
                CAST(facts ->> 'etr_at' AS timestamptz) END AS etr_at
        FROM announcement WHERE {told_again}) again ON again.id = n.announcement_id
    WHERE {which} AND n.channel IS NOT NULL
    ORDER BY n.channel COLLATE "C", n.sent_to COLLATE "C", n.id
    """
)
_OF_OUTAGES = (
    SQL("n.outage_id = ANY(%(told_of)s)"),
    # Few, and found by the outage, so that nobody is looked up one by one.
    SQL(
        "outage_id = ANY(%(told_of)s)"
        " AND (type IN ({estimates}) OR facts ->> 'first_event_at' IS NOT NULL)"
    ),
)
_OF_SUBJECT = (
    SQL(
        "(n.announcement_id = %(corrects_id)s OR n.announcement_id IN"
        " (SELECT a.id FROM announcement a WHERE a.subject LIKE %(subjects)s))"
    ),
    SQL("false"),
)
