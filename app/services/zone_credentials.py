"""The keys with which the runners of a zone reach us: derived, so that nothing secret is stored.

A key is named `<zone>.<generation>`. Its bearer token and signing secret follow from that name and
the setting TIEDOLLA_PARTNER_KEY, by another way than those of partners: neither is good for the
other's interfaces. The zone's row only says which generations count.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.zones import CENTRAL
from app.models.zone import Zone
from app.services import audit
from app.services.partner_credentials import CredentialInvalid

_KEY_ID = re.compile(r"([a-z][a-z0-9-]{0,30})\.([1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ZoneKey:
    """One key of one zone, as a runner has to keep it."""

    zone: str
    generation: int
    token: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def key_id(self) -> str:
        """Its name."""
        return f"{self.zone}.{self.generation}"


class ZoneUnknown(Exception):
    """There is no such zone that has keys."""


def derive(partner_key: str, zone: str, generation: int) -> ZoneKey:
    """The token and the secret of a zone's key."""
    name = f"{zone}.{generation}"
    return ZoneKey(
        zone,
        generation,
        token=_derived(partner_key, f"zone-token:{name}"),
        secret=_derived(partner_key, f"zone-secret:{name}"),
    )


def recognise(partner_key: str, key_id: str | None, authorization: str | None) -> ZoneKey:
    """Whose key this is, without asking the database: only we can have given out its token.

    Compares in constant time; a name that can be nobody's costs the same work.
    Raises: CredentialInvalid.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if not key_id or scheme.lower() != "bearer" or not token:
        why = "Tiedolla-Key and Authorization: Bearer are both needed"
        raise CredentialInvalid("KEY_MISSING", why)
    name = _KEY_ID.fullmatch(key_id)
    zone, generation = (name[1], int(name[2])) if name else ("", 0)
    key = derive(partner_key, zone, generation)
    if not hmac.compare_digest(key.token.encode(), token.strip().encode()) or not name:
        why = "the key id and the bearer token do not belong together"
        raise CredentialInvalid("KEY_UNKNOWN", why)
    return key


def admit(session: Session, key: ZoneKey) -> None:
    """Let pass a key that still counts, of a zone that is in use. Raises: CredentialInvalid."""
    zone = session.get(Zone, key.zone, populate_existing=True)
    if zone is None or zone.code == CENTRAL or key.generation > zone.key_generation:
        raise CredentialInvalid("KEY_UNKNOWN", "no zone has this key")
    if key.generation < zone.oldest_key_generation:
        raise CredentialInvalid("KEY_REVOKED", "this key has been replaced by a newer one")
    if not zone.active:
        raise CredentialInvalid("ZONE_INACTIVE", "the zone is switched off")


def current(session: Session, partner_key: str, code: str) -> ZoneKey:
    """The zone's newest key. Raises: ZoneUnknown."""
    zone = session.get(Zone, code)
    if zone is None or code == CENTRAL:
        raise ZoneUnknown(code)
    return derive(partner_key, code, zone.key_generation)


def rotate(session: Session, code: str, now: datetime, *, by: str) -> int:
    """Give the zone a new key; the one before it stays good until revoke_old(). Raises: ZoneUnknown."""
    zone = _get_for_update(session, code)
    zone.oldest_key_generation = zone.key_generation
    zone.key_generation += 1
    _record(session, "ZONE_KEY_ROTATED", zone, now, by)
    return zone.key_generation


def revoke_old(session: Session, code: str, now: datetime, *, by: str) -> int:
    """Let only the zone's newest key count; returns its generation. Raises: ZoneUnknown."""
    zone = _get_for_update(session, code)
    zone.oldest_key_generation = zone.key_generation
    _record(session, "ZONE_KEY_REVOKED", zone, now, by)
    return zone.key_generation


def _derived(partner_key: str, name: str) -> str:
    return hmac.new(partner_key.encode(), name.encode(), hashlib.sha256).hexdigest()


def _get_for_update(session: Session, code: str) -> Zone:
    zone = session.get(Zone, code, with_for_update=True, populate_existing=True)
    if zone is None or code == CENTRAL:
        raise ZoneUnknown(code)
    return zone


def _record(session: Session, action: str, zone: Zone, now: datetime, by: str) -> None:
    detail = {"newest": zone.key_generation, "oldest": zone.oldest_key_generation}
    audit.record(session, by, action, f"zone:{zone.code}", detail, now)
