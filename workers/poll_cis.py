"""One poll of the CIS's folder: files are moved and recorded here, never interpreted.

Each step can be done again after a death at any line: a claimed file that was not stored is found
in the processing folder, a stored one that was not archived is recognised by its hash.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from app.clients import cis_inbox
from app.db import held_lock, transaction
from app.domain.lanes import INTAKE, NETWORK
from app.domain.lock_spaces import LockSpace
from app.doorbell import ring_after_commit
from app.services import (
    feed_receipt,
    inbound,
    meter_deliveries,
    rejects,
    runs,
    sightings,
)
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.sftp.inbox import (
    ClaimLost,
    FileChanged,
    FileGone,
    FileTooLarge,
    RemoteFile,
    SftpInbox,
)
from integrations.sftp.left_alone import SHOWN, never_taken
from workers.inbox_look import (
    SPOOL_BYTES,
    blocks_of,
    each,
    quarantine_refused,
    set_alarm,
    tell_left_alone,
)
from workers.run_end import end_run

log = structlog.get_logger()

SOURCE = "cis"
KIND = "CIS_FILE"
# The DMS may drop its outages into the same folder, as files of this name.
DMS_SOURCE = "dms"
_DMS_NAME = re.compile(r"dms[-_]outages?[-_.].*\.jsonl?", re.IGNORECASE | re.ASCII)
# So may the meter maker its deliveries.
_DELIVERY_NAME = re.compile(
    r"meter[-_]deliver(y|ies)[-_.].*\.(xml|csv|json)", re.IGNORECASE | re.ASCII
)
# A sender that pauses for longer in the middle of a file has given it up.
_PAUSES_MOST = timedelta(hours=1)
LEFT_ALONE_ALARM = "CIS_LEFT_ALONE"


@dataclass(slots=True)
class _Poll:
    """One poll at work."""

    inbox: SftpInbox
    settings: Settings
    lease: int
    trigger: str
    run_id: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    # What the server would not let us do with single files.
    troubles: list[str] = field(default_factory=list)


def poll_cis(settings: Settings, lease: int, trigger: str) -> None:
    """Look at the folder once and take every file that has come to rest.

    A run is recorded only when a file was there to handle. A server out of reach raises an alarm,
    which the next good poll closes.
    """
    # Two polls at once would only race each other for the claims.
    with held_lock(LockSpace.POLL_CIS, 1) as held:
        if held:
            _poll(settings, lease, trigger)


def _poll(settings: Settings, lease: int, trigger: str) -> None:
    inbox = cis_inbox(settings)
    poll = _Poll(inbox, settings, lease, trigger)
    now = datetime.now(UTC)
    error: str | None = None
    try:
        files = inbox.list_inbox()
        # What an earlier poll had claimed when it died comes first.
        each(inbox, inbox.list_processing(), partial(_take, poll), poll.troubles)
        with transaction() as session:
            rested = sightings.note(
                session,
                [(file.name, file.size, file.mtime) for file in files],
                now,
                timedelta(seconds=settings.cis_quiet_s),
            )
        claimable = [file for file in files if file.name in rested]
        each(inbox, claimable, partial(_claim, poll), poll.troubles)
        _quarantine_refused(poll)
        _give_back_grown(poll, now)
        tell_left_alone(LEFT_ALONE_ALARM, "inbox", never_taken(inbox.left_alone, now))
        _alarm("; ".join(poll.troubles[:SHOWN]) or None)
    except CallError as caught:
        log.warning("cis_sftp_failed", error=type(caught).__name__, why=caught.why)
        error = f"{type(caught).__name__}: {caught.why}"
        _alarm(error)
    except OSError as caught:
        # Nothing of the network comes up to here: it is our own disk.
        error = f"{type(caught).__name__}: {caught.strerror}"
        _alarm(f"The poll ended early, {error}")
        raise
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        inbox.close()
        _finish(poll, error)


def _claim(poll: _Poll, file: RemoteFile) -> None:
    try:
        name = poll.inbox.claim(file.name)
    except ClaimLost:
        # Another poller was faster, or the CIS took the file back.
        return
    _take(poll, RemoteFile(name, file.size, file.mtime))


def _quarantine_refused(poll: _Poll) -> None:
    with transaction() as session:
        refused = inbound.refused_files(session, SOURCE)
        refused += inbound.refused_files(session, DMS_SOURCE)
        refused += inbound.refused_files(session, meter_deliveries.FILES)
    quarantine_refused(poll.inbox, refused)


def _give_back_grown(poll: _Poll, now: datetime) -> None:
    """Take again what broke off and has gone on since: its sender had only paused.

    What of it was taken before is known by its revisions.
    """
    with transaction() as session:
        broken = inbound.broken_files(session, SOURCE, now - _PAUSES_MOST)
    for file in broken:
        size = poll.inbox.give_back_grown(file.remote_name, file.size_bytes)
        if size is None:
            continue
        with transaction() as session:
            inbound.note_given_back(session, file.id)
        detail = f"{file.size_bytes} bytes were read, it has {size} now"
        _step(poll, "look again", "GROWN", file.name, datetime.now(UTC), detail)


def _take(poll: _Poll, file: RemoteFile) -> None:
    """Fetch a claimed file, store it byte-exact, then archive it."""
    if file.size > poll.settings.cis_file_max_bytes:
        _quarantine_by_size(poll, file)
        return
    started_at = datetime.now(UTC)
    name = file.name
    source, kind, lane = _meant_for(name)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        try:
            # The network comes before the transaction, never inside it.
            for chunk in poll.inbox.fetch(file.name):
                spool.write(chunk)
        except FileTooLarge:
            _quarantine_by_size(poll, file)
            return
        except (FileChanged, FileGone) as error:
            # It stays in processing, where the next poll finds it.
            _step(poll, "fetch", "CHANGED", name, started_at, error.why)
            return
        spool.seek(0)
        with transaction() as session:
            run_id = _run(session, poll)
            stored = inbound.store(
                session,
                source=source,
                kind=kind,
                name=name,
                chunks=blocks_of(spool),
                now=started_at,
            )
            outcome = "STORED" if stored.new else "DUPLICATE"
            runs.add_steps(
                session,
                run_id,
                [
                    runs.StepRow(
                        "store file",
                        outcome,
                        (name, stored.body_hash),
                        started_at,
                        duration_ms=_ms_since(started_at),
                        detail=f"{stored.size_bytes} bytes, message {stored.id}",
                    )
                ],
            )
            if stored.new:
                ring_after_commit(lane)
    poll.counts[outcome] += 1
    remote_name = poll.inbox.archive(file.name)
    if remote_name is not None:
        with transaction() as session:
            inbound.note_archived(session, stored.id, remote_name)


def _meant_for(name: str) -> tuple[str, str, str]:
    """Who sent a file of this name, as what it is kept, and which lane reads it."""
    if _DMS_NAME.fullmatch(name) is not None:
        return DMS_SOURCE, feed_receipt.DMS_OUTAGES, NETWORK
    if _DELIVERY_NAME.fullmatch(name) is not None:
        return meter_deliveries.FILES, meter_deliveries.KIND, INTAKE
    return SOURCE, KIND, INTAKE


def _quarantine_by_size(poll: _Poll, file: RemoteFile) -> None:
    """A file above the limit is put aside unread; the record and the CIS's answer come first."""
    started_at = datetime.now(UTC)
    name = file.name
    with transaction() as session:
        run_id = _run(session, poll)
        rejects.reject_unread_file(
            session, SOURCE, name, file.size, poll.settings.cis_file_max_bytes, started_at
        )
        runs.add_steps(
            session,
            run_id,
            [
                runs.StepRow(
                    "store file",
                    "REJECTED",
                    (name,),
                    started_at,
                    detail=f"{file.size} bytes is over the limit",
                    error_class="FILE_TOO_LARGE",
                )
            ],
        )
    poll.counts["REJECTED"] += 1
    poll.inbox.quarantine(file.name)


