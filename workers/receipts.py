"""The receipts lane: carries what the providers reported into the ledger, until nothing waits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from app.db import transaction
from app.domain.lanes import RECEIPTS
from app.services import delivery_receipts, lanes, runs
from app.services.delivery_receipts import AppliedReceipt
from app.services.notice_items import notice_key
from app.settings import Settings
from workers.run_end import end_run

_BATCH = 1000


def apply_receipts(settings: Settings, lease: int, trigger: str) -> Counter[str]:
    """Apply every report that waits; returns how many got which verdict."""
    counts: Counter[str] = Counter()
    run_id: int | None = None
    error: str | None = None
    try:
        while True:
            now = datetime.now(UTC)
            with transaction() as session:
                if lanes.is_paused(session, RECEIPTS):
                    break
                applied = delivery_receipts.apply_waiting(session, _BATCH, now)
                if not applied:
                    break
                # Kept in mind only once it has committed with its first work.
                this_run = run_id or runs.start_run(
                    session, "apply receipts", trigger, now, lease=lease
                )
                runs.add_steps(session, this_run, (_step(receipt, now) for receipt in applied))
            run_id = this_run
            counts.update(receipt.verdict for receipt in applied)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        end_run(run_id, "FAILED" if error else "OK", counts, error)
    return counts


def _step(receipt: AppliedReceipt, now: datetime) -> runs.StepRow:
    keys = [receipt.provider_ref] if receipt.provider_ref else []
    if receipt.notice_id is not None:
        keys.append(notice_key(receipt.notice_id))
    if receipt.gsrn is not None:
        keys.append(receipt.gsrn)
    return runs.StepRow(
        name=f"{receipt.provider} reported {receipt.status}",
        state=receipt.verdict,
        keys=tuple(keys),
        started_at=now,
    )
