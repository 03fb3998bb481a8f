"""The part of upkeep that looks after faults and storms, each fault in its own transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from app.db import is_connection_lost, transaction
from app.services import call_list, fault_watch, runs, silent_meters, storms
from app.settings import Settings

log = structlog.get_logger()


def look_after_faults(settings: Settings, lease: int, trigger: str, now: datetime) -> Counter[str]:
    """Do what is due: expired estimates, candidates, silent meters, closing, bulletins, the call list.

    What fails with one fault is logged and met again the next time; the others go on. A run is
    recorded only when there was something to do.
    """
    counts: Counter[str] = Counter()
    closing = timedelta(hours=settings.fault_close_after_h)
    with transaction() as session:
        work: list[tuple[str, int, Callable[..., object]]] = [
            *(
                ("EXPIRED", one, fault_watch.note_expiry)
                for one in fault_watch.expired(session, now)
            ),
            *(
                ("UNCONFIRMED", one, fault_watch.note_unconfirmed)
                for one in fault_watch.unconfirmed(session, now)
            ),
            *(
                ("CLOSED", one, fault_watch.close)
                for one in fault_watch.restored(session, now, closing)
            ),
        ]
        silent = silent_meters.find(session, now)
    for name, outage_id, do in work:
        counts[name if _do(partial(do, outage_id=outage_id, now=now), outage_id) else "FAILED"] += 1
    for one in silent:
        suspect = partial(silent_meters.suspect, silent=one, now=now)
        counts["SILENT" if _do(suspect, one.outage_id) else "FAILED"] += 1
    with transaction() as session:
        for storm in storms.unassessed(session):
            counts["BULLETINS"] += len(storms.send_bulletins(session, storm, now))
        after = timedelta(hours=settings.priority_call_after_h)
        counts["CALLS"] += call_list.gather(session, now, after)
    counts = +counts
    if counts:
        with transaction() as session:
            run_id = runs.start_run(session, "watch faults", trigger, now, lease=lease)
            state = "PARTLY" if counts["FAILED"] or counts["EXPIRED"] else "OK"
            runs.finish_run(session, run_id, state, now, counts=counts)
    return counts


def _do(do: Callable[[Session], object], outage_id: int) -> bool:
    try:
        with transaction() as session:
            do(session)
    except Exception as error:
        if is_connection_lost(error):
            raise
        log.exception("fault_not_looked_after", outage=outage_id)
        return False
    return True
