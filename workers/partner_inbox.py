"""One inbox of a partner on its own server: files are claimed, kept byte for byte and put away.

Each step can be done again after a death at any line: a claimed file is found in processing, a
stored one is known by its hash.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from app.db import transaction
from app.doorbell import ring_after_commit
from app.services import inbound, partner_files, partner_folders, runs, sightings
from app.services.partner_folders import POLL, Meant
from app.settings import Settings
from integrations.sftp.inbox import (
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
)
from integrations.sftp.left_alone import never_taken
from workers.inbox_look import SPOOL_BYTES, blocks_of, each, quarantine_refused

log = structlog.get_logger()

# A sender that pauses for longer in the middle of a file has given it up.
_PAUSES_MOST = timedelta(hours=1)


@dataclass(slots=True)
class Look:
    """One look at one partner, into all of its inboxes."""

    code: str
    lease: int
    trigger: str
    run_id: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    # Why a whole folder, or a single file, could not be had; and what is no file for us.
    errors: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Folder:
    """One inbox of the partner, by its name there."""

    look: Look
    meant: Meant
    inbox: SftpInbox
    name: str

    @property
    def source(self) -> str:
        """The name under which its files are stored."""
        return partner_files.source_of(self.look.code)


def take_all(settings: Settings, folder: Folder) -> None:
    """Keep what has come to rest in the inbox, and what an earlier look had claimed when it died.

    A file that cannot be had keeps no other file waiting. Raises: CallError (the server is gone).
    """
    inbox, look, now = folder.inbox, folder.look, datetime.now(UTC)
    files = inbox.list_inbox()
    look.left_alone += never_taken(inbox.left_alone, now)
    # What an earlier look had claimed when it died comes first.
    each(inbox, inbox.list_processing(), partial(_take, folder), look.troubles)
    with transaction() as session:
        rested = sightings.note(
            session,
            [(file.name, file.size, file.mtime) for file in files],
            now,
            timedelta(seconds=settings.cis_quiet_s),
            partner=f"{look.code}/{folder.name}",
        )
    claimable = [file for file in files if file.name in rested]
    each(inbox, claimable, partial(_claim, folder), look.troubles)
    _quarantine_refused(folder)
    _give_back_grown(folder, now)


def _claim(folder: Folder, file: RemoteFile) -> None:
    try:
        name = folder.inbox.claim(file.name)
    except ClaimLost:
        return
    _take(folder, RemoteFile(name, file.size, file.mtime))


def _take(folder: Folder, file: RemoteFile) -> None:
    """Fetch a claimed file, store it byte-exact, then archive it."""
    look, meant, started_at = folder.look, folder.meant, datetime.now(UTC)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        try:
            for chunk in folder.inbox.fetch(file.name):
                spool.write(chunk)
        except FileTooLarge as error:
            _refuse_unread(folder, file, error.why, started_at)
            return
        except (FileChanged, FileGone) as error:
            # It stays in processing, where the next look finds it.
            log.warning("partner_file_changed", partner=look.code, why=error.why)
            return
        spool.seek(0)
        with transaction() as session:
            stored = inbound.store(
                session,
                source=folder.source,
                kind=meant.kind,
                name=file.name,
                chunks=blocks_of(spool),
                now=started_at,
            )
            outcome = "STORED" if stored.new else "DUPLICATE"
            detail = f"{stored.size_bytes} bytes, message {stored.id}"
            _step(session, look, outcome, (file.name, stored.body_hash), started_at, detail)
            if stored.new:
                ring_after_commit(meant.lane)
    look.counts[outcome] += 1
    remote_name = folder.inbox.archive(file.name)
    if remote_name is not None:
        with transaction() as session:
            inbound.note_archived(session, stored.id, remote_name)


def _refuse_unread(folder: Folder, file: RemoteFile, why: str, now: datetime) -> None:
    """A file over the limit is recorded, answered and put aside, and never read."""
    look = folder.look
    with transaction() as session:
        partner_folders.refuse_unread(
            session, look.code, folder.meant, file.name, file.size, why, now
        )
        _step(session, look, "REJECTED", (file.name,), now, why)
    look.counts["REJECTED"] += 1
    folder.inbox.quarantine(file.name)


def _quarantine_refused(folder: Folder) -> None:
    with transaction() as session:
        refused = inbound.refused_files(session, folder.source, folder.meant.kind)
    quarantine_refused(folder.inbox, refused)


def _give_back_grown(folder: Folder, now: datetime) -> None:
    """Take again what has grown since it was put away: its sender had only paused.

    Nothing tells the end of a table, so every file of the last hour is looked at; what of it was
    taken before is known by its ids.
    """
    look = folder.look
    with transaction() as session:
        files = inbound.put_away_files(
            session, folder.source, folder.meant.kind, now - _PAUSES_MOST
        )
    for file in files:
        size = folder.inbox.give_back_grown(file.remote_name, file.size_bytes)
        if size is None:
            continue
        detail = f"{file.size_bytes} bytes were read, it has {size} now"
        with transaction() as session:
            inbound.note_given_back(session, file.id)
            _step(session, look, "GROWN", (file.name,), datetime.now(UTC), detail, "look again")
        look.counts["GROWN"] += 1


def _step(
    session: Session,
    look: Look,
    state: str,
    keys: tuple[str, ...],
    started_at: datetime,
    detail: str,
    name: str = "store file",
) -> None:
    code = look.code
    if look.run_id is None:
        look.run_id = runs.start_run(
            session, POLL, look.trigger, started_at, lease=look.lease, subject=code
        )
    step = runs.StepRow(name, state, (*keys, code), started_at, detail=detail)
    runs.add_steps(session, look.run_id, [step])
