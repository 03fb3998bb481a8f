"""What people do about a difference: take it, accept it, or have what is missing sent again.

A repair makes the very item due again that the system should have, under its own dedupe key: a
system that has it all the same knows the key and does nothing twice (I2, I3).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.domain.reconciliation import REPAIRABLE, DifferenceKind, is_repairable
from app.domain.states import DIFFERENCE_MOVES, DifferenceState, check_move
from app.doorbell import ring_after_commit
from app.models.outbox_item import OutboxItem
from app.models.reconciliation import Difference, DifferenceChange
from app.models.replay import Replay
from app.services import audit, replays
from app.services.replay_choice import SEND_AGAIN, Choice, Wanted

_NOTE_MOST = 300
_OWNER_MOST = 80


class DifferenceRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    NO_DIFFERENCE: there is none of that number. WRONG_STATE: it is over, or somebody was quicker.
    NO_REASON. NOT_REPAIRABLE: sending again would not end it. ON_ITS_WAY: it waits to leave, or
    something newer does. PAYLOAD_GONE: what was sent has been removed, its time was over. TOO_MANY: one
    by one are no way round the second person, who confirms more than a hundred.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def hand_over(session: Session, difference_id: int, owner: str, now: datetime, *, by: str) -> None:
    """Somebody else answers for it from now on. Raises: DifferenceRefused."""
    row = _open(session, difference_id)
    owner = " ".join(owner.split())[:_OWNER_MOST]
    if not owner:
        raise DifferenceRefused("NO_REASON")
    row.owner = owner
    _note(session, row, row.state, now, by, f"owner: {owner}")
    _audit(session, by, "DIFFERENCE_HANDED_OVER", row, now, owner=owner)


def accept(session: Session, difference_id: int, why: str, now: datetime, *, by: str) -> None:
    """Live with it, under somebody's name; should it change, it is open again.

    Raises: DifferenceRefused.
    """
    row = _open(session, difference_id)
    why = " ".join(why.split())[:_NOTE_MOST]
    if not why:
        raise DifferenceRefused("NO_REASON")
    _move(session, row, DifferenceState.ACCEPTED, now, by, why)
    row.note = why
    _audit(session, by, "DIFFERENCE_ACCEPTED", row, now)


def repair(session: Session, difference_id: int, now: datetime, *, by: str) -> None:
    """Have what is missing there sent again, under its original key. Raises: DifferenceRefused."""
    row = _open(session, difference_id)
    if not is_repairable(row.kind, row.reason, row.outbox_item_id):
        raise DifferenceRefused("NOT_REPAIRABLE")
    if row.state == DifferenceState.REPAIRING:
        raise DifferenceRefused("ON_ITS_WAY")
    item = session.get(OutboxItem, row.outbox_item_id, populate_existing=True)
    if item is None or "removed" in item.payload:
        raise DifferenceRefused("PAYLOAD_GONE")
    lately = {"by": by, "since": now - replays.ALONE_WITHIN}
    if session.execute(_REPAIRED_ALONE, lately).scalar_one() >= replays.ALONE_MOST:
        raise DifferenceRefused("TOO_MANY")
    # It looks once more whether the item, and nothing newer, is what they should have.
    queued = session.execute(
        SEND_AGAIN, {"ids": plain_array([item.id]), "lane": item.lane, "resend": True, "now": now}
    ).all()
    if not queued:
        raise DifferenceRefused("ON_ITS_WAY")
    ring_after_commit(item.lane)
    row.repair_count += 1
    _move(session, row, DifferenceState.REPAIRING, now, by, item.dedupe_key)
    _audit(session, by, "DIFFERENCE_REPAIRED", row, now, item=item.id)


_REPAIRED_ALONE = text(
    "SELECT count(*) FROM audit_entry"
    " WHERE at > :since AND actor = :by AND action = 'DIFFERENCE_REPAIRED'"
)


def repairable_ids(session: Session, system: str, most: int) -> list[int]:
    """The open differences of a system that sending again can end, oldest first."""
    return list(
        session.execute(
            select(Difference.id)
            .where(
                Difference.system == system,
                Difference.state == DifferenceState.OPEN,
                Difference.reason.in_(REPAIRABLE),
                Difference.kind != DifferenceKind.EXTRA,
                Difference.outbox_item_id.is_not(None),
            )
            .order_by(Difference.opened_at, Difference.id)
            .limit(most)
        ).scalars()
    )


_ITEMS = text(
    """
    SELECT i.id FROM difference d JOIN outbox_item i ON i.id = d.outbox_item_id
    WHERE d.id = ANY(CAST(:ids AS bigint[])) AND i.state IN ('SENT', 'DEAD')
      AND NOT i.payload ? 'removed'
    ORDER BY i.id
    """
)


def preview_repair(
    session: Session, system: str, ids: list[int], now: datetime, *, by: str
) -> Replay:
    """A replay of what many differences lack: looked at first, and above a hundred for two people.

    Raises: DifferenceRefused, ReplayRefused.
    """
    items = list(session.execute(_ITEMS, {"ids": plain_array(ids)}).scalars())
    if not items:
        raise DifferenceRefused("NOT_REPAIRABLE")
    choice = Choice(wanted=Wanted.SENT, item_ids=tuple(items))
    return replays.preview(session, system, choice, by=by, now=now)


def _open(session: Session, difference_id: int) -> Difference:
    row = session.execute(
        select(Difference)
        .where(Difference.id == difference_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise DifferenceRefused("NO_DIFFERENCE")
    if row.state == DifferenceState.RESOLVED:
        raise DifferenceRefused("WRONG_STATE")
    return row


def _move(
    session: Session, row: Difference, to: DifferenceState, now: datetime, by: str, note: str
) -> None:
    if not DIFFERENCE_MOVES.allow(row.state, to):
        raise DifferenceRefused("WRONG_STATE")
    check_move(DIFFERENCE_MOVES, row.state, to)
    before, row.state, row.state_at = row.state, to, now
    _note(session, row, before, now, by, note)


def _note(
    session: Session, row: Difference, before: str, now: datetime, by: str, note: str
) -> None:
    session.add(
        DifferenceChange(
            difference_id=row.id, at=now, from_state=before, to_state=row.state, by=by, note=note
        )
    )
    session.flush()


def _audit(
    session: Session, by: str, action: str, row: Difference, now: datetime, **more: object
) -> None:
    detail = {"system": row.system, "key": row.key, "kind": row.kind, **more}
    audit.record(session, by, action, f"difference:{row.id}", detail, now)
