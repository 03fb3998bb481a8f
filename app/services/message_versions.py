"""Versions of the texts that staff write: the only writers of them, with the trail of who did what.

A wording reaches customers only after a second person has looked at it (REQ-34), and only if
nothing is wrong with it (REQ-24, 28, 29, 30). Taking an older one back needs no second person: one
has let it pass before, and it is the quickest way to stop a wrong one.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.db import after_commit
from app.domain.message_checks import FaultCode, TextFault, check_message, check_senders
from app.domain.message_json import texts_from_json, texts_to_json
from app.domain.message_text import MessageSet
from app.domain.notice_types import NoticeType
from app.domain.sender_profiles import Senders
from app.domain.states import TEXT_MOVES, TextState, check_move
from app.models.message_version import MessageVersion
from app.services import published_texts
from app.services.audit import record
from app.services.message_templates import SHIPPED

SHIPPED_NUMBER = 0


class TextsRefused(Exception):
    """The texts may not be used: show `faults` to whoever asked."""

    def __init__(self, faults: tuple[TextFault, ...]) -> None:
        super().__init__(" ".join(fault.sentence() for fault in faults))
        self.faults = faults


class ChangedMeanwhile(Exception):
    """Somebody else was quicker: show what is there now, and let the person decide again."""


class SecondPersonNeeded(Exception):
    """Whoever wrote or submitted a wording may not publish it: somebody else has to."""


def save_draft(
    session: Session,
    kind: NoticeType,
    texts: MessageSet,
    *,
    note: str,
    marketing: bool,
    base: int,
    seen_at: datetime | None,
    by: str,
    now: datetime,
) -> MessageVersion:
    """Keep a wording that is being worked on; it may be as unfinished as it is.

    base: the version that it was made from. seen_at: changed_at of the draft as its writer saw
    it, None if there was none.

    Raises: ChangedMeanwhile -> another person has written, submitted or begun one since.
    """
    _lock(session, kind)
    draft = _open_version(session, kind)
    if draft is None and seen_at is None:
        draft = MessageVersion(
            kind=kind,
            number=_next_number(session, kind),
            based_on=base,
            state=TextState.DRAFT,
            authors=[],
            created_at=now,
        )
        session.add(draft)
    elif draft is None or draft.state != TextState.DRAFT or draft.changed_at != seen_at:
        raise ChangedMeanwhile
    draft.texts, draft.note, draft.marketing = texts_to_json(texts), note, marketing
    draft.authors = sorted({*draft.authors, by})
    draft.changed_at = now
    session.flush()
    _record(session, by, "write text", draft, now)
    return draft


def submit(
    session: Session, version: MessageVersion, senders: Senders, *, by: str, now: datetime
) -> None:
    """Ask a second person to let the wording pass.

    Raises: TextsRefused -> nothing changed; somebody has to mend it first.
    """
    _refuse_faults(version, senders)
    _move(version, TextState.SUBMITTED)
    version.submitted_by, version.submitted_at = by, now
    _record(session, by, "submit text", version, now)


def take_back(session: Session, version: MessageVersion, *, by: str, now: datetime) -> None:
    """Make a draft of what was submitted, so that it can be changed."""
    _move(version, TextState.DRAFT)
    version.changed_at, version.submitted_by, version.submitted_at = now, None, None
    _record(session, by, "take text back", version, now)


def reject(session: Session, version: MessageVersion, *, note: str, by: str, now: datetime) -> None:
    """End a draft or what was submitted; it stays in the history."""
    _move(version, TextState.REJECTED)
    version.decided_by, version.decided_at, version.decision_note = by, now, note or None
    _record(session, by, "reject text", version, now)


def publish(
    session: Session, version: MessageVersion, senders: Senders, *, by: str, now: datetime
) -> None:
    """Let the wording leave from now on, in place of the one before.

    Raises: SecondPersonNeeded, TextsRefused -> nothing changed.
    """
    if by in version.authors or by == version.submitted_by:
        raise SecondPersonNeeded
    _refuse_faults(version, senders)
    _put_in_use(session, version, now)
    version.decided_by, version.decided_at = by, now
    _record(session, by, "publish text", version, now)


def roll_back(
    session: Session, kind: NoticeType, number: int, senders: Senders, *, by: str, now: datetime
) -> None:
    """Let an older wording leave again; number 0 is the shipped one.

    Raises: ChangedMeanwhile (it is in use already or was never published), TextsRefused.
    """
    if number == SHIPPED_NUMBER:
        _lock(session, kind)
        replaced = _retire(session, kind, now)
        if replaced is None:
            raise ChangedMeanwhile
        after_commit(published_texts.forget)
        detail = {"from": replaced, "to": SHIPPED_NUMBER}
        record(session, by, "roll text back", f"text:{kind}", detail, now)
        return
    version = find_version(session, kind, number, lock=True)
    if version is None or version.state != TextState.RETIRED:
        raise ChangedMeanwhile
    _refuse_faults(version, senders)
    _put_in_use(session, version, now)
    _record(session, by, "roll text back", version, now)


def faults_of(version: MessageVersion, senders: Senders) -> tuple[TextFault, ...]:
    """Everything that keeps a version from being published."""
    kind = NoticeType(version.kind)
    flagged = (TextFault(FaultCode.MARKETING_FLAG),) if version.marketing else ()
    return (
        *check_message(kind, texts_from_json(version.texts)),
        *flagged,
        *check_senders(kind, senders),
    )


def find_version(
    session: Session, kind: NoticeType, number: int, *, lock: bool = False
) -> MessageVersion | None:
    """One version that staff have written."""
    statement = select(MessageVersion).where(
        MessageVersion.kind == kind, MessageVersion.number == number
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.execute(statement).scalar_one_or_none()


def texts_in_use(session: Session, kind: NoticeType) -> tuple[int, MessageSet]:
    """The number and the wording that leave now, read afresh."""
    row = session.execute(
        select(MessageVersion.number, MessageVersion.texts).where(
            MessageVersion.kind == kind, MessageVersion.state == TextState.PUBLISHED
        )
    ).one_or_none()
    return (
        (SHIPPED_NUMBER, SHIPPED.by_type[kind])
        if row is None
        else (
            row.number,
            texts_from_json(row.texts),
        )
    )


def _open_version(session: Session, kind: NoticeType) -> MessageVersion | None:
    return session.execute(
        select(MessageVersion)
        .where(
            MessageVersion.kind == kind,
            MessageVersion.state.in_((TextState.DRAFT, TextState.SUBMITTED)),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def _next_number(session: Session, kind: NoticeType) -> int:
    last = session.execute(
        select(func.max(MessageVersion.number)).where(MessageVersion.kind == kind)
    ).scalar_one()
    return (last or SHIPPED_NUMBER) + 1


def _refuse_faults(version: MessageVersion, senders: Senders) -> None:
    faults = faults_of(version, senders)
    if faults:
        raise TextsRefused(faults)


def _lock(session: Session, kind: NoticeType) -> None:
    """One at a time begins a wording of a kind or puts one in use."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"text:{kind}"}
    )


