"""One look into the folders of partners that leave files: whose, by which bundles, and what kept us out.

Files are fetched and kept here, never interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from sqlalchemy import select

from app.clients import partner_sftp
from app.db import is_connection_lost, transaction
from app.domain.mapping.canonical import Direction
from app.models.partner import SFTP, Partner
from app.services import bundles_in_force
from app.services.bundle_content import CompiledBundle
from app.settings import Settings
from integrations.outcomes import CallError
from integrations.partners.manifest import Sftp
from integrations.sftp.inbox import SftpInbox
from workers.inbox_look import TROUBLES_SHOWN, set_alarm, tell_left_alone
from workers.partner_inbox import MEANT, Folder, Look, Meant, take_all
from workers.run_end import end_run

log = structlog.get_logger()

ALARM = "PARTNER_SFTP"
LEFT_ALONE_ALARM = "PARTNER_LEFT_ALONE"


@dataclass(frozen=True, slots=True)
class _Sender:
    """A partner that leaves files, and by which bundle each document of it comes."""

    code: str
    base_url: str
    documents: Sequence[tuple[Meant, CompiledBundle]]


def poll_partners(
    settings: Settings, lease: int, trigger: str, stopping: Callable[[], bool]
) -> None:
    """Fetch what lies in partners' folders and has come to rest; stopping is asked between partners.

    A partner whose server does not answer, or whose files we fail over, raises an alarm and keeps
    no other partner waiting for longer than its time-outs; the database going away ends the look.
    """
    for sender in _senders():
        if stopping():
            return
        _poll(settings, sender, Look(sender.code, lease, trigger))


def _senders() -> list[_Sender]:
    with transaction() as session:
        rows = session.execute(
            select(Partner.code, Partner.base_url)
            .where(Partner.transport == SFTP, Partner.active)
            .order_by(Partner.code)
        ).all()
        now = datetime.now(UTC)
        known = [
            (one, bundles_in_force.load(session, one.document, Direction.IN, now)) for one in MEANT
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


def _poll(settings: Settings, sender: _Sender, look: Look) -> None:
    error: str | None = None
    try:
        for meant, bundle in sender.documents:
            _look(settings, sender, look, meant, bundle)
        told = [*look.errors, *look.troubles]
        error = "; ".join(told[:TROUBLES_SHOWN]) or None
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
    settings: Settings, sender: _Sender, look: Look, meant: Meant, bundle: CompiledBundle
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
