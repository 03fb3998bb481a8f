"""One-time codes: proof that somebody holds a phone number or an e-mail address.

Six digits, ten minutes, five tries. Neither the code nor the token that belongs to it is kept, only
their hash under our key; the text in the ledger is masked from the beginning, and the one on its way
as soon as the code is used or has expired (REQ-36). Addresses that we do not know cost the same work
and get the same answer, so that nobody learns whom we know.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.domain.languages import Language
from app.domain.notice_policy import ContactFacts, ContactState
from app.domain.notice_types import Channel, NoticeType
from app.models.customer_login import OneTimeCode
from app.services import rate_limits
from app.services.direct_notices import tell_contact
from app.services.notice_sending import stop_older
from app.services.rate_limits import DAY, HOUR, Limit
from app.settings import Settings

GOOD_FOR = timedelta(minutes=10)
MAX_TRIES = 5
# Tries of codes from one network address in an hour, however many codes there are.
_TRIES_PER_SOURCE = 100
MASK = "******"


class Outcome(StrEnum):
    """How a try of a code ended. SPENT: expired, used before or tried too often."""

    OK = "OK"
    WRONG = "WRONG"
    SPENT = "SPENT"


@dataclass(frozen=True, slots=True)
class Address:
    """A phone number (E.164) or an e-mail address (lower case)."""

    channel: Channel
    value: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of a try and, when it is OK, what the code was sent for."""

    outcome: Outcome
    purpose: str = ""
    address: Address | None = None
    facts: Mapping[str, Any] | None = None


def may_send(
    session: Session, address: Address, source_address: str, settings: Settings, now: datetime
) -> bool:
    """Count a request for a code; must be committed before the code is sent, whatever the answer."""
    limits = [
        Limit("code from", source_address, settings.code_per_source_count),
        Limit("code to", f"{address.channel}:{address.value}", settings.code_per_address_count),
    ]
    return rate_limits.allow(session, limits, now)


def within_customers(
    session: Session, customer_ids: Iterable[str], settings: Settings, now: datetime
) -> bool:
    """Count it for the customers of the address as well.

    Whoever asks must not learn from the answer that there are any: send with known=False then.
    """
    limits = [
        Limit("code of", customer_id, settings.code_per_customer_count, DAY)
        for customer_id in sorted(customer_ids)
    ]
    return rate_limits.allow(session, limits, now)


def send_code(
    session: Session,
    address: Address,
    *,
    purpose: str,
    language: Language,
    now: datetime,
    settings: Settings,
    facts: Mapping[str, Any] | None = None,
    contact_id: int | None = None,
    customer_id: str | None = None,
    known: bool = True,
) -> str:
    """Send a code and return the token that must come back with it.

    The token belongs into the browser that asked: who reads the message elsewhere cannot use the
    code. known=False does all the work and sends nothing.
    """
    token = secrets.token_urlsafe(24)
    code = f"{secrets.randbelow(10**6):06d}"
    contact = ContactFacts(contact_id or 0, address.channel, address.value, ContactState.VERIFIED)
    with session.begin_nested() as sending:
        notice_id = tell_contact(
            session,
            contact,
            NoticeType.VERIFY_CODE,
            {"code": code},
            language=language,
            key=_hash(token)[:16],
            why="A code was asked for.",
            now=now,
            settings=settings,
            customer_id=customer_id,
        )
        session.execute(_MASK_NOTICE, {"notices": [notice_id], "mask": MASK})
        if not known:
            sending.rollback()
    session.execute(
        insert(OneTimeCode).values(
            token_hash=_hash(token),
            purpose=purpose,
            kind=address.channel,
            value=address.value,
            facts={**(facts or {}), "known": known},
            code_hash=_sealed(token, code, settings),
            tries=0,
            created_at=now,
            expires_at=now + GOOD_FOR,
            notice_id=notice_id if known else None,
        )
    )
    return token


_TRY = text(
    """
    UPDATE one_time_code SET tries = tries + 1
    WHERE token_hash = :token AND purpose = ANY(:purposes) AND used_at IS NULL
      AND expires_at > :now AND tries < :limit
    RETURNING id, purpose, kind, value, facts, code_hash, notice_id
    """
)


def check_code(
    session: Session,
    token: str,
    code: str,
    *,
    purposes: Sequence[str],
    source_address: str,
    settings: Settings,
    now: datetime,
) -> Proof:
    """Try a code; the try counts, so the caller must commit whatever the outcome."""
    limit = Limit("try from", source_address, _TRIES_PER_SOURCE, HOUR)
    if not rate_limits.allow(session, [limit], now):
        return Proof(Outcome.SPENT)
    row = session.execute(
        _TRY,
        {"token": _hash(token), "purposes": list(purposes), "now": now, "limit": MAX_TRIES},
    ).one_or_none()
    digits = re.sub(r"\D", "", code)
    given = _sealed(token, digits, settings)
    if row is None:
        return Proof(Outcome.SPENT)
    if not hmac.compare_digest(given, row.code_hash) or not row.facts["known"]:
        return Proof(Outcome.WRONG)
    session.execute(
        text("UPDATE one_time_code SET used_at = :now WHERE id = :id"), {"id": row.id, "now": now}
    )
    redact(session, now, notice_id=row.notice_id)
    return Proof(Outcome.OK, row.purpose, Address(Channel(row.kind), row.value), row.facts)


_MASK_NOTICE = text(
    r"""
    UPDATE notice SET body = regexp_replace(body, '\d{6}', :mask, 'g'),
        subject = regexp_replace(subject, '\d{6}', :mask, 'g'), html = NULL
    WHERE id = ANY(:notices)
    """
)
_READABLE = text(
    """
    UPDATE one_time_code SET redacted_at = :now
    WHERE notice_id IS NOT NULL AND redacted_at IS NULL
      AND (expires_at <= :now OR notice_id = :notice)
    RETURNING notice_id
    """
)
# The keys of a text message's and of an e-mail's payload that hold the text.
_MASK_ITEMS = text(
    r"""
    UPDATE outbox_item SET payload = payload || (
        SELECT jsonb_object_agg(key, regexp_replace(value #>> '{}', '\d{6}', :mask, 'g'))
        FROM jsonb_each(payload) WHERE key IN ('body', 'text', 'subject', 'html'))
    WHERE business_key = ANY(:keys) AND kind = 'NOTICE'
    """
)


def redact(session: Session, now: datetime, *, notice_id: int | None = None) -> int:
    """Make codes unreadable that have expired, and the one that `notice_id` carried.

    Whatever of them has not left yet does not leave any more: a text without its code is of no use.
    """
    values = {"now": now, "notice": notice_id or 0}
    notices = [row.notice_id for row in session.execute(_READABLE, values)]
    if notices:
        stop_older(session, notices, notices, now)
        keys = [f"notice:{one}" for one in notices]
        session.execute(_MASK_ITEMS, {"keys": keys, "mask": MASK})
    return len(notices)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _sealed(token: str, code: str, settings: Settings) -> str:
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, f"one-time code\n{token}\n{code}".encode(), sha256).hexdigest()
