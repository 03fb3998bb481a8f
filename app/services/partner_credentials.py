"""The credentials that partners use towards us: derived, so that nothing secret is stored.

A key is named `<partner code>.<generation>`. Its bearer token and its signing secret follow from
that name and the setting TIEDOLLA_PARTNER_KEY; the partner's row only says which generations count.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.models.partner import FEED, Partner
from app.services import audit

# Made once: every acknowledgement asks it.
_STANDING = select(
    Partner.active, Partner.key_generation, Partner.oldest_key_generation, Partner.transport
).where(Partner.code == bindparam("code"))
_KEY_ID = re.compile(r"([a-z0-9][a-z0-9_-]{0,39})\.([1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """One key of one partner, as the partner has to keep it."""

    key_id: str
    token: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that somebody showed and that we gave out once."""

    partner_code: str
    generation: int
    credential: Credential


class CredentialInvalid(Exception):
    """The caller is not shown to be a partner.

    code is KEY_MISSING, KEY_UNKNOWN, KEY_REVOKED (answer 401), PARTNER_INACTIVE or
    KEY_NOT_FOR_THIS (answer 403);
    why is a sentence that the caller can act on.
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class PartnerUnknown(Exception):
    """There is no partner with this code; tell whoever asked."""


def derive(partner_key: str, key_id: str) -> Credential:
    """The token and the secret of a key id."""
    return Credential(
        key_id,
        token=_derived(partner_key, f"ack-token:{key_id}"),
        secret=_derived(partner_key, f"ack-secret:{key_id}"),
    )


def recognise(partner_key: str, key_id: str | None, authorization: str | None) -> Key:
    """Whose key this is, without asking the database: only we can have given out its token.

    Compares in constant time; an unknown key id costs the same work as a known one.
    Raises: CredentialInvalid.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if not key_id or scheme.lower() != "bearer" or not token:
        why = "Tiedolla-Key and Authorization: Bearer are both needed"
        raise CredentialInvalid("KEY_MISSING", why)
    credential = derive(partner_key, key_id)
    name = _KEY_ID.fullmatch(key_id)
    if not hmac.compare_digest(credential.token.encode(), token.strip().encode()) or not name:
        why = "the key id and the bearer token do not belong together"
        raise CredentialInvalid("KEY_UNKNOWN", why)
    return Key(name[1], int(name[2]), credential)


def admit(session: Session, key: Key) -> str:
    """Let pass a key that still counts, of a partner that still works for us; returns its transport.

    Raises: CredentialInvalid.
    """
    partner = session.execute(_STANDING, {"code": key.partner_code}).one_or_none()
    if partner is None or key.generation > partner.key_generation:
        raise CredentialInvalid("KEY_UNKNOWN", "no partner has this key")
    if key.generation < partner.oldest_key_generation:
        raise CredentialInvalid("KEY_REVOKED", "this key has been replaced by a newer one")
    if not partner.active:
        raise CredentialInvalid("PARTNER_INACTIVE", "the partner is not active")
    return str(partner.transport)


def admit_installer(session: Session, key: Key) -> None:
    """Let pass only the key of somebody whom orders go to: nobody else has work to report.

    Raises: CredentialInvalid.
    """
    if admit(session, key) == FEED:
        raise CredentialInvalid("KEY_NOT_FOR_THIS", "no orders go to the holder of this key")


def admit_feed(session: Session, key: Key, feed: str) -> None:
    """Let pass only the key of one of our own systems, so that no partner speaks in its name.

    Raises: CredentialInvalid.
    """
    if key.partner_code != feed:
        raise CredentialInvalid("KEY_NOT_FOR_THIS", f"only the key of {feed} is taken here")
    admit(session, key)


def current(session: Session, partner_key: str, code: str) -> Credential:
    """The partner's newest key. Raises: PartnerUnknown."""
    generation = session.execute(
        select(Partner.key_generation).where(Partner.code == code)
    ).scalar_one_or_none()
    if generation is None:
        raise PartnerUnknown(code)
    return derive(partner_key, f"{code}.{generation}")


def rotate(session: Session, code: str, actor: str, now: datetime) -> int:
    """Give the partner a new key; the one before it stays good until revoke_old().

    Returns the new generation. Raises: PartnerUnknown.
    """
    partner = _get_for_update(session, code)
    partner.oldest_key_generation = partner.key_generation
    partner.key_generation += 1
    _record(session, actor, "PARTNER_KEY_ROTATED", partner, now)
    return partner.key_generation


def revoke_old(session: Session, code: str, actor: str, now: datetime) -> int:
    """Let only the partner's newest key count; returns its generation. Raises: PartnerUnknown."""
    partner = _get_for_update(session, code)
    partner.oldest_key_generation = partner.key_generation
    _record(session, actor, "PARTNER_KEY_REVOKED", partner, now)
    return partner.key_generation


def _derived(partner_key: str, name: str) -> str:
    return hmac.new(partner_key.encode(), name.encode(), hashlib.sha256).hexdigest()


def _get_for_update(session: Session, code: str) -> Partner:
    partner = session.get(Partner, code, with_for_update=True, populate_existing=True)
    if partner is None:
        raise PartnerUnknown(code)
    return partner


def _record(session: Session, actor: str, action: str, partner: Partner, now: datetime) -> None:
    detail = {"newest": partner.key_generation, "oldest": partner.oldest_key_generation}
    audit.record(session, actor, action, f"partner:{partner.code}", detail, now)
