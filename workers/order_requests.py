"""Answers what the CIS asked of orders under way, as soon as their visit has ended."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import structlog

from app.db import is_connection_lost, transaction
from app.services import intake, order_request_answers, runs
from app.services.slices import Lists
from app.settings import Settings
from workers.run_end import end_run

log = structlog.get_logger()

_PROCESS = "answer requests"
_COUNT = 200


def answer_requests(settings: Settings, lease: int, trigger: str) -> None:
    """Answer each order's requests in a transaction of its own; what a death leaves, the next finds.

    One that fails by a fault of ours keeps none of the others waiting; the fault is raised in the
    end, so that somebody hears of it.
    """
    after = ""
    counts: Counter[str] = Counter()
    failed: Exception | None = None
    run_id = lists = None
    while True:
        now = datetime.now(UTC)
        with transaction() as session:
            ids = order_request_answers.orders_to_answer(session, _COUNT, after)
            if ids and run_id is None:
                run_id = runs.start_run(session, _PROCESS, trigger, now, lease=lease)
                key = settings.partner_key.get_secret_value()
                lists = intake.load_lists(session, key, now)
        for order_id in ids:
            assert lists is not None and run_id is not None  # noqa: S101, PT018 - set with the first.
            try:
                counts.update(_answer(order_id, lists, run_id, now))
            except Exception as error:
                if is_connection_lost(error):
                    raise
                log.exception("order_request_failed", order=order_id)
                counts["FAILED"] += 1
                failed = error
        if len(ids) < _COUNT:
            break
        after = ids[-1]
    name = type(failed).__name__ if failed is not None else None
    end_run(run_id, "FAILED" if failed else "OK", counts, name)
    if failed is not None:
        raise failed


def _answer(order_id: str, lists: Lists, run_id: int, now: datetime) -> list[str]:
    with transaction() as session:
        told = order_request_answers.answer(session, order_id, lists, run_id, now)
        step = runs.StepRow("order request", ", ".join(told) or "KEPT", (order_id,), now)
        runs.add_steps(session, run_id, [step])
    return [str(one) for one in told]
