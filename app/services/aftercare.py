"""Care for messages that did not arrive: the other channel once, else a letter (REQ-26).

Each such notice is looked at once; the look, what it decided and what came of it are one
transaction, and unique keys keep a second look from doing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.aftercare import Aftercare, FailedNotice, decide_aftercare
from app.domain.languages import Language
from app.domain.message_text import TemplateError
from app.domain.night_hold import night_hold
from app.domain.notice_policy import ContactFacts, ContactState, address_hash
from app.domain.notice_types import NOTICE_RULES, Channel, NoticeType, Topic
from app.domain.notice_values import several_points, short_address, values_for
from app.domain.states import NOTICE_MOVES, NoticeState, check_move
from app.domain.telling_times import needed_by, true_until
from app.models.notice import Notice
from app.services import alarms, message_templates, outbox, owed_letters, published_texts
from app.services.notice_items import build_item
from app.settings import Settings

ALARM = "AFTERCARE_FAILED"


@dataclass(frozen=True, slots=True)
class Cared:
    """What was done about one notice, and why."""

    notice_id: int
    gsrn: str
    action: str
    why: str


# Whoever is told at another address, or may have been, is owed nothing more. A contact of the other
# channel counts unless its owner has left the topic there, whose it is is in doubt, or it is somebody
# else's who may not hear of all these points.
_WAITING = text(
    """
    SELECT n.id, n.type, n.topic, n.state, n.suppress_reason, n.expires_at, n.fallback_of,
        n.channel, n.customer_id, n.gsrn, n.language, n.point_count, n.event_at, n.outage_id,
        n.order_id, n.announcement_id, n.dedupe_key, a.facts, a.subject AS about,
        coalesce(c.personal_safety_ban, false) OR coalesce(ban.found, false) AS safety_ban,
        m.street_name, m.house_number, m.staircase, m.apartment,
        point.off_at, point.on_at,
        EXISTS (
            SELECT 1 FROM notice other
            WHERE other.announcement_id = n.announcement_id AND other.customer_id = n.customer_id
              AND other.id <> n.id AND other.state IN ('QUEUED', 'HELD', 'SENDING', 'SENT',
                'UNKNOWN', 'RESENT', 'DELIVERED')) AS told_otherwise,
        n.type IN ('PLANNED_NOTICE', 'PLANNED_CHANGED', 'PLANNED_REMINDER') AND EXISTS (
            SELECT 1 FROM announcement newer
            WHERE newer.outage_id = n.outage_id AND newer.id > n.announcement_id
              AND newer.type IN ('PLANNED_CHANGED', 'PLANNED_CANCELLED')
              AND newer.state <> 'WITHDRAWN') AS outdated,
        k.id AS contact_id, k.kind, k.value, k.state AS contact_state, k.source, k.quiet_from,
        k.quiet_to, coalesce(k.language, n.language) AS contact_language
    FROM notice n
    LEFT JOIN announcement a ON a.id = n.announcement_id
    LEFT JOIN customer c ON c.cis_id = n.customer_id
    LEFT JOIN metering_point m ON m.gsrn = n.gsrn
    LEFT JOIN outage_point point ON point.outage_id = n.outage_id AND point.gsrn = n.gsrn
    LEFT JOIN LATERAL (
        SELECT true AS found FROM occupancy o JOIN customer x ON x.cis_id = o.customer_id
        WHERE o.gsrn = n.gsrn AND o.moved_out_on IS NULL AND x.personal_safety_ban
        LIMIT 1) ban ON true
    LEFT JOIN LATERAL (
        SELECT k.* FROM contact k
        WHERE k.customer_id = n.customer_id AND k.kind <> coalesce(n.channel, '')
          AND (k.state = 'VERIFIED'
            OR k.state = 'UNVERIFIED' AND k.source = 'CIS' AND k.doubt IS NULL)
          AND (k.only_gsrns IS NULL OR NOT EXISTS (
            SELECT 1 FROM (SELECT n.gsrn UNION
                SELECT np.gsrn FROM notice_point np WHERE np.notice_id = n.id) mine (gsrn)
            WHERE mine.gsrn <> ALL(k.only_gsrns)))
          AND coalesce((SELECT p.enabled FROM preference p WHERE p.contact_id = k.id
            AND p.topic = n.topic AND (p.gsrn = n.gsrn OR p.gsrn IS NULL)
            ORDER BY p.gsrn NULLS LAST LIMIT 1), k.enrolled)
          AND NOT EXISTS (SELECT 1 FROM notice told
            WHERE told.announcement_id = n.announcement_id AND told.sent_to = k.value)
        ORDER BY k.third_party_name IS NOT NULL, k.state DESC, k.id LIMIT 1) k ON true
    WHERE n.aftercare_at IS NULL AND n.state IN ('UNDELIVERED', 'FAILED', 'SUPPRESSED')
      AND n.topic IN ('SAFETY', 'PLANNED', 'COMPENSATION')
    ORDER BY n.id LIMIT :limit FOR NO KEY UPDATE OF n
    """
)

_LOOKED_AT = text(
    """
    UPDATE notice n SET aftercare_at = :now, state = s.state,
        state_at = CASE WHEN s.state = n.state THEN n.state_at ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) AS s (id, state)
    WHERE n.id = s.id
    """
)


# What arrived, and what is too old to be told now, is done with and leaves the index.
_DONE_WITH = text(
    """
    UPDATE notice SET aftercare_at = :now WHERE id IN (
        SELECT id FROM notice
        WHERE aftercare_at IS NULL AND topic IN ('SAFETY', 'PLANNED', 'COMPENSATION')
          AND (state = 'DELIVERED' OR created_at < :before)
        ORDER BY id LIMIT :limit)
    """
)
_TOO_OLD = timedelta(days=30)


def let_go(session: Session, limit: int, now: datetime) -> None:
    """Take up to `limit` notices off the list of those to be looked after."""
    session.execute(_DONE_WITH, {"limit": limit, "now": now, "before": now - _TOO_OLD})


def care(session: Session, settings: Settings, limit: int, now: datetime) -> list[Cared]:
    """Look after up to `limit` notices; an empty list means that none waited."""
    cared: list[Cared] = []
    states: dict[int, str] = {}
    for row in session.execute(_WAITING, {"limit": limit}).all():
        action, why = decide_aftercare(_failed(row), now)
        states[row.id] = row.state
        try:
            if action is Aftercare.FALLBACK:
                _tell_otherwise(session, row, why, settings, now)
                if row.state != NoticeState.SUPPRESSED:
                    check_move(NOTICE_MOVES, row.state, NoticeState.FALLBACK)
                    states[row.id] = NoticeState.FALLBACK
            elif action is Aftercare.LETTER:
                owed_letters.owe(
                    session, row, _values(row, Language(row.language), settings), settings, now
                )
            cared.append(Cared(row.id, row.gsrn, action, why))
        except (TemplateError, KeyError) as error:
            # Its text lacks something; the others must not wait for it.
            words = f"Notice {row.id} did not arrive, and no other text could be made of it."
            alarms.open_alarm(session, ALARM, str(row.id), words, now)
            cared.append(Cared(row.id, row.gsrn, "FAILED", type(error).__name__))
    if states:
        values = {"now": now, "ids": list(states), "states": list(states.values())}
        session.execute(_LOOKED_AT, values)
    return cared


def _failed(row: Any) -> FailedNotice:
    kind = NoticeType(row.type)
    return FailedNotice(
        type=kind,
        topic=Topic(row.topic),
        state=NoticeState(row.state),
        suppress_reason=row.suppress_reason,
        expires_at=row.expires_at,
        true_until=true_until(kind, row.facts or {}),
        is_fallback=row.fallback_of is not None,
        told_otherwise=row.told_otherwise,
        other_contact=row.contact_id is not None,
        outdated=row.outdated,
    )


def _values(row: Any, language: Language, settings: Settings) -> dict[str, str]:
    """What the text is filled with, as when the announcement was planned."""
    address = short_address(row.street_name, row.house_number, row.staircase, row.apartment)
    if row.point_count > 1:
        address = several_points(row.point_count, language)
    return values_for(
        NoticeType(row.type),
        language,
        {"event_at": row.event_at.isoformat(), **(row.facts or {}), **_times(row)},
        brand=settings.brand,
        phone=settings.customer_service_phone,
        address=None if row.safety_ban and row.point_count == 1 else address,
    )


def _times(row: Any) -> Mapping[str, Any]:
    if row.off_at is None:
        return {}
    times: dict[str, Any] = {"off_at": row.off_at.isoformat()}
    if row.on_at is not None:
        duration_s = int((row.on_at - row.off_at).total_seconds())
        times |= {"on_at": row.on_at.isoformat(), "duration_s": duration_s}
    return times


def _tell_otherwise(
    session: Session, row: Any, why: str, settings: Settings, now: datetime
) -> None:
    """Write the same notice for the other channel and put it on its way."""
    kind, language = NoticeType(row.type), Language(row.contact_language)
    contact = ContactFacts(
        row.contact_id, Channel(row.kind), row.value, ContactState(row.contact_state), row.source
    )
    rendered = message_templates.render(
        published_texts.current(session),
        kind,
        contact.channel,
        language,
        _values(row, language, settings),
        settings.sms_senders,
    )
    until, _ = night_hold(
        kind,
        now,
        event_at=row.event_at,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        needed_by=needed_by(kind, row.facts or {}),
    )
    notice_id = session.execute(
        insert(Notice)
        .values(
            type=kind,
            dedupe_key=f"fallback/{row.id}/{address_hash(contact)}",
            contact_id=contact.id,
            customer_id=row.customer_id,
            gsrn=row.gsrn,
            order_id=row.order_id,
            outage_id=row.outage_id,
            announcement_id=row.announcement_id,
            point_count=row.point_count,
            must_reach=NOTICE_RULES[kind].must_reach,
            topic=row.topic,
            language=language,
            channel=contact.channel,
            sent_to=contact.value,
            subject=rendered.subject,
            body=rendered.body,
            html=rendered.html,
            encoding=rendered.encoding,
            segments=rendered.segments,
            text_version=rendered.version,
            state=NoticeState.HELD if until else NoticeState.QUEUED,
            state_at=now,
            decision=f"{why} In place of notice {row.id}.",
            event_at=row.event_at,
            not_before_at=until,
            expires_at=row.expires_at,
            resent_count=0,
            fallback_of=row.id,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Notice.id)
    ).scalar_one_or_none()
    if notice_id is None:
        return
    item = build_item(
        notice_id,
        kind,
        row.gsrn or None,
        contact,
        language,
        rendered,
        settings,
        until,
        row.expires_at,
        order_of=row.about,
    )
    outbox.put(session, [item], now)
