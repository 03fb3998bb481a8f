"""How long a safety message waits behind a hundred thousand others that are being sent (REQ-27)."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from sqlalchemy import text

from app.db import transaction
from app.domain.notice_types import NoticeType
from app.factory import create_app
from app.settings import Settings
from bench.message_rows import seed, write_notices
from bench.report import row
from bench.sender import Stub, go, stub, told_by, workers
from bench.upkeep import analyse

WARNINGS = 5
_LEFT = text(
    """
    SELECT extract(epoch FROM a.started_at - i.created_at) AS wait_s
    FROM outbox_item i JOIN attempt a ON a.outbox_item_id = i.id WHERE i.priority = 0
    """
)


def main(count: int) -> list[dict[str, Any]]:
    """Queue them, let two workers send, and warn somebody now and then."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"]
    rows = []
    for name, delay_s in (("at once", 0.0), ("100 ms away", 0.1)):
        with stub(delay_s) as provider, app.app_context():
            with transaction() as session:
                session.execute(text("TRUNCATE notice, outbox_item, attempt, customer CASCADE"))
            seed(count)
            write_notices(count, settings)
            analyse()
            waits = _warn(provider, settings)
        rows.append(
            row(
                f"safety message, provider {name}",
                max(waits),
                "s",
                "< 2",
                f"the longest of {len(waits)} behind {count:,}",
            )
        )
    return rows


def _warn(provider: Stub, settings: Settings) -> list[float]:
    facts = {"area": "Tampere"}
    with workers(2, "bench.sender", "sms", provider.url) as started:
        go(started)
        for _ in range(WARNINGS):
            time.sleep(0.7)
            write_notices(1, settings, kind=NoticeType.SAFETY_WARNING, facts=facts)
        _wait_until_left()
        with transaction() as session:
            # Enough is known; the rest need not be waited for.
            session.execute(text("UPDATE lane SET paused = true WHERE name = 'sms'"))
            waits = [float(wait) for wait in session.execute(_LEFT).scalars()]
        told_by(started)
    with transaction() as session:
        session.execute(text("UPDATE lane SET paused = false WHERE name = 'sms'"))
    return waits


def _wait_until_left() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with transaction() as session:
            if len(session.execute(_LEFT).all()) >= WARNINGS:
                return
        time.sleep(0.05)
    raise SystemExit("the safety messages did not leave")


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
