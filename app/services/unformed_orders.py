"""Changes of orders that a partner has, while nobody here can bring them into its form.

They are kept as they are, held in the partner's lane and in their place behind what left before them,
so that neither a change nor a cancellation is lost over a bundle that this program cannot run. Once it
can be run they get their form and leave under the key that they had from the start.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.lanes import partner_lane, partner_of
from app.doorbell import ring_after_commit
from app.services import intake, mass_files
from app.services.outbox import ORDER_KIND, UNFORMED
from app.services.partner_orders import outgoing_or_why, payload_bytes
from app.services.slices import Lists, MassContext
from integrations.cis.types import CisWorkOrder

SLICE_ROWS = 200
# What could not be brought into its form is tried again, since another version may be in force.
_AGAIN_AFTER = timedelta(minutes=10)
_decoder = msgspec.json.Decoder(CisWorkOrder)

_FIND = text(
    """
    SELECT item.id, o.mass_id FROM outbox_item item
    LEFT JOIN work_order o ON o.order_id = item.business_key
    WHERE item.lane = ANY(:lanes) AND item.state = 'HELD' AND item.hold_reason = :reason
      AND item.kind = :kind AND item.id > :after AND item.next_at <= :now
    ORDER BY item.id LIMIT :limit
    """
)
_LOCK = text(
    """
    SELECT item.id, item.lane, item.version, item.business_key, item.dedupe_key,
        CAST(item.payload->'order' AS text) AS facts, item.payload->>'action' AS action,
        CASE WHEN o.revision = item.version THEN o.key_info END AS key_info, o.mass_id
    FROM outbox_item item LEFT JOIN work_order o ON o.order_id = item.business_key
    WHERE item.id = ANY(:ids) AND item.state = 'HELD' AND item.hold_reason = :reason
    ORDER BY item.id FOR UPDATE OF item
    """
)
_FORM = text(
    """
    UPDATE outbox_item SET payload = CAST(:payload AS jsonb), payload_hash = :hash, next_at = :now,
        state = CASE WHEN CAST(:hold AS text) IS NULL THEN 'READY' ELSE 'HELD' END,
        hold_reason = :hold, last_error = NULL
    WHERE id = :id
    """
)
_WHY = text("UPDATE outbox_item SET last_error = :why, next_at = :again WHERE id = :id")


_ANY = text(
    "SELECT EXISTS (SELECT 1 FROM outbox_item WHERE state = 'HELD' AND hold_reason = :reason)"
)


def any_waits(session: Session) -> bool:
    """Whether anything waits for its form at all."""
    return bool(session.execute(_ANY, {"reason": UNFORMED}).scalar_one())


def is_due(session: Session, lists: Lists, now: datetime) -> bool:
    """Whether something waits that can have its form now."""
    return bool(_find(session, lists, 0, now, 1))


def form_slice(
    session: Session, lists: Lists, after: int, now: datetime
) -> tuple[Counter[str], int | None]:
    """Give the next ones their form: what became of them, and the last one; None when none is left.

    One that its bundle cannot write, or that lacks what the partner needs, stays held, with the reason
    beside it.
    """
    found = _find(session, lists, after, now, SLICE_ROWS)
    if not found:
        return Counter(), None
    # Before the items, and kept from being paused until the commit.
    masses = {
        mass_id: mass_files.context_of(session, mass_id)
        for mass_id in sorted({row.mass_id for row in found if row.mass_id is not None})
    }
    counts: Counter[str] = Counter()
    values = {"ids": [row.id for row in found], "reason": UNFORMED}
    for row in session.execute(_LOCK, values).all():
        counts[_form(session, row, lists, masses, now)] += 1
    lists.tally.flush(session, now)
    return counts, found[-1].id


def _find(session: Session, lists: Lists, after: int, now: datetime, limit: int) -> list[Any]:
    values = {
        "lanes": [partner_lane(code) for code in lists.orders],
        "reason": UNFORMED,
        "kind": ORDER_KIND,
        "after": after,
        "now": now,
        "limit": limit,
    }
    return list(session.execute(_FIND, values))


def _form(
    session: Session,
    row: Any,
    lists: Lists,
    masses: Mapping[str, MassContext],
    now: datetime,
) -> str:
    code, mass = partner_of(row.lane), masses.get(row.mass_id)
    assert code is not None  # noqa: S101 - found by the lanes of partners.
    try:
        order = _decoder.decode(row.facts or "")
    except msgspec.DecodeError:
        # It must not stand before all others; whoever sends a new revision mends it.
        return _note(session, row, now, "what is stored of it cannot be read by this program")
    if row.key_info:
        order = msgspec.structs.replace(order, key_info=row.key_info)
    order = intake.guarded(order, intake.banned_among(session, [order], now))
    suffix = row.dedupe_key.removeprefix(f"{row.business_key}-{row.version}")
    made = outgoing_or_why(order, code, row.action, lists, suffix=suffix, mass=mass)
    if isinstance(made, str):
        # A change that comes while the bundle can be run loses its route over this.
        return _note(session, row, now, made)
    body = payload_bytes(made)
    hold = mass.hold_reason if mass is not None and row.action != "CANCEL" else None
    session.execute(
        _FORM,
        {
            "id": row.id,
            "payload": body.decode(),
            "hash": hashlib.sha256(body).hexdigest(),
            "hold": hold,
            "now": now,
        },
    )
    ring_after_commit(row.lane)
    return "FORMED"


def _note(session: Session, row: Any, now: datetime, why: str) -> str:
    session.execute(_WHY, {"id": row.id, "why": why[:500], "again": now + _AGAIN_AFTER})
    return "HELD"
