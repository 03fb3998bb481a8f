"""N of N: what every system was due to hear of a mass order, and what it has confirmed.

Green only when every cell is final: what is due is confirmed, or somebody has waived it and said
why. The manifest is one digest over all orders, so that two parties can compare a single line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.mass_course import SYSTEMS

_FETCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the mass order consists of: the number of its orders, and one digest over them.

    digest: SHA-256 over the lines `order id TAB revision TAB payload hash LF`, sorted by order id
    byte by byte. The payload hash is that of the newest message to the partner, else of the order.
    """

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One system: how many orders it is due to hear of, and how far that is."""

    system: str
    due: int
    sent: int
    receipted: int
    confirmed: int
    waived: int

    @property
    def final(self) -> bool:
        """Nothing is missing that nobody has waived."""
        return self.confirmed + self.waived >= self.due


@dataclass(frozen=True, slots=True)
class ProofRow:
    """One order with what each system has of it: DUE, SENT, RECEIPTED, CONFIRMED, WAIVED or –."""

    order_id: str
    revision: int
    payload_hash: str
    state: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody's word that a system need not confirm an order."""

    order_id: str
    system: str
    reason: str
    by: str
    at: datetime


# The newest message per order and system decides. What was tried and surely did not arrive is due. An order is due at its partner once it is
# accepted by us; at the other systems unless it ended without a completion, and at NIS and billing
# unless it was completed without a meter for them to hear of. The systems confirm by their answer,
# the partner by its acknowledgement.
_ROWS = """
    WITH o AS MATERIALIZED (
        SELECT order_id, revision, content_hash, state FROM work_order
        WHERE mass_id = :mass_id AND state <> 'REJECTED'),
    item AS (
        SELECT DISTINCT ON (i.business_key, system) i.business_key AS order_id,
            CASE WHEN i.lane LIKE 'partner.%' THEN 'partner' ELSE i.lane END AS system,
            i.state, i.attempts, i.ref, i.payload_hash, i.version
        FROM outbox_item i JOIN o ON o.order_id = i.business_key
        WHERE i.state <> 'CANCELLED' AND (i.lane LIKE 'partner.%' AND i.kind = 'WORK_ORDER'
            OR i.lane IN ('cis', 'nis', 'dms', 'billing') AND i.kind <> 'CIS_REJECT')
        ORDER BY i.business_key, system, i.version DESC, i.id DESC),
    cell AS (
        SELECT o.order_id, o.revision, o.content_hash, o.state, s.system, item.payload_hash,
            CASE
                WHEN item.order_id IS NULL AND (
                    o.state IN ('CANCELLED', 'RETURNED')
                    OR s.system IN ('nis', 'billing')
                       AND o.state IN ('COMPLETED', 'CORRECTED', 'REPORTED', 'CLOSED')) THEN '–'
                WHEN item.order_id IS NOT NULL AND item.state = 'SENT' AND (s.system <> 'partner'
                    OR o.state NOT IN ('VALIDATED', 'NO_ROUTE', 'ROUTED', 'SENT')) THEN 'CONFIRMED'
                WHEN w.order_id IS NOT NULL THEN 'WAIVED'
                WHEN item.state = 'SENT' AND item.ref IS NOT NULL THEN 'RECEIPTED'
                WHEN item.state IN ('SENT', 'UNKNOWN') THEN 'SENT'
                ELSE 'DUE' END AS cell
        FROM o CROSS JOIN unnest(CAST(:systems AS text[])) AS s (system)
        LEFT JOIN item ON item.order_id = o.order_id AND item.system = s.system
        LEFT JOIN mass_waiver w ON w.order_id = o.order_id AND w.system = s.system)
"""
_TABLE = text(
    _ROWS  # noqa: S608 - our own constants.
    + """
    SELECT system, count(*) FILTER (WHERE cell <> '–') AS due,
        count(*) FILTER (WHERE cell IN ('SENT', 'RECEIPTED', 'CONFIRMED')) AS sent,
        count(*) FILTER (WHERE cell IN ('RECEIPTED', 'CONFIRMED')) AS receipted,
        count(*) FILTER (WHERE cell = 'CONFIRMED') AS confirmed,
        count(*) FILTER (WHERE cell = 'WAIVED') AS waived
    FROM cell GROUP BY system
    """
)
_LIST = text(
    _ROWS  # noqa: S608 - our own constants.
    + """
    SELECT order_id, revision, state,
        coalesce(max(payload_hash) FILTER (WHERE system = 'partner'), max(content_hash)) AS hash,
        array_agg(cell ORDER BY array_position(CAST(:systems AS text[]), system)) AS cells
    FROM cell GROUP BY order_id, revision, state ORDER BY order_id COLLATE "C"
    """
)


