"""Text messages per second through the real drain and the real SDK, and what each costs whom."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from sqlalchemy import text

from app.db import transaction
from app.factory import create_app
from app.settings import Settings
from bench.message_rows import check, seed, write_notices
from bench.report import row
from bench.sender import Cost, Stub, go, make_ready, measured, stub, told_by, workers
from bench.upkeep import analyse
from workers import jobs
from workers.drain import drain

# As many as a sender needs under way to keep busy while each answer takes a tenth of a second.
SLOW_S, SLOW_IN_FLIGHT = 0.1, 500


def main(count: int) -> list[dict[str, Any]]:
    """Write notices in bulk, send them by one worker, by two, and beside them with a bare drain."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"]
    with stub() as provider, app.app_context():
        seed(count)
        with measured(provider) as writing:
            write_notices(count, settings)
        work = make_ready(settings, "sms", provider.url)
        with measured(provider) as one:
            counts = drain(work)
        jobs.end()
        check(count, counts["SENT"], provider.received())
        write_notices(count, settings)
        two, again = _by_workers(provider, 2, "bench.sender", "sms")
        check(2 * count, counts["SENT"] + again["SENT"], provider.received())
        bare = {}
        for processes in (1, 2):
            write_notices(count, settings)
            bare[processes], _ = _by_workers(provider, processes, "bench.bare_drain")
        _empty()
    with stub(SLOW_S) as slow, app.app_context():
        write_notices(count, settings)
        _set_in_flight(SLOW_IN_FLIGHT)
        late, _ = _by_workers(slow, 1, "bench.sender", "sms")
        check(count, count, slow.received())
    note = f"{count:,} messages, {{:.1f}} s, claim to settlement"
    return [
        row("SMS: one worker", count / one.wall_s, "SMS/s", "", note.format(one.wall_s)),
        row("SMS: two workers", count / two.wall_s, "SMS/s", ">= 4,000", note.format(two.wall_s)),
        row("SMS: CPU of a worker", one.ours_s / count * 1000, "ms each", "<= 0.5"),
        row("SMS: CPU of two workers", two.ours_s / count * 1000, "ms each", "<= 0.5"),
        row("SMS: CPU of PostgreSQL", one.postgres_s / count * 1000, "ms each"),
        row("SMS: CPU of the stub", one.stub_s / count * 1000, "ms each", "", "not ours"),
        row("SMS: bare drain, one", count / bare[1].wall_s, "SMS/s", "", "floor, same rows"),
        row("SMS: bare drain, two", count / bare[2].wall_s, "SMS/s", "", "floor, same rows"),
        row("SMS: times the floor, one", one.wall_s / bare[1].wall_s, "x", "<= 2.5"),
        row("SMS: times the floor, two", two.wall_s / bare[2].wall_s, "x", "<= 2.5"),
        row(
            "SMS: one worker, 100 ms away",
            count / late.wall_s,
            "SMS/s",
            ">= 1,500",
            f"{SLOW_IN_FLIGHT} under way",
        ),
        row("SMS: notices written", count / writing.wall_s, "notices/s", "", "text, row, item"),
        row("SMS: CPU of writing", writing.ours_s / count * 1000, "ms each"),
    ]


def _by_workers(provider: Stub, count: int, *words: str) -> tuple[Cost, Counter[str]]:
    """What the lane costs when so many processes drain it together."""
    analyse()
    with workers(count, *words, provider.url) as started:
        with measured(provider) as cost:
            go(started)
            told = told_by(started)
        cost.ours_s = sum(one["cpu_s"] for one in told)
    return cost, sum((Counter(one["counts"]) for one in told), Counter())


def _set_in_flight(count: int) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE lane SET in_flight_count = :count WHERE name = 'sms'"), {"count": count}
        )


def _empty() -> None:
    with transaction() as session:
        session.execute(text("TRUNCATE notice, outbox_item, attempt, step CASCADE"))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
