"""One look into every mailbox: what lies there is stored and then moved, never interpreted.

A death between the two leaves a stored message in its folder; the next look knows it by its
Message-ID and content and only moves it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from app.clients import mailbox
from app.db import transaction
from app.services import alarms, mail_receipt, runs
from integrations.mailbox.client import Mailbox
from integrations.mailbox.codec import LetterUnreadable, parse_letter
from integrations.mailbox.types import Listed
from integrations.outcomes import CallError
from workers.task import Task

log = structlog.get_logger()

MAILBOX_ALARM = "MAILBOX_DOWN"


def poll_mailboxes(task: Task) -> Counter[str]:
    """Take what has come to each mailbox; one that cannot be read keeps none of the others waiting."""
    counts: Counter[str] = Counter()
    for name in sorted(task.settings.mailboxes):
        if task.stopping():
            break
        error: str | None = None
        try:
            with mailbox(name, task.settings) as box:
                _look(task, name, box, counts)
        except CallError as caught:
            log.warning("mailbox_failed", mailbox=name, error=type(caught).__name__)
            error = f"{type(caught).__name__}: {caught.why}"
            counts["FAILED"] += 1
        now = datetime.now(UTC)
        with transaction() as session:
            if error is None:
                alarms.close_alarm(session, MAILBOX_ALARM, name, now)
            else:
                alarms.open_alarm(session, MAILBOX_ALARM, name, error, now)
    return counts


def _look(task: Task, name: str, box: Mailbox, counts: Counter[str]) -> None:
    for listed in box.list_folder():
        if task.stopping():
            return
        counts[_take(task, name, box, listed)] += 1


def _take(task: Task, name: str, box: Mailbox, listed: Listed) -> str:
    started_at = datetime.now(UTC)
    if listed.size > task.settings.mail_max_bytes:
        with transaction() as session:
            message_id = mail_receipt.keep_refused(
                session,
                name,
                f"{name} {listed.uid} {listed.size}".encode(),
                "FILE_TOO_LARGE",
                started_at,
            )
            _step(
                session, task, "REJECTED", started_at, (f"message {message_id}",), "FILE_TOO_LARGE"
            )
        box.move_refused(listed.uid)
        return "REJECTED"
    raw = box.fetch(listed.uid)
    if raw is None:
        return "SKIPPED"
    try:
        letter = parse_letter(raw)
    except LetterUnreadable as error:
        with transaction() as session:
            message_id = mail_receipt.keep_refused(session, name, raw, error.code, started_at)
            _step(session, task, "REJECTED", started_at, (f"message {message_id}",), error.code)
        box.move_refused(listed.uid)
        return "REJECTED"
    with transaction() as session:
        kept = mail_receipt.keep(session, name, raw, letter, started_at)
        state = "STORED" if kept.new else "DUPLICATE"
        keys = (f"message {kept.inbound_id}", *(f"message {one}" for one in kept.attachment_ids))
        _step(session, task, state, started_at, keys, None)
    box.move_done(listed.uid)
    return state


def _step(
    session: Session,
    task: Task,
    state: str,
    started_at: datetime,
    keys: tuple[str, ...],
    error: str | None,
) -> None:
    took = datetime.now(UTC) - started_at
    step = runs.StepRow(
        "store mail",
        state,
        keys,
        started_at,
        duration_ms=round(took.total_seconds() * 1000),
        error_class=error,
    )
    runs.add_steps(session, task.run_id, [step])
