"""The part of upkeep that keeps the rollout's figures fresh, and never costs more than its share."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from app.db import db, held_lock, transaction
from app.domain.lock_spaces import LockSpace
from app.domain.rollout import Choice
from app.queries import rollout_figures
from app.services import rollout
from app.settings import Settings

# After a mass order there is much to take; the rest of upkeep must not wait for it.
_PATIENCE_S = 10.0
# Counting again waits at least so many times as long as it took.
_SHARE = 20


def refresh_rollout(settings: Settings, now: datetime, *, at_once: bool = False) -> bool:
    """Take what changed in the orders, and count them when that is due; False when it was not.

    at_once: take everything however long it takes, and count.
    Promise: the figures are those of one snapshot; while more has changed than one transaction
    takes, the earlier ones stay, and their age is shown.
    """
    with held_lock(LockSpace.ROLLOUT, 1) as mine:
        if not mine:
            return False
        with transaction() as session:
            last = rollout_figures.find_summary(session)
        if last is not None and not at_once:
            pause = max(settings.rollout_refresh_s, _SHARE * last.took_ms / 1000)
            if now < last.as_of_at + timedelta(seconds=pause):
                return False
        started = time.monotonic()
        while True:
            counting = time.monotonic()
            with transaction() as session:
                rollout.open_snapshot(session)
                if rollout.take_changes(session, rollout.SLICE) < rollout.SLICE:
                    after = rollout.reread(session, last.reread_after if last else "")
                    silent_days = settings.ack_silence_days
                    figures = rollout_figures.count(session, Choice(), now, silent_days)
                    took_ms = round((time.monotonic() - counting) * 1000)
                    rollout.publish(session, figures, now, took_ms, after)
                    return True
            db.session.remove()
            if not at_once and time.monotonic() - started > _PATIENCE_S:
                return False
