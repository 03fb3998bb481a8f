"""One look into partners' folders: files are fetched and kept here, never interpreted.

Like the poll of the CIS's folder, each step can be done again after a death at any line: a claimed
file is found in processing, a stored one is known by its hash.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients import partner_sftp
from app.db import transaction
from app.domain.lanes import INTAKE, PARTNER_FILES
from app.domain.mapping.canonical import Direction, Document
from app.doorbell import ring_after_commit
from app.models.partner import SFTP, Partner
from app.services import bundle_versions, inbound, meter_deliveries, partner_files, runs, sightings
from app.services.bundle_content import CompiledBundle
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.partners.manifest import Sftp
from integrations.sftp.inbox import (
    FILE_TOO_LARGE,
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
)
from workers.inbox_look import TROUBLES_SHOWN, each, never_taken, set_alarm, tell_left_alone
from workers.run_end import end_run

log = structlog.get_logger()

ALARM = "PARTNER_SFTP"
LEFT_ALONE_ALARM = "PARTNER_LEFT_ALONE"
_POLL = "poll partners"
_SPOOL_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Meant:
    """What the files of a document are: as what they are kept, who reads them, whom findings name."""

    document: Document
    kind: str
    lane: str
    about: str


_MEANT = (
    _Meant(Document.ACK, partner_files.KIND, PARTNER_FILES, partner_files.ABOUT_ORDERS),
    _Meant(Document.DELIVERY, meter_deliveries.KIND, INTAKE, partner_files.ABOUT_METERS),
)


@dataclass(frozen=True, slots=True)
class _Sender:
    """A partner that leaves files, and by which bundle each document of it comes."""

    code: str
    base_url: str
    documents: Sequence[tuple[_Meant, CompiledBundle]]


@dataclass(slots=True)
class _Poll:
    """One look at one partner."""

    sender: _Sender
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
    meant: _Meant
    inbox: SftpInbox

    @property
    def source(self) -> str:
        return partner_files.source_of(self.poll.sender.code)


def poll_partners(settings: Settings, lease: int, trigger: str) -> None:
    """Fetch what lies in partners' folders and has come to rest.

    A partner whose server does not answer raises an alarm and keeps no other partner waiting for
    longer than its time-outs; a file that cannot be had keeps no other file waiting.
    """
    for sender in _senders():
        _poll(settings, _Poll(sender, lease, trigger))


def _senders() -> list[_Sender]:
    with transaction() as session:
        rows = session.execute(
            select(Partner.code, Partner.base_url)
            .where(Partner.transport == SFTP, Partner.active)
            .order_by(Partner.code)
        ).all()
        now = datetime.now(UTC)
        known = [
            (one, bundle_versions.load_in_force(session, one.document, Direction.IN, now))
            for one in _MEANT
        ]
    senders = (
        _Sender(
            row.code,
            row.base_url,
            [(one, found[row.code].active) for one, found in known if row.code in found],
        )
        for row in rows
    )
    return [sender for sender in senders if sender.documents]


def _poll(settings: Settings, poll: _Poll) -> None:
    code = poll.sender.code
    error: str | None = None
    try:
        for meant, bundle in poll.sender.documents:
            _look(settings, poll, meant, bundle)
        told = [*poll.errors, *poll.troubles]
        error = "; ".join(told[:TROUBLES_SHOWN]) or None
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


def _look(settings: Settings, poll: _Poll, meant: _Meant, bundle: CompiledBundle) -> None:
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
    poll, meant = folder.poll, folder.meant
    finding = partner_files.unreadable(FILE_TOO_LARGE, why)
    with transaction() as session:
        stored = inbound.store_small(
            session,
            source=folder.source,
            kind=meant.kind,
            name=file.name,
            body=f"unread {file.name} {file.size}".encode(),
            now=now,
            state="REJECTED",
            reason_code=FILE_TOO_LARGE,
        )
        if stored.new:
            code, told = poll.sender.code, [(None, finding)]
            inbound.add_findings(session, stored.id, told, now)
            partner_files.put_reject(
                session, code, file.name, stored.body_hash, told, now, meant.about
            )
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
            session, _POLL, poll.trigger, started_at, lease=poll.lease, subject=code
        )
    step = runs.StepRow("store file", state, (*keys, code), started_at, detail=detail)
    runs.add_steps(session, poll.run_id, [step])


def _blocks(spool: IO[bytes]) -> Iterable[bytes]:
    while block := spool.read(_BLOCK_BYTES):
        yield block
