"""One-click unsubscribe links of e-mails (RFC 8058), bound to the address they were sent to.

The token is the address and the topic under our key (AES-SIV): nobody can make or read one, and one
that was made for an address says nothing about whoever has it later (REQ-13).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha512

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from app.domain.notice_types import Topic
from app.settings import Settings

PATH = "/unsubscribe/"
_ASSOCIATED = [b"unsubscribe"]


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says."""

    value: str
    topic: Topic


def unsubscribe_url(settings: Settings, contact_value: str, topic: Topic | str) -> str:
    """The address for List-Unsubscribe and for the end of an e-mail; the same for the same pair."""
    return f"{settings.base_url}{PATH}{make_token(settings, contact_value, topic)}"


def make_token(settings: Settings, contact_value: str, topic: Topic | str) -> str:
    """The token alone."""
    sealed = _cipher(settings.secret_key.get_secret_value()).encrypt(
        f"{topic}\n{contact_value}".encode(), _ASSOCIATED
    )
    return _encoded(sealed)


def read_token(settings: Settings, token: str) -> Link | None:
    """What a token says; None when we did not make it."""
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if _encoded(sealed) != token:
            # Another spelling of the same bytes is none of ours.
            return None
        words = _cipher(settings.secret_key.get_secret_value()).decrypt(sealed, _ASSOCIATED)
        topic, _, value = words.decode().partition("\n")
        return Link(value, Topic(topic))
    except (ValueError, InvalidTag):
        return None


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


@lru_cache(maxsize=4)
def _cipher(secret: str) -> AESSIV:
    return AESSIV(sha512(f"unsubscribe\n{secret}".encode()).digest())
