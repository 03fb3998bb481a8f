"""The end of a run, recorded also when the work itself has just failed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError

from app.db import transaction
from app.services import runs

log = structlog.get_logger()


def end_run(run_id: int | None, state: str, counts: Mapping[str, int], error: str | None) -> None:
    """Record how the run ended; never raises for the database's sake, None is no run.

    A run that cannot be ended stays RUNNING under its lease, and the dispatcher closes it as killed.
    """
    if run_id is None:
        return
    try:
        with transaction() as session:
            runs.finish_run(
                session, run_id, state, datetime.now(UTC), counts=dict(counts), error=error
            )
    except DBAPIError as away:
        log.warning("run_not_finished", run=run_id, error=type(away.orig or away).__name__)
