"""Text messages to us: stored once before anybody reads them, then handed out one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.lanes import REPLIES
from app.domain.lock_spaces import LockSpace
from app.domain.reply_words import ReplyWord, parse_reply
from app.domain.states import INBOUND_SMS_MOVES, InboundSmsState, check_move
from app.doorbell import ring_after_commit
from app.models.reply import InboundSms
from app.services import opt_outs
from integrations.twilio_sms import types as wire

# So often a message is tried, each time a while later, before a person has to read it.
TRIES = 5
_PAUSES_S = (30, 60, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is ours to handle now; a try that is over the limit is for a person."""

    id: int
    attempts: int


_STORE = text(
    """
    INSERT INTO inbound_sms (sid, from_number, to_number, body, media_count, received_at, state,
        attempts, next_at)
    VALUES (:sid, :sender, :to, :body, :media, :now, 'WAITING', 0, :now)
    ON CONFLICT (sid) DO NOTHING RETURNING id
    """
)


def receive(session: Session, sms: wire.InboundSms, now: datetime) -> bool:
    """Keep a message; one that ends everything does so before we have thanked for it (REQ-11).

    The lane does it once more with the answer: until then a worker may have died, or wait behind
    thousands of others, and nothing may leave meanwhile. False when the provider repeats itself.
    """
    if not store(session, sms, now):
        return False
    if parse_reply(sms.body).word is ReplyWord.STOP:
        opt_outs.opt_out(session, sms.sender, None, source="SMS", by=f"sms:{sms.sid}", now=now)
    return True


def store(session: Session, sms: wire.InboundSms, now: datetime) -> bool:
    """Keep a message that is new and ring its lane; False when the provider repeats itself."""
    values = {
        "sid": sms.sid,
        "sender": sms.sender,
        "to": sms.to,
        # The one character that PostgreSQL cannot hold.
        "body": sms.body.replace("\x00", "\ufffd"),
        "media": sms.media_count,
        "now": now,
    }
    if session.execute(_STORE, values).one_or_none() is None:
        return False
    ring_after_commit(REPLIES)
    return True


_TAKE = text(
    """
    UPDATE inbound_sms SET attempts = attempts + 1,
        next_at = :now + make_interval(secs => (CAST(:pauses AS float[]))[least(attempts + 1, :tries)])
    WHERE id = (SELECT id FROM inbound_sms WHERE state = 'WAITING' AND next_at <= :now
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, attempts
    """
)


def take(session: Session, now: datetime) -> Taken | None:
    """Take the oldest message that is due, counting the try before it is made.

    Must be committed before the message is handled: one over which the process dies comes back
    after a pause, and not for ever.
    """
    values = {"now": now, "pauses": list(_PAUSES_S), "tries": TRIES}
    row = session.execute(_TAKE, values).one_or_none()
    return None if row is None else Taken(row.id, row.attempts)


def lock(session: Session, message_id: int) -> InboundSms | None:
    """The message, locked until the commit; None when somebody else has handled it.

    Messages of one number are handled one at a time, since each may change what the next one means.
    """
    number = session.execute(
        select(InboundSms.from_number).where(InboundSms.id == message_id)
    ).scalar_one_or_none()
    if number is None:
        return None
    values = {"space": LockSpace.INBOUND_SMS.value, "n": number}
    session.execute(text("SELECT pg_advisory_xact_lock(:space, hashtext(:n))"), values)
    return session.execute(
        select(InboundSms)
        .where(InboundSms.id == message_id, InboundSms.state == InboundSmsState.WAITING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def close(sms: InboundSms, verdict: str, now: datetime) -> None:
    """The message has been handled."""
    check_move(INBOUND_SMS_MOVES, sms.state, InboundSmsState.DONE)
    sms.state, sms.verdict, sms.handled_at = InboundSmsState.DONE, verdict, now
    sms.error_class = None


def hold(sms: InboundSms, now: datetime) -> None:
    """The message cannot be handled by our own fault, so a person has to read it."""
    check_move(INBOUND_SMS_MOVES, sms.state, InboundSmsState.HELD)
    sms.state, sms.handled_at = InboundSmsState.HELD, now


def note_failure(session: Session, message_id: int, error_class: str) -> None:
    """Remember what went wrong; the next try is due already."""
    session.execute(
        text("UPDATE inbound_sms SET error_class = :error WHERE id = :id AND state = 'WAITING'"),
        {"id": message_id, "error": error_class},
    )


@dataclass(frozen=True, slots=True)
class Recent:
    """What a number wrote lately and how often it was answered."""

    answered_in_hour: int
    answered_in_day: int
    not_understood_in_hour: int
    refused_enrolments_in_day: int


_RECENT = text(
    """
    SELECT count(*) FILTER (WHERE answer_type IS NOT NULL AND received_at > :hour),
        count(*) FILTER (WHERE answer_type IS NOT NULL),
        count(*) FILTER (WHERE answer_type = 'NOT_UNDERSTOOD' AND received_at > :hour),
        count(*) FILTER (WHERE verdict = 'ENROL_REFUSED')
    FROM inbound_sms WHERE from_number = :number AND received_at > :day AND id <> :id
    """
)


def recent(session: Session, sms: InboundSms, now: datetime) -> Recent:
    """Count what the number wrote before this message; the caller holds the number's lock."""
    values = {
        "number": sms.from_number,
        "id": sms.id,
        "hour": now - timedelta(hours=1),
        "day": now - timedelta(days=1),
    }
    return Recent(*session.execute(_RECENT, values).one())
