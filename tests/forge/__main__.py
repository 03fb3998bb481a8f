"""`python -m tests.forge --count N --seed S`: forges and alters messages, on servers of its own."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import structlog
from flask_migrate import upgrade

from app.db import transaction
from app.factory import create_app
from app.services import setup
from deploy.postgres import PrivatePostgres
from deploy.valkey import PrivateValkey
from tests.conftest import test_settings
from tests.forge.strike import equip, strike


def main() -> int:
    """1 when anything was accepted."""
    parser = argparse.ArgumentParser(prog="python -m tests.forge", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="td-forge-") as name:
        postgres = PrivatePostgres(Path(name) / "postgres", durable=False)
        valkey = PrivateValkey(Path(name) / "valkey")
        try:
            return _forge(postgres.start(), valkey.start(), asked.count, asked.seed)
        finally:
            valkey.stop()
            postgres.stop()


def _forge(database_url: str, redis_url: str, count: int, seed: int) -> int:
    settings = test_settings(database_url=database_url, redis_url=redis_url, log_level="ERROR")
    app = create_app(settings)
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with app.app_context():
        upgrade()
        with transaction() as session:
            setup.install_defaults(session, settings)
    began = time.monotonic()
    struck = strike(app, equip(app), count, seed, lambda words: print(words, flush=True))
    took_s = time.monotonic() - began
    for endpoint, tried in _by_endpoint(struck.tried).items():
        print(f"{endpoint:16} {tried:7} altered messages")
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(struck.answers.items()))
    print(f"{count} in {took_s:.0f} s, seed {seed}: {len(struck.accepted)} accepted; {answers}")
    for one in struck.accepted[:20]:
        print(f"ACCEPTED {one}")
    return int(bool(struck.accepted))


def _by_endpoint(tried: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, number in sorted(tried.items()):
        counts[name.partition(": ")[0]] += number
    return counts


if __name__ == "__main__":
    sys.exit(main())
