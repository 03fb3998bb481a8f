"""The results as a table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def row(name: str, value: float, unit: str, target: str = "", note: str = "") -> dict[str, Any]:
    """One figure; target is the promise as text, note says what it was compared to."""
    return {"name": name, "value": value, "unit": unit, "target": target, "note": note}


def print_table(machine: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the machine, then one line per figure."""
    print("\n" + ", ".join(f"{name}: {value}" for name, value in machine.items()) + "\n")
    lines = [("figure", "value", "target", "note")]
    lines += [
        (r["name"], f"{_short(r['value'])} {r['unit']}", r["target"], r["note"]) for r in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[3]]).rstrip())


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
