"""Items that people chose to have sent again."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Bigs, Id, Json, Str


class Replay(Model):
    """One choice: what was asked for, exactly which items that was, and who decided.

    The items are settled when it is made, so a second person confirms what the first one saw.
    """

    __tablename__ = "replay"
    __table_args__ = (
        Index(
            "ix_replay_unfinished",
            "state",
            postgresql_where=text("state IN ('PREVIEWED', 'PROPOSED', 'APPROVED')"),
        ),
        Index("ix_replay_lane", "lane", "id"),
    )

    id: Mapped[Id]
    lane: Mapped[Str]
    state: Mapped[Str]
    # What was asked for, see app/services/replay_choice.py.
    choice: Mapped[Json]
    item_ids: Mapped[Bigs]
    item_count: Mapped[int]
    # Items that fit but may not be sent again: reason -> how many.
    left_out: Mapped[Json]
    reason: Mapped[Str]
    asked_by: Mapped[Str]
    asked_at: Mapped[At]
    proposed_at: Mapped[At | None]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    # How many of item_ids have been looked at so far, and how many of these are due again.
    done_count: Mapped[int] = mapped_column(default=0)
    queued_count: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[At | None]
