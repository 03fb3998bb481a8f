"""One more worker of the SMS lane for the bench: `python -m bench.sms_worker URL`.

Says that it is ready, waits for a line, drains what is there, and tells what that cost it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime

from app.clients import client_for
from app.factory import create_app
from app.settings import Settings
from workers import jobs
from workers.drain import Drain, drain


def make_ready(settings: Settings, url: str) -> Drain:
    """A drain of this process with everything built that the first message would wait for."""
    worker = jobs.begin("sms")
    work = Drain(
        lane="sms",
        lease=worker.holder.lease(datetime.now(UTC)),
        settings=settings.model_copy(update={"twilio_url": url}),
        loop=worker.loop,
    )
    client_for(work.lane, work.settings, work.loop)
    return work


def main(url: str) -> None:
    """Be one worker, once."""
    app = create_app()
    with app.app_context():
        work = make_ready(app.extensions["tiedolla_settings"], url)
        print("ready", flush=True)
        sys.stdin.readline()
        before = time.process_time()
        counts: Counter[str] = drain(work)
        print(json.dumps({"cpu_s": time.process_time() - before, "counts": counts}), flush=True)
        jobs.end()


if __name__ == "__main__":
    main(sys.argv[1])
