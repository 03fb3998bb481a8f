"""Orders per second from a stored file to the outbox, and the bare reading of the same file."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from app.db import transaction
from app.factory import create_app
from app.models import OutboxItem, WorkOrder
from bench.cis_files import bare_reading, store, take_master_data
from bench.report import row
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from workers.intake import interpret_files
from workers.memory import collect_seldom, take_turns_often


def main(count: int) -> list[dict[str, Any]]:
    """Measure; the points are known before, as they are where the CIS sends its master data."""
    with tempfile.TemporaryDirectory() as folder:
        orders = Path(folder) / "orders.xml"
        # Making and seeding in a process of their own, so that the memory measured is the intake's.
        subprocess.run([sys.executable, "-m", "bench.intake", str(count), str(orders)], check=True)
        return _measure(count, orders)


def _measure(count: int, orders: Path) -> list[dict[str, Any]]:
    # As a worker begins.
    app = create_app(background=True)
    collect_seldom()
    take_turns_often()
    settings = app.extensions["tiedolla_settings"]
    with app.app_context():
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started, cpu = time.perf_counter(), time.process_time()
        store(orders)
        interpret_files(settings, 1, "bench")
        took_s = time.perf_counter() - started
        cpu_us = (time.process_time() - cpu) / count * 1e6
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        _check(count)
        again = time.perf_counter()
        with transaction() as session:
            session.execute(text("UPDATE inbound_message SET state = 'STORED' WHERE id = 2"))
        interpret_files(settings, 1, "bench")
        again_s = time.perf_counter() - again
    floor_s = bare_reading(BytesIO(orders.read_bytes()), "WorkOrder")
    note = f"{count:,} orders, {orders.stat().st_size / 1e6:.0f} MB, {took_s:.1f} s"
    return [
        row("intake: file to outbox", count / took_s, "orders/s", ">= 5,000", note),
        row("intake: memory at its peak", peak_mb, "MB", "< 150", f"{before_mb:.0f} MB before"),
        row("intake: CPU of our process", cpu_us, "us/order"),
        row("intake: bare lxml + XSD", count / floor_s, "orders/s", "", "floor, same file"),
        row("intake: times the floor", took_s / floor_s, "x"),
        row("intake: the same file again", again_s / took_s, "x the first time"),
    ]


def seed(count: int, orders: Path) -> None:
    """Write the file of orders, and take in the master data of their points."""
    app = create_app()
    write_work_orders(
        orders, make_points(1, 1, count), Wish("MVM", "NEW", 1, "B-"), datetime.now(UTC)
    )
    with app.app_context():
        settings = app.extensions["tiedolla_settings"]
        take_master_data(orders.with_name("master.xml"), make_points(1, 1, count), settings)


def _check(count: int) -> None:
    with transaction() as session:
        orders = session.scalar(select(func.count()).select_from(WorkOrder))
        items = session.scalar(select(func.count()).select_from(OutboxItem))
    if (orders, items) != (count, count):
        raise SystemExit(f"expected {count} orders and items, found {orders} and {items}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        seed(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        print(json.dumps(main(int(sys.argv[1]))))
