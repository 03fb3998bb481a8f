"""Partners' folders: files are fetched and kept first, and read from our own copy second.

Like the poll of the CIS's folder, each step can be done again after a death at any line: a claimed
file is found in processing, a stored one is known by its hash, a row that was taken is known too.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import IO

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients import partner_sftp
from app.db import db, held_lock, is_connection_lost, transaction
from app.domain.lanes import PARTNER_FILES
from app.domain.mapping.canonical import Direction, Document
from app.doorbell import ring_after_commit
from app.models.inbound_message import InboundMessage
from app.models.partner import SFTP, Partner
from app.services import alarms, bundle_versions, inbound, partner_files, runs, sightings
from app.services.bundle_tally import Tally
from app.services.bundle_versions import InForce
from app.services.partner_files import FileResult
from app.settings import Settings
from integrations.outcomes import CallError, Finding
from integrations.partners.codecs import FileUnreadable, Row, decode
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
from workers.run_end import end_run

log = structlog.get_logger()

ALARM = "PARTNER_SFTP"
_SPACE = 7_403_012
_POLL = "poll partners"
_READ = "partner files"
_SPOOL_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
# Rows per transaction.
_ROWS_COUNT = 200
_DEATHS_MOST = 6


@dataclass(slots=True)
class _Poll:
    """One look into one partner's folders."""

    partner_code: str
    bundles: InForce
    inbox: SftpInbox
    lease: int
    trigger: str
    run_id: int | None = None
    counts: Counter[str] = field(default_factory=Counter)


def look_after_files(settings: Settings, lease: int, trigger: str) -> None:
    """Fetch what lies in partners' folders, then read what has been stored and not been read.

    A partner whose server does not answer raises an alarm and keeps no other partner waiting for
    longer than its time-outs.
    """
    with held_lock(_SPACE, 1) as held:
        if not held:
            return
        for code, base_url, bundles in _partners():
            _poll_partner(settings, lease, trigger, code, base_url, bundles)
        while _interpret_next(lease, trigger):
            pass


def _partners() -> list[tuple[str, str, InForce]]:
    """The partners that report by file, with what reads their files."""
    with transaction() as session:
        rows = session.execute(
            select(Partner.code, Partner.base_url)
            .where(Partner.transport == SFTP, Partner.active)
            .order_by(Partner.code)
        ).all()
        known = bundle_versions.load_in_force(
            session, Document.ACK, Direction.IN, datetime.now(UTC)
        )
    return [(row.code, row.base_url, known[row.code]) for row in rows if row.code in known]


def _poll_partner(
    settings: Settings, lease: int, trigger: str, code: str, base_url: str, bundles: InForce
) -> None:
    content = bundles.active.content
    if not isinstance(content.transport, Sftp):
        return
    try:
        place = partner_sftp(code, base_url, settings, content.limits.file_max_bytes)
    except CallError as missing:
        _alarm(code, missing.why)
        return
    folders = content.transport
    inbox = SftpInbox(
        replace(
            place,
            inbox=folders.inbox,
            processing=folders.processing,
            archive=folders.archive,
            quarantine=folders.quarantine,
        )
    )
    poll = _Poll(code, bundles, inbox, lease, trigger)
    error: str | None = None
    try:
        _look(settings, poll)
        _alarm(code, None)
    except CallError as caught:
        log.warning("partner_sftp_failed", partner=code, why=caught.why)
        error = f"{type(caught).__name__}: {caught.why}"
        _alarm(code, error)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        inbox.close()
        state = "FAILED" if error else "PARTLY" if poll.counts["REJECTED"] else "OK"
        end_run(poll.run_id, state, poll.counts, error)


def _look(settings: Settings, poll: _Poll) -> None:
    files = poll.inbox.list_inbox()
    # What an earlier look had claimed when it died comes first.
    for file in poll.inbox.list_processing():
        _take(poll, file)
    with transaction() as session:
        rested = sightings.note(
            session,
            [(file.name, file.size, file.mtime) for file in files],
            datetime.now(UTC),
            timedelta(seconds=settings.cis_quiet_s),
            partner=poll.partner_code,
        )
    for file in files:
        if file.name in rested:
            try:
                name = poll.inbox.claim(file.name)
            except ClaimLost:
                continue
            _take(poll, RemoteFile(name, file.size, file.mtime))
    _quarantine_refused(poll)


def _take(poll: _Poll, file: RemoteFile) -> None:
    """Fetch a claimed file, store it byte-exact, then archive it."""
    started_at = datetime.now(UTC)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        try:
            for chunk in poll.inbox.fetch(file.name):
                spool.write(chunk)
        except FileTooLarge as error:
            _refuse_unread(poll, file, error.why, started_at)
            return
        except (FileChanged, FileGone) as error:
            # It stays in processing, where the next look finds it.
            log.warning("partner_file_changed", partner=poll.partner_code, why=error.why)
            return
        spool.seek(0)
        with transaction() as session:
            stored = inbound.store(
                session,
                source=partner_files.source_of(poll.partner_code),
                kind=partner_files.KIND,
                name=file.name,
                chunks=_blocks(spool),
                now=started_at,
            )
            outcome = "STORED" if stored.new else "DUPLICATE"
            detail = f"{stored.size_bytes} bytes, message {stored.id}"
            _step(session, poll, outcome, (file.name, stored.body_hash), started_at, detail)
            if stored.new:
                ring_after_commit(PARTNER_FILES)
    poll.counts[outcome] += 1
    remote_name = poll.inbox.archive(file.name)
    if remote_name is not None:
        with transaction() as session:
            inbound.note_archived(session, stored.id, remote_name)


