"""One look into the folders of partners that leave files: whose, by which bundles, and what kept us out.

Files are fetched and kept here, never interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from app.clients import partner_sftp
from app.db import is_connection_lost, transaction
from app.domain.zones import CENTRAL
from app.services import partner_folders
from app.services.bundle_content import CompiledBundle
from app.services.partner_folders import ALARM, LEFT_ALONE_ALARM, Meant, Sender
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.partners.manifest import Sftp
from integrations.sftp.inbox import SftpInbox
from integrations.sftp.left_alone import SHOWN
from workers.inbox_look import set_alarm, tell_left_alone
from workers.partner_inbox import Folder, Look, take_all
from workers.run_end import end_run

log = structlog.get_logger()


def poll_partners(
    settings: Settings, lease: int, trigger: str, stopping: Callable[[], bool]
) -> None:
    """Fetch what lies in partners' folders and has come to rest; stopping is asked between partners.

    A partner whose server does not answer, or whose files we fail over, raises an alarm and keeps
    no other partner waiting for longer than its time-outs; the database going away ends the look.
    """
    with transaction() as session:
        # Elsewhere lane runners look into folders, and tell what keeps them out.
        senders = partner_folders.senders(session, CENTRAL, datetime.now(UTC))
    for sender in senders:
        if stopping():
            return
        _poll(settings, sender, Look(sender.code, lease, trigger))


def _poll(settings: Settings, sender: Sender, look: Look) -> None:
    error: str | None = None
    try:
        for meant, bundle in sender.documents:
            _look(settings, sender, look, meant, bundle)
        told = [*look.errors, *look.troubles]
        error = "; ".join(told[:SHOWN]) or None
        set_alarm(ALARM, look.code, error)
        if not look.errors:
            tell_left_alone(LEFT_ALONE_ALARM, look.code, look.left_alone)
    except Exception as caught:
        error = type(caught).__name__
        look.errors.append(error)
        if is_connection_lost(caught):
            raise
        # A fault of ours over one partner's files is no reason to leave all others' lying.
        log.exception("partner_not_looked_at", partner=look.code)
        set_alarm(ALARM, look.code, f"The look ended early, {error}")
    finally:
        bad = look.troubles or look.counts["REJECTED"]
        state = "FAILED" if look.errors else "PARTLY" if bad else "OK"
        end_run(look.run_id, state, look.counts, error)


def _look(
    settings: Settings, sender: Sender, look: Look, meant: Meant, bundle: CompiledBundle
) -> None:
    """Look into one inbox; what keeps us out of it is noted, for the partner's alarm."""
    folders = bundle.content.transport
    if not isinstance(folders, Sftp):
        return
    try:
        most = bundle.content.limits.file_max_bytes
        place = partner_sftp(sender.code, sender.base_url, settings, most)
    except CallError as missing:
        look.errors.append(missing.why)
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
        take_all(settings, Folder(look, meant, inbox, folders.inbox))
    except CallError as caught:
        log.warning("partner_sftp_failed", partner=sender.code, why=caught.why)
        look.errors.append(f"{type(caught).__name__}: {caught.why}")
    finally:
        inbox.close()
