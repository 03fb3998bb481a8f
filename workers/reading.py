"""How a worker begins to read a stored message: as a run, unless the message ends whoever reads it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.models.inbound_message import InboundMessage
from app.services import inbound, runs

# So many deaths in a row at one place of one message are the message's doing.
DEATHS_MOST = 6
DIED = "INTERNAL WorkerDied"


def begin_reading(
    session: Session,
    message: InboundMessage,
    process: str,
    subject: str,
    *,
    within_steps: int,
    trigger: str,
    lease: int,
    now: datetime,
    died: str = DIED,
) -> int | None:
    """Start a run over the message, and tell its number.

    None where the last runs have all died over it after nearly the same number of steps: what ended
    them would end us, and everything behind it would wait for ever, so it is HELD.
    died: what the run says then.
    """
    deadly = runs.died_in_a_row(session, process, subject, DEATHS_MOST, within_steps)
    run_id = runs.start_run(session, process, trigger, now, lease=lease, subject=subject)
    if not deadly:
        return run_id
    inbound.close(session, message.id, "HELD", now, reason_code=DIED)
    runs.finish_run(session, run_id, "FAILED", now, error=died)
    return None