_OPEN = text(
    _ROWS  # noqa: S608 - our own constants.
    + """
    SELECT order_id, state, array_agg(system ORDER BY array_position(
        CAST(:systems AS text[]), system)) AS systems
    FROM cell WHERE cell NOT IN ('CONFIRMED', 'WAIVED', '–')
        AND (CAST(:system AS text) IS NULL OR system = :system)
    GROUP BY order_id, state ORDER BY order_id COLLATE "C" LIMIT :limit
    """
)
_WAIVERS = text(
    """
    SELECT order_id, system, reason, by, at FROM mass_waiver WHERE mass_id = :mass_id
    ORDER BY at DESC, order_id, system
    """
)


def open_orders(
    session: Session, mass_id: str, system: str | None, limit: int
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Orders that are not confirmed everywhere yet, with their state and the systems that lack."""
    values = {"mass_id": mass_id, "systems": list(SYSTEMS), "system": system, "limit": limit}
    found = session.execute(_OPEN, values)
    return [(row.order_id, row.state, tuple(row.systems)) for row in found]


def waivers(session: Session, mass_id: str, limit: int | None = None) -> Iterator[Waiver]:
    """What was waived, by whom and why, the newest first; streamed."""
    found = session.execute(
        _WAIVERS, {"mass_id": mass_id}, execution_options={"yield_per": _FETCH_ROWS}
    )
    for row in islice(found, limit):
        yield Waiver(*row)


def table(session: Session, mass_id: str) -> list[Cell]:
    """One row per system, in the order of SYSTEMS."""
    values = {"mass_id": mass_id, "systems": list(SYSTEMS)}
    rows = {row.system: Cell(*row) for row in session.execute(_TABLE, values)}
    return [rows.get(system, Cell(system, 0, 0, 0, 0, 0)) for system in SYSTEMS]


def rows(session: Session, mass_id: str) -> Iterator[ProofRow]:
    """Every order with what each system has of it, sorted by order id; streamed."""
    values: dict[str, Any] = {"mass_id": mass_id, "systems": list(SYSTEMS)}
    found = session.execute(_LIST, values, execution_options={"yield_per": _FETCH_ROWS})
    for row in found:
        yield ProofRow(row.order_id, row.revision, row.hash, row.state, tuple(row.cells))


_MANIFEST = text(
    """
    SELECT o.order_id, o.revision, coalesce((
        SELECT i.payload_hash FROM outbox_item i
        WHERE i.business_key = o.order_id AND i.kind = 'WORK_ORDER' AND i.state <> 'CANCELLED'
        ORDER BY i.version DESC, i.id DESC LIMIT 1), o.content_hash) AS hash
    FROM work_order o WHERE o.mass_id = :mass_id AND o.state <> 'REJECTED'
    ORDER BY o.order_id COLLATE "C"
    """
)


def manifest(session: Session, mass_id: str) -> Manifest:
    """The number and the digest of the orders as they stand now."""
    digest, count = hashlib.sha256(), 0
    found = session.execute(
        _MANIFEST, {"mass_id": mass_id}, execution_options={"yield_per": _FETCH_ROWS}
    )
    for row in found:
        digest.update(manifest_line(row.order_id, row.revision, row.hash))
        count += 1
    return Manifest(count, digest.hexdigest())


def manifest_line(order_id: str, revision: int, payload_hash: str) -> bytes:
    """One line of what the digest is made over."""
    return f"{order_id}\t{revision}\t{payload_hash}\n".encode()
