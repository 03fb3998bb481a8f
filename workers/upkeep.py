"""Upkeep, every few seconds: alarms, messages and swaps that were forgotten, old rows, doubts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from app.db import transaction
from app.domain.lanes import ACKS
from app.doorbell import ring_after_commit
from app.services import (
    ack_receipt,
    acks,
    alarms,
    inbound,
    outages,
    purge,
    runs,
    status_snapshot,
    watch,
)
from app.settings import Settings
from workers.resolver import resolve

log = structlog.get_logger()
STATUS_NOT_WRITTEN = "STATUS_NOT_WRITTEN"


def upkeep(settings: Settings, lease: int, trigger: str, loop: asyncio.AbstractEventLoop) -> None:
    """Look after everything once; the provider is asked last, since it may keep us waiting."""
    now = datetime.now(UTC)
    with transaction() as session:
        watch.raise_alarms(session, now)
        purge.purge(session, now)
    with transaction() as session:
        if inbound.reopen_answered(session, ack_receipt.KIND, acks.WAITS_FOR_ORDER):
            ring_after_commit(ACKS)
    with transaction() as session:
        if stale := outages.mark_stale(session, now):
            run_id = runs.start_run(session, "watch swaps", trigger, now, lease=lease)
            runs.finish_run(session, run_id, "PARTLY", now, counts={"STALE": stale})
    _publish_status(settings, now)
    resolve(settings, lease, trigger, loop)


def _publish_status(settings: Settings, now: datetime) -> None:
    """Renew the public status; where its folder cannot be written, somebody has to know (REQ-23)."""
    with transaction() as session:
        body = status_snapshot.take(session, now)
    try:
        status_snapshot.publish(body, settings.status_folder)
    except OSError as error:
        log.exception("status_not_written")
        with transaction() as session:
            detail = f"The public status cannot be written: {error.strerror}."
            alarms.open_alarm(session, STATUS_NOT_WRITTEN, "public", detail, now)
    else:
        with transaction() as session:
            alarms.close_alarm(session, STATUS_NOT_WRITTEN, "public", now)
