"""Replays on the pages: which wait for a second person, and what one is about."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models.outbox_item import OutboxItem
from app.models.replay import Replay
from app.queries.lane_board import ITEM_COLUMNS, ItemRow

_WAITING = text("SELECT count(*) FROM replay WHERE state = 'PROPOSED'")


def count_waiting(session: Session) -> int:
    """Replays that wait for a second person."""
    return int(session.execute(_WAITING).scalar_one())


def find_replay(session: Session, replay_id: int) -> Replay | None:
    """One replay, read afresh."""
    return session.get(Replay, replay_id, populate_existing=True)


def replays_of(session: Session, lane: str, limit: int) -> list[Any]:
    """The last replays of a lane that came to something, without their items."""
    return list(
        session.execute(
            select(
                Replay.id,
                Replay.state,
                Replay.item_count,
                Replay.done_count,
                Replay.queued_count,
                Replay.reason,
                Replay.asked_by,
                Replay.asked_at,
                Replay.decided_by,
                Replay.decided_at,
            )
            .where(Replay.lane == lane, Replay.state != "PREVIEWED")
            .order_by(Replay.id.desc())
            .limit(limit)
        )
    )


def items_in(session: Session, ids: list[int]) -> list[ItemRow]:
    """Some of the items that a replay is about, as they are now."""
    rows = session.execute(
        select(*ITEM_COLUMNS).where(OutboxItem.id.in_(ids)).order_by(OutboxItem.id)
    )
    return [ItemRow(*row) for row in rows]
