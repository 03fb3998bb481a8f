"""A mass order file from its bytes to the outbox, and the bare work that this cannot do without."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text

from app.db import db, transaction
from app.factory import create_app
from app.models import OutboxItem, WorkOrder
from bench.cis_files import bare_reading, store, take_master_data
from bench.report import row
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.world import make_points
from workers.intake import interpret_files
from workers.memory import collect_seldom, take_turns_often

# What no product could do without: these are the rows that have to be there afterwards.
TABLES = ("work_order", "work_order_change", "outbox_item")
WISH = MassWish("B-1", "2026-W50", "Tampere")


def main(count: int) -> list[dict[str, Any]]:
    """Measure; the points are known before, as they are where the CIS sends its master data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mass.xml"
        # Making and seeding in a process of their own, so that the memory measured is the intake's.
        subprocess.run([sys.executable, "-m", "bench.mass", str(count), str(path)], check=True)
        return _measure(count, path)


def _measure(count: int, path: Path) -> list[dict[str, Any]]:
    # As a worker begins.
    app = create_app(background=True)
    collect_seldom()
    take_turns_often()
    settings = app.extensions["tiedolla_settings"]
    with app.app_context():
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        store(path)
        started, cpu, beside = time.perf_counter(), time.process_time(), _beside_s()
        interpret_files(settings, 1, "bench")
        took_s = time.perf_counter() - started
        cpu_us = (time.process_time() - cpu) / count * 1e6
        beside_us = (_beside_s() - beside) / count * 1e6
        _check(count)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows_before = _written()
        # Another message about the same items, so that no byte-for-byte comparison helps.
        store(path.with_name("again.xml"))
        started = time.perf_counter()
        interpret_files(settings, 1, "bench")
        again_s = time.perf_counter() - started
        again_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        written = _written() - rows_before
        _check(count)
    with db_connection(app) as connection:
        reading_s = bare_reading(str(path), "Item")
        rows_s = _bare_rows(connection)
    floor_s = reading_s + rows_s
    note = f"{count:,} items, {path.stat().st_size / 1e6:.0f} MB, {took_s:.1f} s"
    return [
        row("mass: file to outbox", took_s * 430_000 / count, "s for 430,000", "< 30", note),
        row("mass: memory at its peak", peak_mb, "MB", "< 150", f"{before_mb:.0f} MB before"),
        row("mass: CPU of the worker", cpu_us, "us/item"),
        row("mass: CPU of the processes beside it", beside_us, "us/item"),
        row("mass: bare lxml + XSD", reading_s, "s", "", "floor, same file"),
        row("mass: bare COPY and upsert", rows_s, "s", "", "floor, same rows and indexes"),
        row("mass: times the floor", took_s / floor_s, "x", "<= 2.5"),
        row("mass: the same items again", again_s / took_s, "x the first time", "< 0.5"),
        row("mass: rows written by that", written, "rows", "0"),
        row("mass: memory by then", again_mb, "MB", "< 150"),
    ]


def _beside_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def db_connection(app: Any) -> Connection:
    """A connection that outlives the application's context."""
    with app.app_context():
        return db.engine.connect()


def seed(count: int, path: Path) -> None:
    """Write the file of items, and take in the master data of their points."""
    app = create_app()
    for each in (path, path.with_name("again.xml")):
        write_mass_order(each, make_points(1, 1, count), count, WISH, datetime.now(UTC))
    with app.app_context():
        settings = app.extensions["tiedolla_settings"]
        take_master_data(path.with_name("master.xml"), make_points(1, 1, count), settings)


def _bare_rows(connection: Connection) -> float:
    """What writing the same rows alone costs: COPY into a working table, then upsert."""
    driver = connection.connection.driver_connection
    took_s = 0.0
    with tempfile.TemporaryFile() as file, driver.cursor() as cursor:
        for table in TABLES:
            file.seek(0)
            file.truncate()
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
                for data in copy:
                    file.write(data)
            key = "order_id" if table == "work_order" else "id"
            cursor.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            cursor.execute(f"CREATE TEMPORARY TABLE read_{table} (LIKE {table})")
            driver.commit()
            file.seek(0)
            started = time.perf_counter()
            with cursor.copy(f"COPY read_{table} FROM STDIN (FORMAT binary)") as copy:
                while data := file.read(1 << 16):
                    copy.write(data)
            cursor.execute(
                f"INSERT INTO bare_{table} OVERRIDING SYSTEM VALUE SELECT * FROM read_{table}"
                f" ON CONFLICT ({key}) DO UPDATE SET {key} = excluded.{key}"
            )
            driver.commit()
            took_s += time.perf_counter() - started
            cursor.execute(f"DROP TABLE bare_{table}, read_{table}")
            driver.commit()
    return took_s


def _written() -> int:
    """Rows that were ever written into the tables of orders."""
    # Every process tells its numbers when it ends at the latest.
    db.session.remove()
    db.engine.dispose()
    time.sleep(2)
    with db.engine.connect() as connection:
        statement = text(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
            " WHERE relname IN ('work_order', 'work_order_change', 'outbox_item', 'mass_stage',"
            " 'metering_point', 'inbound_finding')"
        )
        return int(connection.execute(statement).scalar_one())


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
