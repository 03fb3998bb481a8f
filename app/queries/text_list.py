"""The texts of notices as their editors see them: which version leaves, what is being worked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType
from app.domain.states import TextState
from app.models.audit_entry import AuditEntry
from app.models.message_version import MessageVersion


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version without its wording."""

    number: int
    state: str
    based_on: int
    note: str
    authors: tuple[str, ...]
    changed_at: datetime
    submitted_by: str | None
    decided_by: str | None
    decision_note: str | None
    published_at: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActRow:
    """Something that somebody did with the texts of a kind; number is the version's, if any."""

    at: datetime
    actor: str
    action: str
    number: int | None


@dataclass(frozen=True, slots=True)
class KindRow:
    """What there is of one kind: the number in use (0 is the shipped one) and what is open."""

    kind: NoticeType
    number: int
    open_number: int | None
    open_state: str | None


def kinds(session: Session) -> list[KindRow]:
    """Every kind, in the order of the list of kinds."""
    in_use: dict[str, int] = {}
    being_written: dict[str, tuple[int, str]] = {}
    rows = session.execute(
        select(MessageVersion.kind, MessageVersion.number, MessageVersion.state).where(
            MessageVersion.state.in_((TextState.PUBLISHED, TextState.DRAFT, TextState.SUBMITTED))
        )
    )
    for kind, number, state in rows:
        if state == TextState.PUBLISHED:
            in_use[kind] = number
        else:
            being_written[kind] = (number, state)
    return [
        KindRow(kind, in_use.get(kind, 0), *being_written.get(kind, (None, None)))
        for kind in NoticeType
    ]


def versions(session: Session, kind: NoticeType) -> list[VersionRow]:
    """Every version of a kind that staff have written, the newest first."""
    rows = session.execute(
        select(
            MessageVersion.number,
            MessageVersion.state,
            MessageVersion.based_on,
            MessageVersion.note,
            MessageVersion.authors,
            MessageVersion.changed_at,
            MessageVersion.submitted_by,
            MessageVersion.decided_by,
            MessageVersion.decision_note,
            MessageVersion.published_at,
            MessageVersion.retired_at,
        )
        .where(MessageVersion.kind == kind)
        .order_by(MessageVersion.number.desc())
    )
    return [VersionRow(row[0], row[1], row[2], row[3], tuple(row[4]), *row[5:]) for row in rows]


def acts(session: Session, kind: NoticeType, limit: int) -> list[ActRow]:
    """What was done with the texts of a kind, the newest first."""
    rows = session.execute(
        select(AuditEntry.at, AuditEntry.actor, AuditEntry.action, AuditEntry.detail)
        .where(AuditEntry.subject == f"text:{kind}")
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    return [ActRow(row.at, row.actor, row.action, _number(row.detail)) for row in rows]


def _number(detail: Mapping[str, object]) -> int | None:
    number = detail.get("number", detail.get("to"))
    return number if isinstance(number, int) else None
