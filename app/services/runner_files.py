"""Files of partners whose folders only a lane runner reaches: which these are, and keeping them.

What a runner hands over is kept byte for byte and read later, like what the poll fetches; the same
file again changes nothing, so a runner that died hands it over once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from app.domain.lanes import partner_lane
from app.domain.mapping.canonical import Document
from app.doorbell import ring_after_commit
from app.models.zone import LaneRunner
from app.services import alarms, inbound, partner_files, partner_folders, runs
from app.services.bundle_content import CompiledBundle
from app.services.lane_runners import RunnerRefused
from app.services.partner_folders import Meant, Sender
from app.settings import Settings
from integrations.outcomes import plain
from integrations.partners.manifest import Sftp
from integrations.runner_api.types import FILE_MOST_BYTES, FileTold, Folder, Heartbeat
from integrations.sftp.file_names import safe_name

# A runner speaks every few seconds, also while it is turned away for a moment.
_TOLD_WITHIN = timedelta(seconds=60)
STORED, DUPLICATE, REFUSED = "STORED", "DUPLICATE", "REFUSED"
# The documents as a runner names them.
_WORDS: Mapping[str, Literal["ack", "delivery"]] = {
    Document.ACK: "ack",
    Document.DELIVERY: "delivery",
}


def look_after(
    session: Session, zone: str, told: Heartbeat, settings: Settings, now: datetime
) -> list[Folder]:
    """The folders into which partners of a zone lay files for us.

    What its runners tell of them is an alarm for each partner until none has told it for a while: the
    word of one that reaches a folder must not end what another tells a moment later.
    """
    found = []
    for sender in partner_folders.senders(session, zone, now):
        lane = partner_lane(sender.code)
        for kind, about in (
            (partner_folders.ALARM, told.troubles),
            (partner_folders.LEFT_ALONE_ALARM, told.left_alone),
        ):
            if lane in about:
                alarms.open_alarm(session, kind, sender.code, plain(about[lane])[:500], now)
            else:
                alarms.close_unseen(session, kind, sender.code, now - _TOLD_WITHIN, now)
        found += [
            folder
            for meant, bundle in sender.documents
            if (folder := _folder(lane, meant, bundle, settings)) is not None
        ]
    return found


def take(session: Session, row: LaneRunner, told: FileTold, now: datetime) -> str:
    """Keep a file that a runner fetched; says what became of it. Raises: RunnerRefused."""
    sender, meant = _find(session, row.zone_code, told, now)
    name = safe_name(plain(told.name))
    run_id = runs.start_run(
        session, partner_folders.POLL, f"runner {row.zone_code}", now, subject=sender.code
    )
    if told.body is None:
        result = REFUSED
        detail = f"The file has {told.size} bytes, more than are taken."
        keys: tuple[str, ...] = (name, sender.code)
        partner_folders.refuse_unread(session, sender.code, meant, name, told.size, detail, now)
    else:
        stored = inbound.store(
            session,
            source=partner_files.source_of(sender.code),
            kind=meant.kind,
            name=name,
            chunks=[told.body],
            now=now,
        )
        result = STORED if stored.new else DUPLICATE
        detail = f"{stored.size_bytes} bytes, message {stored.id}"
        keys = (name, stored.body_hash, sender.code)
        if stored.new:
            ring_after_commit(meant.lane)
    outcome = "REJECTED" if result == REFUSED else result
    step = runs.StepRow("store file", outcome, keys, now, detail=detail)
    runs.add_steps(session, run_id, [step])
    state = "PARTLY" if result == REFUSED else "OK"
    runs.finish_run(session, run_id, state, now, counts={outcome: 1})
    return result


def _folder(lane: str, meant: Meant, bundle: CompiledBundle, settings: Settings) -> Folder | None:
    where = bundle.content.transport
    if not isinstance(where, Sftp):
        return None
    return Folder(
        lane=lane,
        document=_WORDS[meant.document],
        inbox=where.inbox,
        processing=where.processing,
        archive=where.archive,
        quarantine=where.quarantine,
        quiet_s=settings.cis_quiet_s,
        most_bytes=min(bundle.content.limits.file_max_bytes, FILE_MOST_BYTES),
    )


def _find(session: Session, zone: str, told: FileTold, now: datetime) -> tuple[Sender, Meant]:
    """Whose file it is: of a partner of the runner's own zone, or nobody's. Raises: RunnerRefused."""
    for sender in partner_folders.senders(session, zone, now):
        if partner_lane(sender.code) == told.lane:
            for meant, _ in sender.documents:
                if _WORDS.get(meant.document) == told.document:
                    return sender, meant
    raise RunnerRefused("FOLDER_ELSEWHERE")
