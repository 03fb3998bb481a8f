"""What a look into any inbox on an SFTP server has in common, whoever it is shared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO

import structlog

from app.db import transaction
from app.services import alarms, inbound
from integrations.outcomes import CallError
from integrations.sftp.inbox import RemoteFile, SftpInbox
from integrations.sftp.left_alone import in_words

log = structlog.get_logger()

# Up to this size a file is held in memory while it is fetched, above on disk.
SPOOL_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
# So many in one look are no longer the trouble of single files.
_TROUBLES_MOST = 20


def each(
    inbox: SftpInbox,
    files: Sequence[RemoteFile],
    take: Callable[[RemoteFile], None],
    troubles: list[str],
) -> None:
    """Take file by file: one that the server does not let us have must not stand before all others.

    Raises: CallError (the server is gone, or it is no longer the trouble of single files).
    """
    for file in files:
        try:
            take(file)
        except CallError as error:
            if not inbox.connected or len(troubles) >= _TROUBLES_MOST:
                raise
            log.warning("inbox_file_failed", error=type(error).__name__, why=error.why)
            troubles.append(f"{file.name}: {type(error).__name__}: {error.why}")


def quarantine_refused(inbox: SftpInbox, refused: Sequence[tuple[int, str]]) -> None:
    """Move on what could not be read, so that its sender's people find it there.

    refused: message -> name in the archive.
    """
    for message_id, remote_name in refused:
        placed = inbox.quarantine_archived(remote_name)
        with transaction() as session:
            inbound.note_quarantined(session, message_id, placed, datetime.now(UTC))


def blocks_of(spool: IO[bytes]) -> Iterator[bytes]:
    """A file that was fetched, from where it stands to its end."""
    while block := spool.read(_BLOCK_BYTES):
        yield block


def tell_left_alone(kind: str, subject: str, told: Sequence[str]) -> None:
    """Raise the alarm about what is never taken, for people there to look at; or let it end."""
    set_alarm(kind, subject, in_words(told))


def set_alarm(kind: str, subject: str, detail: str | None) -> None:
    """Open an alarm, or close it where there is nothing to tell."""
    now = datetime.now(UTC)
    with transaction() as session:
        if detail is None:
            alarms.close_alarm(session, kind, subject, now)
        else:
            alarms.open_alarm(session, kind, subject, detail, now)
