"""Texts of notices that staff have written: those in force travel, and arrive as drafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.environment_diff import Change, Standing, compare
from app.domain.message_json import texts_from_json, texts_to_json
from app.domain.notice_types import NoticeType
from app.domain.states import TextState
from app.models.message_version import MessageVersion
from app.services import message_versions
from app.services.environments.kind import Act, ImportBlocked, Records
from app.services.message_templates import SHIPPED
from app.services.message_versions import ChangedMeanwhile
from app.settings import Settings

_OPEN = (TextState.DRAFT, TextState.SUBMITTED)


class Texts:
    """One record for each kind of notice whose text is not the shipped one."""

    name = "texts"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        rows = session.execute(
            select(MessageVersion.kind, MessageVersion.texts).where(
                MessageVersion.state == TextState.PUBLISHED
            )
        ).all()
        return {row.kind: _normal(row.texts) for row in sorted(rows) if row.kind in _KINDS}

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        here = self.read(session)
        waiting = {
            row.kind: _normal(row.texts)
            for row in session.execute(
                select(MessageVersion.kind, MessageVersion.texts).where(
                    MessageVersion.state.in_(_OPEN)
                )
            )
        }
        changes: list[Change | None] = []
        for key in sorted(here.keys() | wanted.keys()):
            if key not in _KINDS:
                changes.append(
                    compare(
                        self.name,
                        key,
                        None,
                        wanted.get(key),
                        standing=Standing.SKIPPED,
                        reason="NOT_HERE",
                    )
                )
                continue
            after, valid = _wanted(wanted, key)
            standing, reason = Standing.DUE, None
            if not valid:
                standing, reason = Standing.BLOCKED, "CONTENT_INVALID"
            elif waiting.get(key) == after:
                standing = Standing.WAITS
            elif key in waiting:
                standing, reason = Standing.BLOCKED, "DRAFT_IN_THE_WAY"
            changes.append(
                compare(
                    self.name,
                    key,
                    here.get(key, _shipped(key)),
                    after,
                    standing=standing,
                    reason=reason,
                )
            )
        return [one for one in changes if one is not None]

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        for change in due:
            kind = NoticeType(change.key)
            after, _ = _wanted(wanted, change.key)
            base, _ = message_versions.texts_in_use(session, kind)
            try:
                message_versions.save_draft(
                    session,
                    kind,
                    texts_from_json(after),
                    note="",
                    marketing=False,
                    base=base,
                    seen_at=None,
                    by=act.brought_by,
                    now=act.now,
                )
            except ChangedMeanwhile:
                raise ImportBlocked(self.name, change.key, "DRAFT_IN_THE_WAY") from None


_KINDS = frozenset(kind.value for kind in NoticeType)


def _wanted(wanted: Records, key: str) -> tuple[dict[str, Any], bool]:
    """What the file says of a kind, the shipped text where it says nothing; and whether it can be read."""
    record = wanted.get(key)
    if record is None:
        return _shipped(key), True
    try:
        return _normal(record), True
    except (AttributeError, TypeError, ValueError):
        return dict(record), False


def _normal(texts: Any) -> dict[str, Any]:
    """All languages and fields, so that the same text reads the same."""
    return texts_to_json(texts_from_json(texts))


def _shipped(key: str) -> dict[str, Any]:
    return texts_to_json(SHIPPED.by_type[NoticeType(key)])