def _move(version: MessageVersion, state: TextState) -> None:
    """Raises: ChangedMeanwhile -> somebody else has moved it since it was shown."""
    if not TEXT_MOVES.allow(version.state, state):
        raise ChangedMeanwhile
    check_move(TEXT_MOVES, version.state, state)
    version.state = state


def _put_in_use(session: Session, version: MessageVersion, now: datetime) -> None:
    _lock(session, NoticeType(version.kind))
    _retire(session, NoticeType(version.kind), now)
    _move(version, TextState.PUBLISHED)
    version.published_at, version.retired_at = now, None
    session.flush()
    after_commit(published_texts.forget)


def _retire(session: Session, kind: NoticeType, now: datetime) -> int | None:
    """End the use of the version that leaves now; returns its number."""
    check_move(TEXT_MOVES, TextState.PUBLISHED, TextState.RETIRED)
    return session.execute(
        update(MessageVersion)
        .where(MessageVersion.kind == kind, MessageVersion.state == TextState.PUBLISHED)
        .values(state=TextState.RETIRED, retired_at=now)
        .returning(MessageVersion.number)
    ).scalar_one_or_none()


def _record(session: Session, by: str, action: str, version: MessageVersion, now: datetime) -> None:
    detail = {"number": version.number}
    record(session, by, action, f"text:{version.kind}", detail, now)
