"""Partners' folders: files are fetched and kept first, and read from our own copy second.

Reading a file again after a death at any line finds the rows there that were taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import structlog

from app.db import db, held_lock, is_connection_lost, transaction
from app.domain.lanes import PARTNER_FILES
from app.domain.lock_spaces import LockSpace
from app.domain.mapping.canonical import Direction, Document
from app.models.inbound_message import InboundMessage
from app.services import bundles_in_force, inbound, lanes, partner_files, runs
from app.services.bundle_tally import Tally
from app.services.bundles_in_force import InForce
from app.services.partner_files import FileResult
from app.settings import Settings
from integrations.outcomes import Finding
from integrations.partners.codecs import FileUnreadable, Row, decode
from workers.partner_poll import poll_partners
from workers.reading import DIED, begin_reading

log = structlog.get_logger()

_READ = "partner files"
# Rows per transaction.
_ROWS_COUNT = 200


def look_after_files(settings: Settings, lease: int, trigger: str) -> None:
    """Fetch what lies in partners' folders, then read the acknowledgements that have been stored.

    Deliveries of meters are read where all of them are, by the lane of intake. Whoever pauses the
    lane stops it before the next partner, and before the next file.
    """
    with held_lock(LockSpace.PARTNER_FILES, 1) as held:
        if not held:
            return
        poll_partners(settings, lease, trigger, _is_paused)
        while _interpret_next(lease, trigger):
            pass


def _interpret_next(lease: int, trigger: str) -> bool:
    """Read one stored file; a fault of ours postpones it and lets the next one pass."""
    now = datetime.now(UTC)
    with transaction() as session:
        waiting = inbound.waiting(session, partner_files.KIND, now)
        if not waiting or lanes.is_paused(session, PARTNER_FILES):
            return False
        message = waiting[0]
        run_id = begin_reading(
            session,
            message,
            _READ,
            message.name,
            within_steps=2 * _ROWS_COUNT,
            trigger=trigger,
            lease=lease,
            now=now,
            died=f"{DIED}, the file is HELD",
        )
        if run_id is None:
            return True
        partner_code = partner_files.partner_of(message.source)
        bundles = bundles_in_force.find(session, partner_code, Document.ACK, Direction.IN, now)
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


def _is_paused() -> bool:
    with transaction() as session:
        return lanes.is_paused(session, PARTNER_FILES)


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


def _slices(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), _ROWS_COUNT):
        yield rows[start : start + _ROWS_COUNT]
