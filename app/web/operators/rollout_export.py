"""The rollout's tables as files: signed CSV, or XLSX with a sheet for each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.domain.rollout import AGE_DAYS, Choice
from app.queries.rollout_list import RolloutRow
from app.services.signed_files import SealedCsv, safe_cell, seal_xlsx
from app.web.operators.rollout_view import Overview, PlaceRow

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_BLOCK = 1 << 16
# A sheet ends there; no programme is near it, and a file cut short has to say so.
_SHEET_ROWS = 1_048_000

Cells = Sequence[object]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file."""

    name: str
    head: Cells
    rows: Iterable[Cells]


def write(tables: Sequence[Table], kind: str, key: bytes) -> Iterator[bytes]:
    """The file piece by piece; the rows are read while it is written."""
    return _csv(tables, key) if kind == "csv" else _xlsx(tables, key)


def tables(view: Overview, scope: Choice, as_of: datetime, plan_name: str) -> list[Table]:
    """The page's tables, word for word and number for number."""
    head = view.headline
    whole: list[Cells] = [
        ("as of", as_of.isoformat(timespec="seconds")),
        ("wave", scope.wave or ""),
        ("municipality", scope.area or ""),
        ("plan", plan_name),
        ("orders", head.orders.count),
        ("installed", head.installed.count),
        ("open", head.open.count),
        ("called off", head.called_off.count),
        ("installed until yesterday", head.until_yesterday.count),
        ("planned until yesterday", head.planned if head.planned is not None else ""),
        ("orders with a visit", head.visited.count),
        ("installed at the first visit", head.first_visit.count),
        ("installed a working day", head.pace.actual),
        ("needed a working day", head.pace.needed if head.pace.needed is not None else ""),
        *((str(flag), number.count) for flag, number in view.flags.items()),
    ]
    ages = [f"up to {days} d" for days in AGE_DAYS] + [f"over {AGE_DAYS[-1]} d"]
    return [
        Table("summary", ("figure", "value"), whole),
        Table(
            "plan and work",
            ("day", "planned", "installed"),
            [(w.day, w.planned, w.installed.count if w.installed else "") for w in view.weeks],
        ),
        Table("days", ("day", "installed"), [(n.choice.to_day, n.count) for n in view.days]),
        Table("waves", ("wave", *_PLACE_HEAD), map(_place, view.waves)),
        Table("municipalities", ("municipality", *_PLACE_HEAD), map(_place, view.areas)),
        Table(
            "crews",
            ("contractor", "crew", "installed", "days", "per day"),
            [
                (r.partner, r.crew, r.installed.count, r.days, round(r.per_day, 1))
                for r in view.crews
            ],
        ),
        Table(
            "backlog",
            ("state", "orders", *ages),
            [(r.state, r.total.count, *(n.count for n in r.ages)) for r in view.backlog],
        ),
        Table(
            "failures",
            ("reason", "orders", "open", "installed since"),
            [(r.reason, r.orders.count, r.open.count, r.installed.count) for r in view.reasons],
        ),
        Table(
            "stock",
            ("model", "installed", "open", "in stock", "ordered", "lost or faulty", "missing"),
            [
                (r.model, r.installed.count, r.open.count, r.in_stock, r.ordered, r.lost, r.missing)
                for r in view.models
            ],
        ),
    ]


_PLACE_HEAD = ("planned", "planned until yesterday", "orders", "installed", "open")


def _place(row: PlaceRow) -> Cells:
    return (
        row.name,
        row.planned,
        row.due,
        row.orders.count,
        row.installed.count,
        row.open.count,
    )


_ORDER_HEAD = (
    "order",
    "state",
    "since",
    "metering point",
    "wave",
    "municipality",
    "contractor",
    "crew",
    "model",
    "installed on",
    "visit at",
    "visits",
    "failure reason",
    "mismatch",
    "as of",
)


def order_table(rows: Iterable[RolloutRow], as_of: datetime) -> Table:
    """The orders behind a number, one row each."""
    stamp = as_of.isoformat(timespec="seconds")
    return Table("orders", _ORDER_HEAD, ((*_order(row), stamp) for row in rows))


def _order(row: RolloutRow) -> Cells:
    return (
        row.order_id,
        row.state,
        row.state_at.isoformat(timespec="seconds"),
        row.gsrn,
        row.wave,
        row.area,
        row.partner,
        row.crew,
        row.model,
        row.installed_on,
        row.visit_at.isoformat(timespec="seconds") if row.visit_at else "",
        row.attempts,
        row.reason,
        row.mismatch,
    )


def _csv(tables: Sequence[Table], key: bytes) -> Iterator[bytes]:
    csv = SealedCsv(key)
    for place, table in enumerate(tables):
        if len(tables) > 1:
            if place:
                yield csv.line(())
            yield csv.line((table.name,))
        yield csv.line(table.head)
        for cells in table.rows:
            yield csv.line(cells)
    yield csv.last()


def _xlsx(tables: Sequence[Table], key: bytes) -> Iterator[bytes]:
    """Written row by row into a file of our own, in the memory of one row, and sealed."""
    # Only the process that writes a workbook has to have what it takes.
    import xlsxwriter  # noqa: PLC0415

    with tempfile.TemporaryFile() as file:
        book = xlsxwriter.Workbook(
            file,
            {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
        )
        sheets = []
        for table in tables:
            sheet = book.add_worksheet(table.name)
            sheets.append(sheet)
            _write(sheet, 0, table.head)
            for number, cells in enumerate(table.rows, start=1):
                if number > _SHEET_ROWS:
                    _write(sheet, number, ("more rows than a sheet can hold: take the CSV",))
                    break
                _write(sheet, number, cells)
        book.close()
        for sheet in sheets:
            # The rows' temporary files, which the library leaves open.
            sheet.row_data_fh.close()
        seal_xlsx(file, key)
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block


def _write(sheet: Any, number: int, cells: Cells) -> None:
    for column, cell in enumerate(cells):
        if isinstance(cell, int | float):
            sheet.write_number(number, column, cell)
        else:
            text = cell.isoformat() if isinstance(cell, date) else cell
            sheet.write_string(number, column, safe_cell(text))
