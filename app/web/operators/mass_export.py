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
_WAIVED_HEAD = ("order", "system", "waived by", "at", "why")
# A sheet holds 1,048,576 rows, and what is written beyond is dropped without a word.
_SHEET_ROWS = 1_000_000


def csv_proof(session: Session, mass_id: str, key: bytes, now: datetime) -> Iterator[bytes]:
    """The CSV piece by piece; the manifest and the table stand before the orders."""
    csv = SealedCsv(key)
    for cells in _summary(session, mass_id, now):
        yield csv.line(cells)
    yield csv.line(_HEAD)
    for row in mass_proof.rows(session, mass_id):
        yield csv.line((row.order_id, row.revision, row.payload_hash, row.state, *row.cells))
    yield csv.line(_WAIVED_HEAD)
    for cells in _waived(session, mass_id):
        yield csv.line(cells)
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
    orders = (
        (row.order_id, row.revision, row.payload_hash, row.state, *row.cells)
        for row in mass_proof.rows(session, mass_id)
    )
    _fill(book, "orders", _HEAD, orders)
    _fill(book, "waived", _WAIVED_HEAD, _waived(session, mass_id))
    book.close()
    for sheet in book.worksheets():
        # The rows' temporary files, which the library leaves open.
        sheet.row_data_fh.close()
    seal_xlsx(file, key)


def _fill(book: Any, name: str, head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    """Rows on a sheet of this name, and on further ones where one cannot hold them."""
    sheet = _begin(book, name, head)
    for count, cells in enumerate(rows):
        if count and count % _SHEET_ROWS == 0:
            sheet = _begin(book, f"{name} {count // _SHEET_ROWS + 1}", head)
        _write(sheet, count % _SHEET_ROWS + 1, cells)


def _begin(book: Any, name: str, head: tuple[str, ...]) -> Any:
    sheet = book.add_worksheet(name)
    _write(sheet, 0, head)
    return sheet


def _waived(session: Session, mass_id: str) -> Iterator[tuple[object, ...]]:
    for one in mass_proof.waivers(session, mass_id):
        at = one.at.isoformat(timespec="seconds")
        yield (one.order_id, one.system, one.by, at, one.reason)


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
