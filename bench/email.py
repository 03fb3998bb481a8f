"""E-mails per second, a thousand to a request, through ledger, attempts, SDK and settlement."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from app.domain.notice_types import Channel
from app.factory import create_app
from app.settings import Settings
from bench.message_rows import check, seed, write_notices
from bench.report import row
from bench.sender import go, make_ready, measured, stub, told_by, workers
from bench.upkeep import analyse
from workers import jobs
from workers.drain import drain


def main(count: int) -> list[dict[str, Any]]:
    """Write notices in bulk, let one worker send them, then two."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"]
    with stub() as provider, app.app_context():
        seed(count)
        write_notices(count, settings, Channel.EMAIL)
        analyse()
        work = make_ready(settings, "email", provider.url)
        with measured(provider) as one:
            counts = drain(work)
        jobs.end()
        check(count, counts["SENT"], provider.received())
        write_notices(count, settings, Channel.EMAIL)
        analyse()
        with workers(2, "bench.sender", "email", provider.url) as started:
            with measured(provider) as two:
                go(started)
                told = told_by(started)
            two.ours_s = sum(worker["cpu_s"] for worker in told)
        sent = sum((Counter(worker["counts"]) for worker in told), counts)["SENT"]
        check(2 * count, sent, provider.received())
    note = f"{count:,} e-mails, {{:.1f}} s, claim to settlement"
    return [
        row("e-mail: one worker", count / one.wall_s, "e-mails/s", "", note.format(one.wall_s)),
        row(
            "e-mail: two workers",
            count / two.wall_s,
            "e-mails/s",
            ">= 10,000",
            note.format(two.wall_s),
        ),
        row("e-mail: CPU of a worker", one.ours_s / count * 1000, "ms each"),
        row("e-mail: CPU of PostgreSQL", one.postgres_s / count * 1000, "ms each"),
        row("e-mail: CPU of the stub", one.stub_s / count * 1000, "ms each", "", "not ours"),
    ]


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
