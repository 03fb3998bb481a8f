"""Bytes to records and records to bytes, by what a bundle's manifest says.

A record is what a mapping reads or makes: names to texts, or for JSON to what JSON has. Nothing is
interpreted here. A file that cannot be read raises; a row that cannot be read is a fault of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec

from integrations.outcomes import Finding
from integrations.partners.manifest import Codec, CsvCodec, JsonCodec
from integrations.partners.rows import FileUnreadable, Row, text_of
from integrations.partners.xml_codec import read_xml, write_xml

__all__ = ["FileUnreadable", "Row", "decode", "encode"]

_FIELD_MOST = 20_000


def decode(codec: Codec, body: bytes, rows_max: int = 1_000_000) -> list[Row]:
    """The records of a file, in its order.

    Raises: FileUnreadable.
    """
    if isinstance(codec, JsonCodec):
        return [Row(1, _json(body))]
    if isinstance(codec, CsvCodec):
        return _csv_rows(codec, body, rows_max)
    return read_xml(codec, body, rows_max)


def encode(codec: Codec, record: Mapping[str, Any]) -> bytes:
    """One record as a file of its own; the same record gives the same bytes.

    Raises: ValueError (a value that the codec cannot write; the mapping has to convert it).
    """
    if isinstance(codec, JsonCodec):
        return msgspec.json.encode(record)
    if isinstance(codec, CsvCodec):
        return _write_csv(codec, record)
    return write_xml(codec, record)


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise FileUnreadable(
            "JSON_MALFORMED", "the body must be one JSON object in UTF-8"
        ) from None
    if not isinstance(value, dict):
        raise FileUnreadable("JSON_MALFORMED", "the body must be a JSON object")
    return value


def _csv_rows(codec: CsvCodec, body: bytes, rows_max: int) -> list[Row]:
    encoding = "utf-8-sig" if codec.encoding == "utf-8" else codec.encoding
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        raise FileUnreadable("ENCODING_WRONG", f"the file is not {codec.encoding}") from None
    if "\0" in text:
        raise FileUnreadable("ENCODING_WRONG", "the file holds a NUL, so it is not a text")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=codec.delimiter, strict=True)
    heading: list[str] | None = None
    rows: list[Row] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            # A quote that is never closed would swallow the rest, so nothing behind it is safe.
            if heading is None:
                raise FileUnreadable("CSV_MALFORMED", "the heading cannot be read", line) from None
            text = "the row cannot be read, nor what follows it; look for a stray quote"
            rows.append(Row(line, {}, Finding(f"line {line}", "CSV_MALFORMED", text)))
            break
        if not any(cell.strip() for cell in cells):
            continue
        if heading is None:
            heading = _heading(codec, [cell.strip() for cell in cells], line)
            continue
        if len(rows) >= rows_max:
            raise FileUnreadable("TOO_MANY_ROWS", f"a file may have {rows_max} rows at most", line)
        rows.append(_csv_row(heading, cells, line))
    if heading is None:
        raise FileUnreadable("CSV_MALFORMED", "the file is empty")
    return rows


def _heading(codec: CsvCodec, names: list[str], line: int) -> list[str]:
    missing = [name for name in codec.columns if name not in names]
    if missing:
        text = f"the heading lacks {', '.join(missing[:5])}"
        raise FileUnreadable("CSV_HEADING", text, line)
    if len(set(names)) < len(names) or not all(names):
        raise FileUnreadable("CSV_HEADING", "the heading has a name twice, or none", line)
    return names


def _csv_row(heading: list[str], cells: list[str], line: int) -> Row:
    if len(cells) != len(heading):
        text = f"the row has {len(cells)} fields and the heading {len(heading)}"
        return Row(line, {}, Finding(f"line {line}", "CSV_FIELDS", text))
    record = {
        name: value
        for name, cell in zip(heading, cells, strict=True)
        if (value := " ".join(cell.split()))
    }
    if any(len(value) > _FIELD_MOST for value in record.values()):
        return Row(line, {}, Finding(f"line {line}", "CSV_FIELDS", "a field is far too long"))
    return Row(line, record)


def _write_csv(codec: CsvCodec, record: Mapping[str, Any]) -> bytes:
    strange = record.keys() - set(codec.columns)
    if strange:
        raise ValueError(f"no column {', '.join(sorted(strange))}")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=codec.delimiter, lineterminator="\r\n")
    writer.writerow(codec.columns)
    writer.writerow([text_of(record.get(name)) for name in codec.columns])
    # What the partner's encoding does not have becomes a question mark, never a lost order.
    return text.getvalue().encode(codec.encoding, "replace")
