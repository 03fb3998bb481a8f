"""One look into partners' folders: files are fetched and kept here, never interpreted.

Like the poll of the CIS's folder, each step can be done again after a death at any line: a claimed
file is found in processing, a stored one is known by its hash.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO

import structlog
from sqlalchemy.orm import Session

from app.clients import partner_sftp
from app.db import transaction
from app.domain.zones import CENTRAL
from app.doorbell import ring_after_commit
from app.services import inbound, partner_files, partner_folders, runs, sightings
from app.services.bundle_content import CompiledBundle
from app.services.partner_folders import ALARM, LEFT_ALONE_ALARM, POLL, Meant, Sender
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.partners.manifest import Sftp
from integrations.sftp.inbox import (
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
)
from integrations.sftp.left_alone import SHOWN, never_taken
from workers.inbox_look import each, set_alarm, tell_left_alone
from workers.run_end import end_run

log = structlog.get_logger()

_SPOOL_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Poll:
    """One look at one partner."""

    sender: Sender
    lease: int
    trigger: str
    run_id: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    # Why a whole folder, or a single file, could not be had; and what is no file for us.
    errors: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Folder:
    """One inbox of the partner."""

    poll: _Poll
    meant: Meant
    inbox: SftpInbox

    @property
    def source(self) -> str:
        return partner_files.source_of(self.poll.sender.code)


def poll_partners(settings: Settings, lease: int, trigger: str) -> None:
    """Fetch what lies in partners' folders and has come to rest.

    A partner whose server does not answer raises an alarm and keeps no other partner waiting for
    longer than its time-outs; a file that cannot be had keeps no other file waiting.
    """
    with transaction() as session:
        # Elsewhere lane runners look into folders, and tell what keeps them out.
        senders = partner_folders.senders(session, CENTRAL, datetime.now(UTC))
    for sender in senders:
        _poll(settings, _Poll(sender, lease, trigger))


def _poll(settings: Settings, poll: _Poll) -> None:
    code = poll.sender.code
    error: str | None = None
    try:
        for meant, bundle in poll.sender.documents:
            _look(settings, poll, meant, bundle)
        told = [*poll.errors, *poll.troubles]
        error = "; ".join(told[:SHOWN]) or None
        set_alarm(ALARM, code, error)
        if not poll.errors:
            tell_left_alone(LEFT_ALONE_ALARM, code, poll.left_alone)
    except Exception as caught:
        error = type(caught).__name__
        poll.errors.append(error)
        raise
    finally:
        bad = poll.troubles or poll.counts["REJECTED"]
        state = "FAILED" if poll.errors else "PARTLY" if bad else "OK"
        end_run(poll.run_id, state, poll.counts, error)


def _look(settings: Settings, poll: _Poll, meant: Meant, bundle: CompiledBundle) -> None:
    """Look into one inbox; what keeps us out of it is noted, for the partner's alarm."""
    folders = bundle.content.transport
    if not isinstance(folders, Sftp):
        return
    sender = poll.sender
    try:
        most = bundle.content.limits.file_max_bytes
        place = partner_sftp(sender.code, sender.base_url, settings, most)
    except CallError as missing:
        poll.errors.append(missing.why)
        return
    inbox = SftpInbox(
        replace(
            place,
            inbox=folders.inbox,
            processing=folders.processing,
            archive=folders.archive,
            quarantine=folders.quarantine,
        )
    )
    try:
        _take_all(settings, _Folder(poll, meant, inbox), folders.inbox)
    except CallError as caught:
        log.warning("partner_sftp_failed", partner=sender.code, why=caught.why)
        poll.errors.append(f"{type(caught).__name__}: {caught.why}")
    finally:
        inbox.close()


def _take_all(settings: Settings, folder: _Folder, name: str) -> None:
    inbox, poll, now = folder.inbox, folder.poll, datetime.now(UTC)
    files = inbox.list_inbox()
    poll.left_alone += never_taken(inbox.left_alone, now)
    # What an earlier look had claimed when it died comes first.
    each(inbox, inbox.list_processing(), partial(_take, folder), poll.troubles)
    with transaction() as session:
        rested = sightings.note(
            session,
            [(file.name, file.size, file.mtime) for file in files],
            now,
            timedelta(seconds=settings.cis_quiet_s),
            partner=f"{poll.sender.code}/{name}",
        )
    claimable = [file for file in files if file.name in rested]
    each(inbox, claimable, partial(_claim, folder), poll.troubles)
    _quarantine_refused(folder)


def _claim(folder: _Folder, file: RemoteFile) -> None:
    try:
        name = folder.inbox.claim(file.name)
    except ClaimLost:
        return
    _take(folder, RemoteFile(name, file.size, file.mtime))


def _take(folder: _Folder, file: RemoteFile) -> None:
    """Fetch a claimed file, store it byte-exact, then archive it."""
    poll, meant, started_at = folder.poll, folder.meant, datetime.now(UTC)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        try:
            for chunk in folder.inbox.fetch(file.name):
                spool.write(chunk)
        except FileTooLarge as error:
            _refuse_unread(folder, file, error.why, started_at)
            return
        except (FileChanged, FileGone) as error:
            # It stays in processing, where the next look finds it.
            log.warning("partner_file_changed", partner=poll.sender.code, why=error.why)
            return
        spool.seek(0)
        with transaction() as session:
            stored = inbound.store(
                session,
                source=folder.source,
                kind=meant.kind,
                name=file.name,
                chunks=_blocks(spool),
                now=started_at,
            )
            outcome = "STORED" if stored.new else "DUPLICATE"
            detail = f"{stored.size_bytes} bytes, message {stored.id}"
            _step(session, poll, outcome, (file.name, stored.body_hash), started_at, detail)
            if stored.new:
                ring_after_commit(meant.lane)
    poll.counts[outcome] += 1
    remote_name = folder.inbox.archive(file.name)
    if remote_name is not None:
        with transaction() as session:
            inbound.note_archived(session, stored.id, remote_name)


def _refuse_unread(folder: _Folder, file: RemoteFile, why: str, now: datetime) -> None:
    """A file over the limit is recorded, answered and put aside, and never read."""
    poll, code = folder.poll, folder.poll.sender.code
    with transaction() as session:
        partner_folders.refuse_unread(session, code, folder.meant, file.name, file.size, why, now)
        _step(session, poll, "REJECTED", (file.name,), now, why)
    poll.counts["REJECTED"] += 1
    folder.inbox.quarantine(file.name)


def _quarantine_refused(folder: _Folder) -> None:
    """Move on what could not be read, so that the partner's people find it there."""
    with transaction() as session:
        refused = inbound.refused_files(session, folder.source, folder.meant.kind)
    for message_id, remote_name in refused:
        placed = folder.inbox.quarantine_archived(remote_name)
        with transaction() as session:
            inbound.note_quarantined(session, message_id, placed, datetime.now(UTC))


def _step(
    session: Session,
    poll: _Poll,
    state: str,
    keys: tuple[str, ...],
    started_at: datetime,
    detail: str,
) -> None:
    code = poll.sender.code
    if poll.run_id is None:
        poll.run_id = runs.start_run(
            session, POLL, poll.trigger, started_at, lease=poll.lease, subject=code
        )
    step = runs.StepRow("store file", state, (*keys, code), started_at, detail=detail)
    runs.add_steps(session, poll.run_id, [step])


def _blocks(spool: IO[bytes]) -> Iterable[bytes]:
    while block := spool.read(_BLOCK_BYTES):
        yield block
