"""Orders per second to a partner, and whether a deep queue or millions of old rows slow them.

The orders come from a mass file; more of them, and years of old ones, are copies of its rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.lanes import partner_lane
from app.factory import create_app
from bench.cis_files import store
from bench.report import row
from bench.sender import Cost, Stub, go, measured, stub, told_by, workers
from bench.upkeep import analyse
from workers.intake import interpret_files

PARTNER = "voima"
FEW, OLD = 4_300, 2_000_000
WORKERS, BATCHES = 2, 20


def main(count: int) -> list[dict[str, Any]]:
    """Send few orders, some of very many, and some of many beside a long past."""
    app = create_app(background=True)
    with stub() as partner, tempfile.TemporaryDirectory() as folder, app.app_context():
        path = Path(folder) / "mass.xml"
        subprocess.run([sys.executable, "-m", "bench.mass", str(FEW), str(path)], check=True)
        store(path)
        interpret_files(app.extensions["tiedolla_settings"], 1, "bench")
        with transaction() as session:
            session.execute(
                text("UPDATE partner SET base_url = :url WHERE code = :code"),
                {"url": partner.url, "code": PARTNER},
            )
        few, sent = _send(partner, FEW)
        _copy(count, "READY", "a")
        many, more = _send(partner, count)
        _copy(OLD, "SENT", "b")
        long, last = _send(partner, count)
    per = {
        name: took.wall_s / number
        for name, took, number in (("few", few, sent), ("many", many, more), ("long", long, last))
    }
    cpu = many.ours_s / more * 1000
    return [
        row(
            "dispatch: orders to a partner",
            1 / per["many"],
            "orders/s",
            ">= 2,000",
            f"{more:,} of {count:,} waiting, {WORKERS} workers",
        ),
        row("dispatch: few waiting", 1 / per["few"], "orders/s", "", f"{sent:,} orders"),
        row("dispatch: time at many", per["many"] / per["few"], "x that of few", "<= 1.2"),
        row(
            "dispatch: time beside a past",
            per["long"] / per["few"],
            "x that of few",
            "<= 1.2",
            f"{OLD:,} older orders",
        ),
        row("dispatch: CPU of a worker", cpu, "ms each"),
    ]


def _send(partner: Stub, waiting: int) -> tuple[Cost, int]:
    """Let the workers send what waits, or so many batches of it; every answer must be settled."""
    analyse()
    before, taken = _settled(), partner.received()
    words = ("bench.sender", partner_lane(PARTNER), partner.url, str(BATCHES))
    with workers(WORKERS, *words) as started:
        with measured(partner) as cost:
            go(started)
            told = told_by(started)
        cost.ours_s = sum(one["cpu_s"] for one in told)
    settled = _settled() - before
    if not 0 < settled == partner.received() - taken <= waiting:
        raise SystemExit(f"{partner.received() - taken} orders arrived, {settled} are settled")
    return cost, settled


def _settled() -> int:
    with transaction() as session:
        found = session.execute(
            text(
                "SELECT count(*) FROM work_order o JOIN outbox_item i ON i.business_key = o.order_id"
                " WHERE o.state = 'SENT' AND o.partner_ref IS NOT NULL AND i.state = 'SENT'"
                " AND o.order_id NOT LIKE '%/b%'"
            )
        )
        return int(found.scalar_one())


def _copy(count: int, state: str, mark: str) -> None:
    """As many rows more, alike but for their names; what is sent has its answer."""
    is_sent = state == "SENT"
    name = f"|| '/{mark}' || n"
    order = {
        "order_id": f"order_id {name}",
        "state": f"'{state if is_sent else 'ROUTED'}'",
        "base_state": f"'{state if is_sent else 'ROUTED'}'",
        "partner_ref": "partner_ref" if is_sent else "NULL",
        "mass_id": "NULL",
    }
    item = {
        "business_key": f"business_key {name}",
        "order_key": f"order_key {name}",
        "dedupe_key": f"dedupe_key {name}",
        "state": f"'{state}'",
        "attempts": "1" if is_sent else "0",
        "settled_at": "settled_at" if is_sent else "NULL",
        "ref": "ref" if is_sent else "NULL",
        "lease": "NULL",
        "lease_until": "NULL",
    }
    with transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        _multiply(session, "work_order", order, count)
        _multiply(session, "outbox_item", item, count)


def _multiply(session: Session, table: str, changed: Mapping[str, str], count: int) -> None:
    columns = session.execute(
        text(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = :table AND is_identity = 'NO' AND column_default IS NULL"
        ),
        {"table": table},
    ).scalars()
    names = sorted({*columns, *(name for name in changed)} - {"id"})
    values = ", ".join(changed.get(name, name) for name in names)
    first = "order_id" if table == "work_order" else "business_key"
    session.execute(
        text(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table},"
            f" generate_series(1, :times) AS n WHERE {first} NOT LIKE '%/%' LIMIT :count"
        ),
        {"times": -(-count // FEW), "count": count},
    )


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
