"""The texts that leave now: the shipped ones, and in their place those that staff have published.

Every process keeps them in memory and looks for newer ones when it needs them, at most every
FRESH_S: a new version is in use everywhere within that time, and no message pays for the look.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.message_json import texts_from_json
from app.domain.notice_types import NoticeType
from app.domain.states import TextState
from app.models.message_version import MessageVersion
from app.services.message_templates import SHIPPED, Messages

FRESH_S = 2.0
_KINDS = frozenset(NoticeType)


@dataclass(frozen=True, slots=True)
class _Known:
    in_use: tuple[tuple[str, int], ...]
    messages: Messages
    read_at: float


_known: _Known | None = None


def current(session: Session, *, tick: Callable[[], float] = time.monotonic) -> Messages:
    """The texts in use, at most FRESH_S old; tick is a clock that never goes back, in seconds."""
    global _known  # noqa: PLW0603 - one memory per process, replaced as a whole.
    known, now = _known, tick()
    if known is not None and now - known.read_at < FRESH_S:
        return known.messages
    in_use = tuple(
        (row.kind, row.number)
        for row in session.execute(
            select(MessageVersion.kind, MessageVersion.number)
            .where(MessageVersion.state == TextState.PUBLISHED)
            .order_by(MessageVersion.kind)
        )
    )
    messages = (
        known.messages if known is not None and known.in_use == in_use else _read(session, in_use)
    )
    _known = _Known(in_use, messages, now)
    return messages


def forget() -> None:
    """Look again at the next need, however fresh what is known may be."""
    global _known  # noqa: PLW0603 - one memory per process, replaced as a whole.
    _known = None


def _read(session: Session, in_use: tuple[tuple[str, int], ...]) -> Messages:
    """A version's wording is fixed once it is submitted, so its number is enough to know it by."""
    if not in_use:
        return SHIPPED
    by_type = dict(SHIPPED.by_type)
    versions: dict[NoticeType, int] = {}
    rows = session.execute(
        select(MessageVersion.kind, MessageVersion.number, MessageVersion.texts).where(
            MessageVersion.state == TextState.PUBLISHED
        )
    )
    for row in rows:
        # A kind that a later release gave up may still have a text.
        if row.kind in _KINDS:
            by_type[NoticeType(row.kind)] = texts_from_json(row.texts)
            versions[NoticeType(row.kind)] = row.number
    return Messages(by_type, SHIPPED.footer, versions)
