"""Staging the items of a mass file: nothing leaves yet.

The working table holds what the orders will be made of. It is UNLOGGED, since all of it can be made
again from our own copy of the file. A batch goes through three steps, of which only the middle one
is ours: asking the database, deciding (`mass_deciding.py`), writing. So the database works on some
batches while we are at others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import copy_text
from app.services import inbound, intake, runs
from app.services.mass_deciding import Batch, LookUps, Prepared
from app.services.slices import Slice

STAGE_COLUMNS = (
    "inbound_message_id",
    "seq",
    "verdict",
    "line",
    "item_no",
    "order_id",
    "gsrn",
    "counted",
    "content_hash",
    "source_hash",
    "municipality_code",
    "customer_id",
    "cause",
    "partner_code",
    "route_rule_id",
    "route_set_number",
    "payload_hash",
    "key_info",
    "facts",
    "payload",
)


@dataclass(slots=True)
class Staging:
    """What is known of a file while it is read: which known items were in it, and how many rows."""

    seen: bytearray
    staged_count: int = 0
    item_count: int = 0
    same_count: int = 0
    # Items given a second time word for word.
    twice: list[int] = field(default_factory=list)

    def note(self, changed: int, same: Sequence[int]) -> None:
        """Count what has been written, and what needed no writing."""
        for place in same:
            if self.seen[place]:
                self.twice.append(place)
            self.seen[place] = 1
        self.same_count += len(same)
        self.item_count += changed + len(same)
        self.staged_count += changed


def look_up(session: Session, batch: Batch, now: datetime) -> LookUps:
    """Ask for what the checks of a batch need."""
    if not batch.gsrns:
        return LookUps({}, set())
    points = intake.find_points(session, batch.gsrns)
    return LookUps(points, intake.find_banned(session, batch.customers, batch.gsrns, now))


def write(session: Session, part: Slice, done: Prepared) -> None:
    """Keep a slice."""
    copy_text(session, "mass_stage", STAGE_COLUMNS, done.rows)
    inbound.add_findings(session, part.message_id, done.findings, part.now)
    if done.steps:
        runs.add_steps(session, part.run_id, done.steps)
    if done.noticed is not None:
        part.lists.tally.add(done.noticed)
    part.lists.tally.flush(session, part.now)
