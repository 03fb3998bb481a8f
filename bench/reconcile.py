"""A partner's whole list against all orders that it got: time, memory, and what the work costs bare."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.db import copy_text, transaction
from app.factory import create_app
from app.services import reconciliation
from bench.report import row
from bench.upkeep import analyse

SYSTEM = "partner.voima"
SENT_AT = datetime.now(UTC) - timedelta(days=1)
# Of each thousand orders one is not in the list, and one is there in an older revision.
_EACH = 1_000

_ORDERS = """
    INSERT INTO work_order (order_id, revision, content_hash, order_type_code, state, state_at,
        base_state, priority, gsrn, presence_required, facts, attempts, inbound_message_id,
        partner_code, created_at, updated_at)
    SELECT 'WO-' || n, 2, 'x', 'MVM', 'SENT', :at, 'SENT', 3, lpad(n::text, 18, '0'), false, '{}',
        0, 1, 'voima', :at, :at FROM generate_series(1, :count) AS n
"""
_ITEMS = """
    INSERT INTO outbox_item (lane, kind, business_key, order_key, gsrn, version, dedupe_key, payload,
        payload_hash, mode, priority, state, attempts, next_at, created_at, settled_at)
    SELECT :system, 'WORK_ORDER', 'WO-' || n, lpad(n::text, 18, '0'), lpad(n::text, 18, '0'), v,
        'WO-' || n || '-' || v, jsonb_build_object('action', 'NEW', 'orderId', 'WO-' || n,
            'revision', v, 'site', jsonb_build_object('gsrn', n), 'notes', repeat('x', 600)),
        'x', 'idempotent', 30, 'SENT', 1, :at, :at, :at
    FROM generate_series(1, :count) AS n, generate_series(1, 2) AS v
"""


def main(count: int) -> list[dict[str, Any]]:
    """Measure; the rows are made in a process of their own, so that the memory is the comparison's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.jsonl"
        subprocess.run([sys.executable, "-m", "bench.reconcile", str(count), str(path)], check=True)
        return _measure(count, path)


def _measure(count: int, path: Path) -> list[dict[str, Any]]:
    app = create_app()
    with app.app_context():
        before_mb = _peak_mb()
        took_s, found = _compare(app, path)
        peak_mb = _peak_mb()
        again_s, _ = _compare(app, path)
        bare_s = _bare(path)
    lost = count // _EACH
    assert found == {"MISSING": lost, "DIFFERENT": lost}, found  # noqa: S101 - a wrong figure is none.
    note = f"{count:,} orders in two revisions, {path.stat().st_size / 1e6:.0f} MB"
    return [
        row("reconcile: list to differences", took_s * 430_000 / count, "s for 430,000", "", note),
        row("reconcile: the same list again", again_s, "s"),
        row("reconcile: bare hash and COPY of it", bare_s, "s", "", "floor, without any look"),
        row("reconcile: memory at its peak", peak_mb, "MB", "", f"{before_mb:.0f} MB before"),
    ]


def seed(count: int, path: Path) -> None:
    """Orders that the partner has got, and its list."""
    app = create_app()
    with app.app_context(), transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text(_ORDERS), {"count": count, "at": SENT_AT})
        session.execute(text(_ITEMS), {"count": count, "at": SENT_AT, "system": SYSTEM})
    with app.app_context():
        analyse()
    lines = [
        json.dumps({"id": f"WO-{n}", "version": 1 if n % _EACH == 1 else 2, "state": "OPEN"}) + "\n"
        for n in range(1, count + 1)
        if n % _EACH
    ]
    body = "".join(lines).encode()
    head = {
        "snapshot": "bench",
        "list": "orders",
        "kind": "FULL",
        "takenAt": datetime.now(UTC).isoformat(),
        "count": len(lines),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    path.write_bytes(json.dumps(head).encode() + b"\n" + body)


def _compare(app: Any, path: Path) -> tuple[float, dict[str, int]]:
    started = time.perf_counter()
    with path.open("rb") as file, transaction() as session:
        taken = reconciliation.take(
            session, SYSTEM, file, app.extensions["tiedolla_settings"], datetime.now(UTC)
        )
    return time.perf_counter() - started, taken.counts


def _bare(path: Path) -> float:
    """What no comparison could do without: the bytes hashed, and their rows in the database."""
    started = time.perf_counter()
    with path.open("rb") as file, transaction() as session:
        session.execute(text("CREATE TEMP TABLE bare (line text) ON COMMIT DROP"))
        file.readline()
        digest = hashlib.sha256()
        while lines := file.readlines(1 << 20):
            digest.update(b"".join(lines))
            copy_text(session, "bare", ("line",), b"".join(lines).decode())
    return time.perf_counter() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) == 3:
        seed(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        print(json.dumps(main(int(sys.argv[1]))))
