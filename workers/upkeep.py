"""Upkeep, every few seconds: alarms, forgotten swaps, rows nobody needs, and unknown outcomes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from app.db import transaction
from app.services import outages, purge, runs, watch
from app.settings import Settings
from workers.resolver import resolve


def upkeep(settings: Settings, lease: int, trigger: str, loop: asyncio.AbstractEventLoop) -> None:
    """Look after everything once; the provider is asked last, since it may keep us waiting."""
    now = datetime.now(UTC)
    with transaction() as session:
        watch.raise_alarms(session, now)
        purge.purge(session, now)
    with transaction() as session:
        if stale := outages.mark_stale(session, now):
            run_id = runs.start_run(session, "watch swaps", trigger, now, lease=lease)
            runs.finish_run(session, run_id, "PARTLY", now, counts={"STALE": stale})
    resolve(settings, lease, trigger, loop)
