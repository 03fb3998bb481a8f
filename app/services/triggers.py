"""What starts processes: the clock, files, mail, committed changes, ends of runs, requests.

Each cause becomes a start in the transaction that notices it, under a key of the database's own:
a death on any line leaves the cause to be noticed again, and then it counts once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.processes import TriggerKind, end_fits, name_fits, owner_of
from app.models.process import Process, ProcessTrigger
from app.services import cron_times, process_starts
from app.services.cron_times import CronInvalid
from app.services.process_starts import Asked, Cause

log = structlog.get_logger()

BY_CLOCK = "system:clock"
FILE_TOPIC = "inbound_message"
RUN_TOPIC = "run"
# Changes taken in one transaction of the dispatcher.
_CHANGES_MOST = 200


@dataclass(frozen=True, slots=True)
class Mail:
    """What triggers want to know of a message."""

    mailbox: str
    message_id: str
    content_hash: str
    sender: str
    subject: str
    inbound_id: int
    attachment_ids: tuple[int, ...]


class KeyReused(Exception):
    """An idempotency key was used before, with another body: answer 409."""


class NotAllowed(Exception):
    """No trigger lets this caller start this process: answer 403 or 404."""


def fire_due(session: Session, now: datetime) -> int:
    """Start what the clock says; what was missed for a while starts once."""
    due = (
        session.execute(
            select(ProcessTrigger)
            .join(Process, Process.code == ProcessTrigger.process_code)
            .where(
                ProcessTrigger.active,
                ProcessTrigger.next_at <= now,
                # While it is stopped the clock goes on without it.
                Process.stopped_at.is_(None),
            )
            .order_by(ProcessTrigger.id)
            .with_for_update(of=ProcessTrigger)
        )
        .scalars()
        .all()
    )
    for trigger in due:
        expression = str(trigger.spec.get("cron"))
        due_at = trigger.next_at or now
        try:
            trigger.next_at = cron_times.next_time(expression, now)
        except CronInvalid as error:
            # Nobody can store such a one; should it be there, it must not stop the others.
            log.error("trigger_never_due", trigger=trigger.id, why=str(error))
            trigger.next_at = None
            continue
        cause = Cause(
            TriggerKind.SCHEDULE,
            f"schedule/{trigger.id}/{due_at.isoformat()}",
            f"{expression} {due_at:%Y-%m-%dT%H:%MZ}",
            BY_CLOCK,
            {},
            trigger.id,
        )
        _start(session, trigger, cause, now)
    return len(due)


def consume_changes(session: Session, now: datetime) -> int:
    """Turn committed changes into starts and take them away, both in one transaction.

    Only one that leads (the dispatcher) does so; the locks keep a second one out all the same.
    """
    changes = session.execute(_TAKE_CHANGES, {"most": _CHANGES_MOST}).all()
    if not changes:
        return 0
    listening = _listening(session, {change.topic for change in changes})
    for change in sorted(changes, key=lambda row: int(row.id)):
        for trigger in listening:
            if trigger.topic == change.topic:
                _take_change(session, trigger, change, now)
    return len(changes)


def mail_came(session: Session, mail: Mail, now: datetime) -> int:
    """Start what waits for this message; in the transaction that stored it."""
    started = 0
    for trigger in _of_kind(session, TriggerKind.MAIL):
        spec = trigger.spec
        if (
            spec.get("mailbox") not in (None, "", mail.mailbox)
            or not name_fits(str(spec.get("sender") or "*"), mail.sender)
            or not name_fits(str(spec.get("subject") or "*"), mail.subject)
        ):
            continue
        key = f"mail/{trigger.id}/{mail.mailbox}/{mail.message_id}/{mail.content_hash}"
        params = {"message": mail.inbound_id, "attachments": list(mail.attachment_ids)}
        text_ = f"{mail.mailbox}: message {mail.inbound_id}"
        cause = Cause(TriggerKind.MAIL, key, text_, f"mailbox:{mail.mailbox}", params, trigger.id)
        started += _start(session, trigger, cause, now).new
    return started


def request_came(
    session: Session,
    process_code: str,
    partner: str,
    idempotency_key: str,
    body: bytes,
    params: Mapping[str, Any],
    now: datetime,
) -> Asked:
    """Start a process for somebody outside; the same key again is the same start.

    Raises: NotAllowed; KeyReused.
    """
    trigger = next(
        (
            one
            for one in _of_kind(session, TriggerKind.HTTP)
            if one.process_code == process_code and one.spec.get("partner") == partner
        ),
        None,
    )
    if trigger is None:
        raise NotAllowed
    digest = hashlib.sha256(body).hexdigest()
    cause = Cause(
        TriggerKind.HTTP,
        f"http/{process_code}/{partner}/{idempotency_key}",
        partner,
        f"partner:{partner}",
        params,
        trigger.id,
        request_hash=digest,
    )
    asked = _start(session, trigger, cause, now)
    if asked.request_hash != digest:
        raise KeyReused
    return asked


_TAKE_CHANGES = text(
    """
    DELETE FROM process_change WHERE id IN (
        SELECT id FROM process_change ORDER BY id LIMIT :most FOR UPDATE)
    RETURNING id, topic, key, operation, state
    """
)


def _take_change(session: Session, trigger: ProcessTrigger, change: Any, now: datetime) -> None:
    cause: Cause | None
    if change.topic == RUN_TOPIC:
        cause = _end_of_run(session, trigger, change)
    elif change.topic == FILE_TOPIC:
        cause = _file(session, trigger, change)
    else:
        cause = _row(trigger, change)
    if cause is not None:
        _start(session, trigger, cause, now)


def _row(trigger: ProcessTrigger, change: Any) -> Cause | None:
    wanted = trigger.spec.get("state")
    if wanted and wanted != change.state:
        return None
    params = {"table": change.topic, "key": change.key, "operation": change.operation}
    return Cause(
        TriggerKind.CHANGE,
        f"change/{trigger.id}/{change.id}",
        f"{change.topic} {change.key} {change.operation}",
        BY_CLOCK,
        params,
        trigger.id,
    )


def _end_of_run(session: Session, trigger: ProcessTrigger, change: Any) -> Cause | None:
    if not end_fits(str(trigger.spec.get("ended")), change.state):
        return None
    found = trigger.spec.get("process")
    ended = session.execute(
        text(
            "SELECT r.process, (SELECT run_name FROM process WHERE code = :wanted) AS wanted"
            " FROM run r WHERE r.id = :run"
        ),
        {"run": int(change.key), "wanted": found},
    ).one_or_none()
    if ended is None or owner_of(ended.process) != ended.wanted:
        return None
    return Cause(
        TriggerKind.END,
        f"end/{trigger.id}/{change.key}",
        f"{found} {change.state}",
        BY_CLOCK,
        {"run": int(change.key), "state": change.state},
        trigger.id,
    )


def _file(session: Session, trigger: ProcessTrigger, change: Any) -> Cause | None:
    # A file that turned out to be known already was taken away again in its transaction.
    message = session.execute(
        text("SELECT source, name FROM inbound_message WHERE id = :id"), {"id": int(change.key)}
    ).one_or_none()
    if message is None:
        return None
    source = trigger.spec.get("source")
    if (source and source != message.source) or not name_fits(
        str(trigger.spec.get("name") or "*"), message.name
    ):
        return None
    return Cause(
        TriggerKind.FILE,
        f"file/{trigger.id}/{change.key}",
        f"{message.source}: message {change.key}",
        BY_CLOCK,
        {"message": int(change.key)},
        trigger.id,
    )


def _start(session: Session, trigger: ProcessTrigger, cause: Cause, now: datetime) -> Asked:
    trigger.last_at = now
    return process_starts.ask(session, trigger.process_code, cause, now)


def _of_kind(session: Session, kind: TriggerKind) -> list[ProcessTrigger]:
    statement = select(ProcessTrigger).where(ProcessTrigger.kind == kind, ProcessTrigger.active)
    return list(session.execute(statement.order_by(ProcessTrigger.id)).scalars())


def _listening(session: Session, topics: set[str]) -> list[ProcessTrigger]:
    statement = select(ProcessTrigger).where(
        ProcessTrigger.active, ProcessTrigger.topic.in_(topics)
    )
    return list(session.execute(statement.order_by(ProcessTrigger.id)).scalars())
