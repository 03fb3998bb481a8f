"""Reconciliation: each system's list is fetched into a file of ours, and only then looked at.

No list is read inside a transaction from outside, and a system that gives none, or half of one, keeps
none of the others waiting; neither does a list over which our own code fails. A death at any line
changes nothing; the next start asks anew.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import structlog
from sqlalchemy.orm import Session

from app import clients
from app.db import db, is_connection_lost, transaction
from app.domain.reconciliation import SnapshotFault
from app.domain.zones import CENTRAL
from app.services import inbound, reconciliation, runner_lists, runs
from app.services.reconciliation import Taken
from integrations.outcomes import CallError, Rejected
from integrations.sftp.inbox import SftpInbox
from integrations.snapshots.client import fetch
from integrations.snapshots.codec import SnapshotInvalid
from workers.task import Task

log = structlog.get_logger()

# Ten million records; nobody has as many meters.
_MOST_BYTES = 2 * 1024**3
_COUNT_NAMES = {"LATE": "ON_THE_WAY"}


def reconcile(task: Task) -> Mapping[str, int]:
    """Compare whole lists: of the system that the parameters name, else of every one."""
    return _all(task, changes_only=False)


def reconcile_changes(task: Task) -> Mapping[str, int]:
    """The same with lists of what changed since the last one; a system without one gives all."""
    return _all(task, changes_only=True)


def _all(task: Task, *, changes_only: bool) -> Mapping[str, int]:
    wanted = task.params.get("system")
    with transaction() as session:
        if wanted:
            names = [str(wanted)]
        elif task.params.get("stored"):
            # What a runner has just brought; nobody else is asked.
            names = runner_lists.systems_waiting(session)
        else:
            names = reconciliation.systems_of(session, task.settings)
    counts: Counter[str] = Counter()
    for system in names:
        if task.stopping():
            break
        try:
            _compare(task, system, counts, changes_only=changes_only)
        except Exception as error:
            if is_connection_lost(error):
                raise
            log.exception("reconciliation_failed", system=system)
            _broken(task, system, SnapshotFault.INTERNAL, type(error).__name__, counts)
    return counts


def _compare(task: Task, system: str, counts: Counter[str], *, changes_only: bool) -> None:
    with transaction() as session:
        zone = runner_lists.zone_of(session, system)
    _take_stored(task, system, counts)
    if zone != CENTRAL or task.params.get("stored"):
        # Its lists are fetched there, and compared as they come.
        return
    try:
        folder = clients.list_folder(system, task.settings)
    except CallError as error:
        _broken(task, system, SnapshotFault.UNREACHABLE, error.why, counts)
        return
    if folder is not None:
        _look_into(folder, task, system, counts)
    else:
        _ask(task, system, counts, changes_only=changes_only)


def _ask(task: Task, system: str, counts: Counter[str], *, changes_only: bool) -> None:
    """A list by HTTP, on a loop of its own: the process's may be anybody's."""
    since = None
    if changes_only:
        with transaction() as session:
            since = reconciliation.last_taken_at(session, system)
    db.session.remove()
    with tempfile.TemporaryFile() as file:
        loop = asyncio.new_event_loop()
        try:
            target = clients.list_target(system, task.settings)
            loop.run_until_complete(fetch(target, since, file, _MOST_BYTES))
        except CallError as error:
            _broken(task, system, SnapshotFault.UNREACHABLE, error.why, counts)
            return
        finally:
            loop.close()
        _take(task, system, file, counts)


def _look_into(folder: SftpInbox, task: Task, system: str, counts: Counter[str]) -> None:
    """Every list that was laid down, the oldest first; each is put away for good."""
    try:
        for listed in folder.list_inbox():
            if task.stopping():
                return
            with tempfile.TemporaryFile() as file:
                try:
                    for chunk in folder.fetch(listed.name):
                        file.write(chunk)
                except Rejected:
                    fault, name = SnapshotFault.TOO_LARGE, listed.name
                    good: bool | None = _broken(task, system, fault, name, counts, name)
                else:
                    good = _take(task, system, file, counts, listed.name)
            if good is None:
                # It stays for the next start, and keeps none behind it from being compared.
                continue
            if good:
                folder.archive(listed.name)
            else:
                folder.quarantine(listed.name)
    except CallError as error:
        _broken(task, system, SnapshotFault.UNREACHABLE, error.why, counts)
    finally:
        folder.close()


def _take_stored(task: Task, system: str, counts: Counter[str]) -> None:
    """What runners have brought, the oldest first; after a death it is compared once more, the same."""
    after = 0
    while not task.stopping():
        with transaction() as session:
            message = runner_lists.next_waiting(session, system, after)
        if message is None:
            return
        after = message.id
        with tempfile.TemporaryFile() as file:
            for chunk in inbound.read_chunks(db.engine, message.id):
                file.write(chunk)
            good = _take(task, system, file, counts, message.name)
        if good is None:
            continue
        with transaction() as session:
            runner_lists.close(session, message.id, good=good, now=datetime.now(UTC))


def _take(
    task: Task, system: str, file: BinaryIO, counts: Counter[str], name: str | None = None
) -> bool | None:
    """Compare one fetched list: False when it could not be used, None when that is a fault of ours."""
    file.seek(0)
    begun = datetime.now(UTC)
    try:
        with transaction() as session:
            taken = reconciliation.take(
                session, system, file, task.settings, begun, run_id=task.run_id, name=name
            )
            _step(session, task, system, begun, taken)
    except SnapshotInvalid as error:
        return _broken(task, system, error.code, error.detail, counts, name)
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("list_not_compared", system=system)
        _broken(task, system, SnapshotFault.INTERNAL, type(error).__name__, counts, name)
        return None
    for kind, count in taken.counts.items():
        counts[_COUNT_NAMES.get(kind, kind)] += count
    counts["COMPARED"] += 1
    return True


def _step(session: Session, task: Task, system: str, begun: datetime, taken: Taken) -> None:
    took = datetime.now(UTC) - begun
    runs.add_steps(
        session,
        task.run_id,
        [
            runs.StepRow(
                "compare list",
                taken.state,
                (system, f"snapshot {taken.snapshot_id}"),
                begun,
                duration_ms=round(took.total_seconds() * 1000),
                detail=", ".join(f"{kind} {count}" for kind, count in taken.counts.items()),
            )
        ],
    )


def _broken(
    task: Task,
    system: str,
    fault: str,
    detail: str,
    counts: Counter[str],
    name: str | None = None,
) -> bool:
    now = datetime.now(UTC)
    with transaction() as session:
        reconciliation.note_broken(
            session, system, fault, detail, now, run_id=task.run_id, name=name
        )
        step = runs.StepRow(
            "compare list", "FAILED", (system,), now, detail=detail, error_class=fault
        )
        runs.add_steps(session, task.run_id, [step])
    counts["FAILED"] += 1
    return False
