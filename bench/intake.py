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

from lxml import etree
from sqlalchemy import func, select, text

from app.db import db, transaction
from app.factory import create_app
from app.models import OutboxItem, WorkOrder
from app.services import inbound
from bench.report import row
from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from workers.intake import KIND, interpret_files
from workers.memory import collect_seldom, take_turns_often

ROOT = Path(__file__).resolve().parent.parent
XSD = ROOT / "integrations" / "cis" / "schema" / "work-order-1.xsd"
NAMESPACE = "{urn:tiedolla:cis:work-order:1}"


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
        _store(orders)
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
    floor_s = _bare_reading(orders)
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
    now = datetime.now(UTC)
    master = orders.with_name("master.xml")
    write_master_data(master, make_points(1, 1, count), 1, now)
    write_work_orders(orders, make_points(1, 1, count), Wish("MVM", "NEW", 1, "B-"), now)
    with app.app_context():
        _store(master)
        interpret_files(app.extensions["tiedolla_settings"], 1, "bench")
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE")
            )


def _store(path: Path) -> None:
    with path.open("rb") as file, transaction() as session:
        inbound.store(
            session,
            source="cis",
            kind=KIND,
            name=path.name,
            chunks=iter(lambda: file.read(1 << 20), b""),
            now=datetime.now(UTC),
        )


def _bare_reading(path: Path) -> float:
    """What reading alone costs: iterparse and the XSD on each order, rows thrown away."""
    schema = etree.XMLSchema(etree.parse(str(XSD)))
    started = time.perf_counter()
    for _, element in etree.iterparse(BytesIO(path.read_bytes()), tag=NAMESPACE + "WorkOrder"):
        schema.validate(element)
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return time.perf_counter() - started


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