def _refuse_unread(poll: _Poll, file: RemoteFile, why: str, now: datetime) -> None:
    """A file over the limit is recorded, answered and put aside, and never read."""
    stand_in = f"unread {file.name} {file.size}".encode()
    finding = partner_files.unreadable(FILE_TOO_LARGE, why)
    with transaction() as session:
        stored = inbound.store_small(
            session,
            source=partner_files.source_of(poll.partner_code),
            kind=partner_files.KIND,
            name=file.name,
            body=stand_in,
            now=now,
            state="REJECTED",
            reason_code=FILE_TOO_LARGE,
        )
        if stored.new:
            told = [(None, finding)]
            inbound.add_findings(session, stored.id, told, now)
            partner_files.put_reject(
                session, poll.partner_code, file.name, stored.body_hash, told, now
            )
        _step(session, poll, "REJECTED", (file.name,), now, why)
    poll.counts["REJECTED"] += 1
    poll.inbox.quarantine(file.name)


def _quarantine_refused(poll: _Poll) -> None:
    """Move on what could not be read, so that the partner's people find it there."""
    with transaction() as session:
        refused = inbound.refused_files(session, partner_files.source_of(poll.partner_code))
    for message_id, remote_name in refused:
        placed = poll.inbox.quarantine_archived(remote_name)
        with transaction() as session:
            inbound.note_quarantined(session, message_id, placed, datetime.now(UTC))


def _interpret_next(lease: int, trigger: str) -> bool:
    """Read one stored file; a fault of ours postpones it and lets the next one pass."""
    now = datetime.now(UTC)
    with transaction() as session:
        waiting = inbound.waiting(session, partner_files.KIND, now)
        if not waiting:
            return False
        message = waiting[0]
        deadly = runs.died_in_a_row(session, _READ, message.name, _DEATHS_MOST, 2 * _ROWS_COUNT)
        run_id = runs.start_run(session, _READ, trigger, now, lease=lease, subject=message.name)
        if deadly:
            reason = "INTERNAL WorkerDied"
            inbound.close(session, message.id, "HELD", now, reason_code=reason)
            runs.finish_run(session, run_id, "FAILED", now, error=f"{reason}, the file is HELD")
            return True
        partner_code = partner_files.partner_of(message.source)
        bundles = bundle_versions.find_in_force(
            session, partner_code, Document.ACK, Direction.IN, now
        )
    result = FileResult()
    try:
        if bundles is None:
            raise LookupError(f"no bundle in force reads files of {partner_code}")
        _read_file(message, partner_code, bundles, result)
        _close(message, partner_code, bundles, result, run_id)
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("partner_file_not_read", message=message.id)
        with transaction() as session:
            at = datetime.now(UTC)
            state = inbound.postpone(session, message.id, type(error).__name__, at)
            why = f"{type(error).__name__}, the file is {state}"
            runs.finish_run(session, run_id, "FAILED", at, counts=dict(result.counts), error=why)
    return True


def _read_file(
    message: InboundMessage, partner_code: str, bundles: InForce, result: FileResult
) -> None:
    content = bundles.active.content
    body = b"".join(inbound.read_chunks(db.engine, message.id))
    try:
        rows = decode(content.codec, body, content.limits.rows_max)
    except FileUnreadable as error:
        fault: Finding = error.finding
        result.findings.append((None, partner_files.unreadable(fault.code, fault.text)))
        result.counts["REFUSED"] += 1
        return
    tally = Tally()
    for some in _slices(rows):
        with transaction() as session:
            now = datetime.now(UTC)
            partner_files.take_rows(session, partner_code, bundles, some, result, tally, now)


def _close(
    message: InboundMessage, partner_code: str, bundles: InForce, result: FileResult, run_id: int
) -> None:
    """Record the end of the file with its findings, and answer the partner where rows were bad."""
    now = datetime.now(UTC)
    state, findings = result.state, result.findings
    reason = findings[0][1].code if findings else None
    with transaction() as session:
        inbound.add_findings(session, message.id, findings, now)
        inbound.close(
            session,
            message.id,
            state,
            now,
            reason_code=reason,
            counts=dict(result.counts),
            document="PARTNER_ACKS",
        )
        if findings:
            partner_files.put_reject(
                session, partner_code, message.name, message.body_hash, findings, now
            )
        step = runs.StepRow(
            "read file",
            {"INTERPRETED": "OK"}.get(state, state),
            (message.name, partner_code),
            now,
            detail=f"by {bundles.active.name}",
            error_class=reason,
        )
        runs.add_steps(session, run_id, [step])
        run_state = {"INTERPRETED": "OK", "PARTLY": "PARTLY"}.get(state, "FAILED")
        runs.finish_run(session, run_id, run_state, now, counts=dict(result.counts), error=reason)


def _step(
    session: Session,
    poll: _Poll,
    state: str,
    keys: tuple[str, ...],
    started_at: datetime,
    detail: str,
) -> None:
    if poll.run_id is None:
        poll.run_id = runs.start_run(
            session, _POLL, poll.trigger, started_at, lease=poll.lease, subject=poll.partner_code
        )
    step = runs.StepRow("store file", state, (*keys, poll.partner_code), started_at, detail=detail)
    runs.add_steps(session, poll.run_id, [step])


def _slices(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), _ROWS_COUNT):
        yield rows[start : start + _ROWS_COUNT]


def _blocks(spool: IO[bytes]) -> Iterable[bytes]:
    while block := spool.read(_BLOCK_BYTES):
        yield block


def _alarm(partner_code: str, detail: str | None) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        if detail is None:
            alarms.close_alarm(session, ALARM, partner_code, now)
        else:
            alarms.open_alarm(session, ALARM, partner_code, detail, now)
