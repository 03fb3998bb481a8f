"""Replays that were decided on, carried out slice by slice; a death goes on where it stopped."""

from __future__ import annotations

from datetime import UTC, datetime

from app.db import transaction
from app.services import replays, runs

_PROCESS = "replay"


def send_again(lease: int, trigger: str) -> None:
    """Make due again what was chosen, and forget choices that nobody has decided about."""
    with transaction() as session:
        replays.forget_previews(session, datetime.now(UTC))
        waiting = replays.approved(session)
    for replay_id, lane in waiting:
        now = datetime.now(UTC)
        with transaction() as session:
            run_id = runs.start_run(
                session, _PROCESS, trigger, now, lease=lease, subject=f"{lane} {replay_id}"
            )
        queued = 0
        left = True
        while left:
            with transaction() as session:
                count, left = replays.carry_out(session, replay_id, datetime.now(UTC))
            queued += count
        with transaction() as session:
            runs.finish_run(session, run_id, "OK", datetime.now(UTC), counts={"QUEUED": queued})
