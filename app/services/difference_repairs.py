"""Repairs of many differences at once: while one is decided on or under way, nobody begins another.

A repair of many is a replay (replays.py). Its differences are REPAIRING from the moment at which
somebody asks for it, under that person's name; one that is dropped, or an item that is passed over,
leaves them open again. Whether it helped, the next list tells (reconciliation.py).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.models.replay import Replay


def note_of(replay_id: int) -> str:
    """How the history of a difference names the replay that repairs it."""
    return f"replay {replay_id}"


_UNDER_WAY = text(
    """
    SELECT outbox_item_id, state FROM difference
    WHERE system = :system AND state IN ('OPEN', 'REPAIRING')
      AND outbox_item_id = ANY(CAST(:items AS bigint[]))
    ORDER BY id FOR UPDATE
    """
)


def under_way(session: Session, replay: Replay) -> set[int]:
    """The items of a replay that somebody else repairs; locked, so that two cannot both begin."""
    values = {"system": replay.lane, "items": plain_array(replay.item_ids)}
    rows = session.execute(_UNDER_WAY, values).all()
    return {row.outbox_item_id for row in rows if row.state == "REPAIRING"}


_MARK = """
    WITH own AS (
        SELECT id, state FROM difference
        WHERE system = :system AND state IN ('OPEN', 'REPAIRING')
          AND outbox_item_id = ANY(CAST(:items AS bigint[]))
        ORDER BY id FOR UPDATE),
    marked AS (
        UPDATE difference d SET state = 'REPAIRING', repair_count = d.repair_count + :sent,
            state_at = CASE WHEN own.state = 'OPEN' THEN :now ELSE d.state_at END
        FROM own WHERE d.id = own.id)
    INSERT INTO difference_change (difference_id, at, from_state, to_state, by, note)
    SELECT id, :now, state, 'REPAIRING', :by, :note FROM own WHERE state = 'OPEN' OR :sent > 0
"""


def begin(session: Session, replay: Replay, now: datetime) -> None:
    """Somebody asks for the repair: its differences are under repair from now on."""
    values = {"items": plain_array(replay.item_ids), "sent": 0, "by": replay.asked_by}
    session.execute(text(_MARK), {**_common(replay, now), **values})


def note_sent(session: Session, replay: Replay, items: Collection[int], now: datetime) -> None:
    """These items are due again: whatever differs because of them is being repaired."""
    values = {"items": plain_array(items), "sent": 1, "by": replay.decided_by or replay.asked_by}
    session.execute(text(_MARK), {**_common(replay, now), **values})


_OPEN_AGAIN = text(
    """
    WITH gone AS (
        UPDATE difference d SET state = 'OPEN', state_at = :now
        FROM outbox_item i
        WHERE i.id = d.outbox_item_id AND d.system = :system AND d.state = 'REPAIRING'
          AND i.id = ANY(CAST(:items AS bigint[])) AND i.state NOT IN ('READY', 'CLAIMED')
          AND EXISTS (SELECT 1 FROM difference_change c WHERE c.difference_id = d.id
                      AND c.note = :note AND c.to_state = 'REPAIRING' AND c.at >= d.state_at)
        RETURNING d.id)
    INSERT INTO difference_change (difference_id, at, from_state, to_state, by, note)
    SELECT id, :now, 'REPAIRING', 'OPEN', :by, :note FROM gone
    """
)


def open_again(
    session: Session, replay: Replay, items: Collection[int], now: datetime, *, by: str
) -> None:
    """Nothing of these leaves by this replay, so that their differences wait for somebody again."""
    values = {"items": plain_array(items), "by": by}
    session.execute(_OPEN_AGAIN, {**_common(replay, now), **values})


def _common(replay: Replay, now: datetime) -> dict[str, object]:
    return {"system": replay.lane, "now": now, "note": note_of(replay.id)}
