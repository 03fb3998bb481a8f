"""Answers what the CIS asked of orders under way, as soon as their visit has ended."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from app.db import transaction
from app.services import intake, order_request_answers, runs
from app.settings import Settings

_PROCESS = "answer requests"
_COUNT = 200


def answer_requests(settings: Settings, lease: int, trigger: str) -> None:
    """Answer each order's requests in a transaction of its own; what a death leaves, the next finds."""
    after = ""
    counts: Counter[str] = Counter()
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
            with transaction() as session:
                told = order_request_answers.answer(session, order_id, lists, run_id, now)
                step = runs.StepRow("order request", ", ".join(told) or "KEPT", (order_id,), now)
                runs.add_steps(session, run_id, [step])
            counts.update(told)
        if len(ids) < _COUNT:
            break
        after = ids[-1]
    if run_id is not None:
        with transaction() as session:
            runs.finish_run(session, run_id, "OK", datetime.now(UTC), counts=dict(counts))
