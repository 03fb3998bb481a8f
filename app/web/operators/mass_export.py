"""The proof of a mass order as a file: signed CSV, or XLSX with a summary beside the orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from app.domain.mass_course import SYSTEMS
from app.queries import mass_proof
from app.services.signed_files import SealedCsv, safe_cell, seal_xlsx

_HEAD = ("order", "revision", "payload sha256", "state", *SYSTEMS)
_TABLE_HEAD = ("system", "due", "sent", "receipted", "confirmed", "waived", "final")


def csv_proof(session: Session, mass_id: str, key: bytes, now: datetime) -> Iterator[bytes]:
    """The CSV piece by piece; the manifest and the table stand before the orders."""
    csv = SealedCsv(key)
    for cells in _summary(session, mass_id, now):
        yield csv.line(cells)
    yield csv.line(_HEAD)
    for row in mass_proof.rows(session, mass_id):
        yield csv.line((row.order_id, row.revision, row.payload_hash, row.state, *row.cells))
    yield csv.last()


def write_xlsx(session: Session, mass_id: str, key: bytes, now: datetime, file: BinaryIO) -> None:
    """Write the workbook row by row, in the memory of one row, and seal it."""
    # Only the process that writes a workbook has to have what it takes.
    import xlsxwriter  # noqa: PLC0415

    book = xlsxwriter.Workbook(
        file,
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
    )
    summary = book.add_worksheet("summary")
    for number, cells in enumerate(_summary(session, mass_id, now)):
        _write(summary, number, cells)
    orders = book.add_worksheet("orders")
    _write(orders, 0, _HEAD)
    for number, row in enumerate(mass_proof.rows(session, mass_id), start=1):
        cells = (row.order_id, row.revision, row.payload_hash, row.state, *row.cells)
        _write(orders, number, cells)
    book.close()
    for sheet in (summary, orders):
        # The rows' temporary files, which the library leaves open.
        sheet.row_data_fh.close()
    seal_xlsx(file, key)


def _summary(session: Session, mass_id: str, now: datetime) -> Iterator[tuple[object, ...]]:
    manifest = mass_proof.manifest(session, mass_id)
    yield ("mass order", mass_id)
    yield ("at", now.isoformat(timespec="seconds"))
    yield ("orders", manifest.count)
    yield ("digest sha256", manifest.digest)
    yield _TABLE_HEAD
    for cell in mass_proof.table(session, mass_id):
        yield (
            cell.system,
            cell.due,
            cell.sent,
            cell.receipted,
            cell.confirmed,
            cell.waived,
            "yes" if cell.final else "no",
        )


def _write(sheet: Any, number: int, cells: tuple[object, ...]) -> None:
    for column, cell in enumerate(cells):
        if isinstance(cell, int):
            sheet.write_number(number, column, cell)
        else:
            sheet.write_string(number, column, safe_cell(cell))
