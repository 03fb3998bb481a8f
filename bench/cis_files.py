"""Files of the CIS for the benches: taken in as they arrive, and read bare for comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from lxml import etree

from app.db import transaction
from app.services import inbound
from app.settings import Settings
from bench.upkeep import analyse
from simulators.cis.master_data import write_master_data
from simulators.cis.world import Point
from workers.intake import KIND, interpret_files

_XSD = Path(__file__).resolve().parent.parent / "integrations/cis/schema/work-order-1.xsd"
_NAMESPACE = "{urn:tiedolla:cis:work-order:1}"


def store(path: Path) -> None:
    """Keep a file byte-exact, to be interpreted."""
    with path.open("rb") as file, transaction() as session:
        inbound.store(
            session,
            source="cis",
            kind=KIND,
            name=path.name,
            chunks=iter(lambda: file.read(1 << 20), b""),
            now=datetime.now(UTC),
        )


def take_master_data(path: Path, points: Iterator[Point], settings: Settings) -> None:
    """Write the master data of these points, and take them in."""
    write_master_data(path, points, 1, datetime.now(UTC))
    store(path)
    interpret_files(settings, 1, "bench")
    analyse()


def bare_reading(source: BinaryIO | str, name: str) -> float:
    """What reading alone costs: iterparse and the XSD on each element, rows thrown away."""
    schema = etree.XMLSchema(etree.parse(str(_XSD)))
    started = time.perf_counter()
    for _, element in etree.iterparse(source, tag=_NAMESPACE + name):
        schema.validate(element)
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return time.perf_counter() - started