def _run(session: Session, poll: _Poll) -> int:
    if poll.run_id is None:
        poll.run_id = runs.start_run(
            session, "poll CIS", poll.trigger, datetime.now(UTC), lease=poll.lease
        )
    return poll.run_id


def _step(
    poll: _Poll, name: str, state: str, key: str, started_at: datetime, detail: str | None = None
) -> None:
    with transaction() as session:
        run_id = _run(session, poll)
        runs.add_steps(
            session,
            run_id,
            [
                runs.StepRow(
                    name,
                    state,
                    (key,),
                    started_at,
                    duration_ms=_ms_since(started_at),
                    detail=detail,
                )
            ],
        )
    poll.counts[state] += 1


def _finish(poll: _Poll, error: str | None) -> None:
    counts = poll.counts
    bad = counts["REJECTED"] + counts["CHANGED"] + len(poll.troubles)
    state = "FAILED" if error else "PARTLY" if bad else "OK"
    error = error or "; ".join(poll.troubles[:SHOWN]) or None
    end_run(poll.run_id, state, counts, error)


def _alarm(detail: str | None) -> None:
    set_alarm("CIS_SFTP", "poll", detail)


def _ms_since(started_at: datetime) -> int:
    return round((datetime.now(UTC) - started_at).total_seconds() * 1000)
