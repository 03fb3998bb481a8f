"""The part of the upkeep that looks after messages which did not arrive."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from app.db import transaction
from app.services import aftercare, runs
from app.services.aftercare import Cared
from app.services.notice_items import notice_key
from app.settings import Settings

_BATCH = 500
# More than a day's news of planned cuts comes to in the time between two looks.
_LET_GO = 20_000


def care_for_undelivered(settings: Settings, lease: int, trigger: str) -> Counter[str]:
    """Find another channel or owe a letter for all that wait; returns how many ended how."""
    counts: Counter[str] = Counter()
    with transaction() as session:
        aftercare.let_go(session, _LET_GO, datetime.now(UTC))
    while True:
        now = datetime.now(UTC)
        with transaction() as session:
            cared = aftercare.care(session, settings, _BATCH, now)
            if not cared:
                return counts
            counts.update(one.action for one in cared)
            run_id = runs.start_run(session, "care for undelivered", trigger, now, lease=lease)
            runs.add_steps(session, run_id, (_step(one, now) for one in cared))
            state = "PARTLY" if any(one.action == "FAILED" for one in cared) else "OK"
            found = dict(Counter(one.action for one in cared))
            runs.finish_run(session, run_id, state, now, counts=found)


def _step(one: Cared, now: datetime) -> runs.StepRow:
    keys = [notice_key(one.notice_id), *([one.gsrn] if one.gsrn else [])]
    return runs.StepRow(
        name="care for undelivered",
        state=one.action,
        keys=tuple(keys),
        started_at=now,
        detail=one.why,
    )
