"""The part of upkeep that keeps the rollout's figures fresh, and never costs more than its share."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

from app.db import held_lock, transaction
from app.domain.lock_spaces import LockSpace
from app.domain.rollout import Choice
from app.queries import rollout_figures
from app.services import rollout
from app.settings import Settings

# After a mass order there is much to take; the rest of upkeep must not wait for it.
_PATIENCE_S = 10.0
# Counting again waits at least so many times as long as it took.
_SHARE = 20


def refresh_rollout(
    settings: Settings, now: datetime, *, at_once: bool = False, patience_s: float = _PATIENCE_S
) -> bool:
    """Take what changed in the orders and count them, when that is due; False when it was not.

    at_once: take everything however long it takes.
    Promise: what was taken and what was counted of it become visible at once, so that every list is
    as long as its number says. After a mass order it may take several rounds; the figures say so.
    """
    with held_lock(LockSpace.ROLLOUT, 1) as mine:
        if not mine:
            return False
        with transaction() as session:
            last = rollout_figures.find_summary(session)
        if last is not None and not at_once and not last.figures.get("behind"):
            pause = max(settings.rollout_refresh_s, _SHARE * last.took_ms / 1000)
            if now < last.as_of_at + timedelta(seconds=pause):
                return False
        started = time.monotonic()
        after = last.reread_after if last else ""
        with transaction() as session:
            rollout.open_snapshot(session)
            while True:
                counting = time.monotonic()
                behind = rollout.take_changes(session, rollout.SLICE) == rollout.SLICE
                patient = at_once or time.monotonic() - started < patience_s
                if not (behind and patient):
                    break
            if not behind:
                after = rollout.reread(session, after)
            figures = rollout_figures.count(session, Choice(), now, settings.ack_silence_days)
            took_ms = round((time.monotonic() - counting) * 1000)
            rollout.publish(session, replace(figures, behind=behind), now, took_ms, after)
        return True
