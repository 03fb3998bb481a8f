"""Orders of a mass order that was paused while they were in a sender's hands: held, not sent.

A pause holds what waits (mass_follow.py). What a sender has claimed, and what comes back from one that
died or could not deliver, passes here before it leaves: the last look keeps it back, so that whoever
presses pause sees nothing leave but what is on the wire. What the partner has goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services.mass_orders import PAUSE_REASON
from app.services.outbox import ORDER_KIND, Claimed

# Mostly nothing is paused, which the database sees before it looks at any item.
_FIND = text(
    """
    SELECT item.id, o.mass_id
    FROM outbox_item item
    JOIN work_order o ON o.order_id = item.business_key
    JOIN mass_order m ON m.mass_id = o.mass_id
    WHERE EXISTS (SELECT 1 FROM mass_order WHERE state = 'PAUSED')
      AND item.id = ANY(CAST(:ids AS bigint[])) AND item.kind = :kind AND m.state = 'PAUSED'
      AND o.state = 'ROUTED' AND item.lane = 'partner.' || o.partner_code
    """
)
# Kept from being resumed until the commit, or the release would miss what is held here. Nobody is
# waited for: whoever decides about a mass order locks its orders next, which we may hold already.
_LOCK = text(
    """
    SELECT mass_id FROM mass_order WHERE mass_id = ANY(CAST(:ids AS text[])) AND state = 'PAUSED'
    ORDER BY mass_id FOR SHARE SKIP LOCKED
    """
)
_HOLD = text(
    """
    UPDATE outbox_item SET state = 'HELD', hold_reason = :reason, lease = NULL, lease_until = NULL
    WHERE id = ANY(CAST(:ids AS bigint[])) AND lease = :lease AND state = 'CLAIMED'
    """
)


def keep_back(session: Session, lease: int, items: Sequence[Claimed]) -> tuple[set[int], set[int]]:
    """Which of these a pause keeps back: those that are held now, and those to look at again soon.

    The second are of a mass order about which somebody is deciding at this very moment.
    """
    orders = [item.id for item in items if item.kind == ORDER_KIND]
    if not orders:
        return set(), set()
    found = session.execute(_FIND, {"ids": orders, "kind": ORDER_KIND}).all()
    if not found:
        return set(), set()
    wanted = sorted({row.mass_id for row in found})
    locked = set(session.execute(_LOCK, {"ids": wanted}).scalars())
    held = {row.id for row in found if row.mass_id in locked}
    if held:
        values = {"ids": sorted(held), "lease": lease, "reason": PAUSE_REASON}
        session.execute(_HOLD, values)
    return held, {row.id for row in found} - held
