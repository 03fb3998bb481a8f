"""The chores that a process can do. Each may be done again from its beginning without harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from app.db import transaction
from app.domain.lanes import ACKS, INTAKE, NETWORK
from app.domain.states import ReplayState
from app.doorbell import ring_after_commit
from app.services import inbound, outbox, purge, replays, signals
from app.services.feed_receipt import KINDS
from workers.poll_mail import poll_mailboxes
from workers.public_status import publish_status
from workers.reconcile import reconcile, reconcile_changes
from workers.service_level import publish_service_level
from workers.task import Task

Chore = Callable[[Task], Mapping[str, int]]

_HELD_MOST = 1000


def chore_of(name: str) -> Chore | None:
    """The chore of this name, None if the product has none any more."""
    return _CHORES.get(name)


def _public_status(task: Task) -> Mapping[str, int]:
    publish_status(task.settings, datetime.now(UTC))
    return {"REPORTED": 1}


def _service_level(task: Task) -> Mapping[str, int]:
    return {"REPORTED": publish_service_level(task.settings, datetime.now(UTC))}


def _purge(task: Task) -> Mapping[str, int]:
    with transaction() as session:
        counts = purge.purge(session, task.settings, datetime.now(UTC))
    return {"REMOVED": counts.total()} if counts else {}


def _read_held(task: Task) -> Mapping[str, int]:
    """Read again what was put aside by a fault of ours, message by message."""
    again = 0
    with transaction() as session:
        held = inbound.held_by_us(session, _HELD_MOST)
    for message_id in held:
        if task.stopping():
            break
        with transaction() as session:
            kind = inbound.read_again(session, message_id, datetime.now(UTC))
            if kind is not None:
                again += 1
                lane = ACKS if kind == "ACK" else NETWORK if kind in KINDS else INTAKE
                ring_after_commit(lane)
    return {"STORED": again}


def _retry_dead(task: Task) -> Mapping[str, int]:
    """Try what was given up again, under its own keys; of one lane if the parameters name it.

    The button of a process is no way round the second person: many are only proposed.
    """
    lane = task.params.get("lane")
    counts: Counter[str] = Counter()
    with transaction() as session:
        lanes = outbox.lanes_with_dead(session, str(lane) if lane else None)
    for name in lanes:
        if task.stopping():
            break
        with transaction() as session:
            made = replays.want_all(
                session, name, task.process, by=task.asked_by, now=datetime.now(UTC)
            )
        if made is not None:
            waits = made.state == ReplayState.PROPOSED
            counts["PROPOSED" if waits else "QUEUED"] += made.item_count
    return +counts


def _signal(task: Task) -> Mapping[str, int]:
    """Tell the outside that something happened; the same start tells it once."""
    with transaction() as session:
        count = signals.put_process_signal(
            session, task.settings, task.process, task.key_id, task.params, datetime.now(UTC)
        )
    return {"WAITING": count}


_CHORES: Mapping[str, Chore] = {
    "mailboxes": poll_mailboxes,
    "public status": _public_status,
    "service level": _service_level,
    "purge": _purge,
    "read held": _read_held,
    "retry dead": _retry_dead,
    "signal": _signal,
    "reconcile": reconcile,
    "reconcile changes": reconcile_changes,
}
