"""Upkeep, every few seconds: alarms, swaps that were forgotten, planned cuts, old rows, doubts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from app.db import transaction
from app.domain.lanes import ACKS
from app.doorbell import ring_after_commit
from app.services import (
    ack_receipt,
    acks,
    budget,
    inbound,
    letters,
    outages,
    purge,
    runs,
    visit_notices,
    watch,
)
from app.settings import Settings
from workers.aftercare import care_for_undelivered
from workers.customer_care import care
from workers.fault_upkeep import look_after_faults
from workers.planned_cuts import turn_planned_cuts
from workers.public_status import publish_status
from workers.resolver import resolve


def upkeep(settings: Settings, lease: int, trigger: str, loop: asyncio.AbstractEventLoop) -> None:
    """Look after everything once; the provider is asked last, since it may keep us waiting."""
    now = datetime.now(UTC)
    with transaction() as session:
        watch.raise_alarms(session, now)
        budget.watch(session, settings, now)
        letters.withdraw_passed(session, now)
        purge.purge(session, settings, now)
    with transaction() as session:
        if inbound.reopen_answered(session, ack_receipt.KIND, acks.WAITS_FOR_ORDER):
            ring_after_commit(ACKS)
    with transaction() as session:
        if stale := outages.mark_stale(session, now):
            run_id = runs.start_run(session, "watch swaps", trigger, now, lease=lease)
            runs.finish_run(session, run_id, "PARTLY", now, counts={"STALE": stale})
    publish_status(settings, now)
    look_after_faults(settings, lease, trigger, now)
    care(settings, lease, trigger, now)
    turn_planned_cuts(lease, trigger, now)
    _remind(trigger, lease, now)
    care_for_undelivered(settings, lease, trigger)
    resolve(settings, lease, trigger, loop)


def _remind(trigger: str, lease: int, now: datetime) -> None:
    """Remind of tomorrow's visits, batch by batch; what a death leaves undone the next round finds."""
    while True:
        with transaction() as session:
            count = visit_notices.remind(session, now)
            if count:
                run_id = runs.start_run(session, "remind of visits", trigger, now, lease=lease)
                runs.finish_run(session, run_id, "OK", now, counts={"LOOKED_AT": count})
        if not count:
            return
