"""Replays: items chosen, looked at, decided on and sent again; the only writer of their rows.

More than a hundred need a second person, who confirms exactly the items that the first one saw. A
hundred at a time by one person within an hour is the same as all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.domain.lanes import NOTICE_LANES, UPKEEP
from app.domain.states import REPLAY_MOVES, ReplayState, check_move
from app.doorbell import ring_after_commit
from app.models.lane import Lane
from app.models.replay import Replay
from app.services import audit, difference_repairs, notice_sending
from app.services.replay_choice import SEND_AGAIN, Choice, LeftOut, Wanted, behind, choose

# So many one person may send again alone.
ALONE_MOST = 100
ALONE_WITHIN = timedelta(hours=1)
_SLICE_ROWS = 5_000
_PREVIEW_LIVES = timedelta(days=1)


class ReplayRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    WRONG_STATE: somebody else was quicker. SAME_PERSON: a second person has to confirm. NO_REASON.
    NOTHING: there is nothing to send again. TOO_WIDE: what has arrived is chosen by something.
    UNDER_WAY: somebody else repairs the same.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def preview(
    session: Session,
    lane: str,
    choice: Choice,
    *,
    by: str,
    now: datetime,
    keys: Sequence[str] | None = None,
) -> Replay:
    """Choose items and keep which; nothing is sent yet. Raises ReplayRefused."""
    if not session.execute(select(Lane.name).where(Lane.name == lane, Lane.sends)).first():
        raise ReplayRefused("WRONG_STATE")
    if choice.wanted is Wanted.SENT and (lane in NOTICE_LANES or not choice.is_bounded):
        raise ReplayRefused("TOO_WIDE")
    chosen = choose(session, lane, choice, keys)
    replay = Replay(
        lane=lane,
        state=ReplayState.PREVIEWED,
        choice=msgspec.to_builtins(choice),
        item_ids=chosen.item_ids,
        item_count=len(chosen.item_ids),
        left_out=chosen.left_out,
        reason="",
        asked_by=by,
        asked_at=now,
    )
    session.add(replay)
    session.flush()
    return replay


def needs_second(session: Session, replay: Replay, now: datetime) -> bool:
    """Whether one person may not decide it alone."""
    before = session.execute(
        text(
            "SELECT coalesce(sum(item_count), 0) FROM replay"
            " WHERE lane = :lane AND asked_by = :by AND decided_by = :by AND decided_at > :since"
        ),
        {"lane": replay.lane, "by": replay.asked_by, "since": now - ALONE_WITHIN},
    ).scalar_one()
    return int(before) + replay.item_count > ALONE_MOST


def ask(session: Session, replay_id: int, reason: str, *, by: str, now: datetime) -> Replay:
    """The one who chose the items wants them sent: at once if they are few. Raises ReplayRefused."""
    replay = _get(session, replay_id, ReplayState.PREVIEWED)
    if replay.asked_by != by:
        raise ReplayRefused("WRONG_STATE")
    if not reason:
        raise ReplayRefused("NO_REASON")
    if not replay.item_count:
        raise ReplayRefused("NOTHING")
    _lock_person(session, replay)
    replay.reason = reason
    if _choice_of(replay).is_repair:
        _begin_repair(session, replay, now)
    if needs_second(session, replay, now):
        _move(replay, ReplayState.PROPOSED)
        replay.proposed_at = now
        _record(session, replay, "REPLAY_PROPOSED", by, now)
        return replay
    _approve(session, replay, by, now)
    if replay.item_count <= ALONE_MOST:
        carry_out(session, replay_id, now)
    return replay


def want_all(session: Session, lane: str, reason: str, *, by: str, now: datetime) -> Replay | None:
    """A process wants everything sent again that a lane has given up, by the rules for a person.

    None when there is nothing, or when such a wish waits for its second person already.
    """
    waiting = select(Replay.id).where(
        Replay.lane == lane, Replay.state == ReplayState.PROPOSED, Replay.reason == reason
    )
    if session.execute(waiting).first():
        return None
    made = preview(session, lane, Choice(), by=by, now=now)
    if not made.item_count:
        session.delete(made)
        return None
    return ask(session, made.id, reason, by=by, now=now)


def confirm(session: Session, replay_id: int, *, by: str, now: datetime) -> Replay:
    """A second person lets the items go; raises ReplayRefused."""
    replay = _get(session, replay_id, ReplayState.PROPOSED)
    if replay.asked_by == by:
        raise ReplayRefused("SAME_PERSON")
    _approve(session, replay, by, now)
    return replay


def drop(session: Session, replay_id: int, *, by: str, now: datetime) -> Replay:
    """Nothing of it is sent; one person may decide that. Raises ReplayRefused."""
    replay = _get(session, replay_id, ReplayState.PREVIEWED, ReplayState.PROPOSED)
    _move(replay, ReplayState.DROPPED)
    difference_repairs.open_again(session, replay, replay.item_ids, now, by=by)
    replay.decided_by, replay.decided_at, replay.item_ids = by, now, []
    _record(session, replay, "REPLAY_DROPPED", by, now)
    return replay


def approved(session: Session) -> list[tuple[int, str]]:
    """Replays that are to be carried out, or gone on with: id and lane."""
    rows = session.execute(
        select(Replay.id, Replay.lane)
        .where(Replay.state == ReplayState.APPROVED)
        .order_by(Replay.id)
    )
    return [(row.id, row.lane) for row in rows]


def carry_out(session: Session, replay_id: int, now: datetime) -> tuple[int, bool]:
    """Make the next slice due again: how many, and whether some are left.

    Those that have arrived meanwhile, or been overtaken, are passed over, also by what was given up.
    """
    replay = session.get(Replay, replay_id, with_for_update=True, populate_existing=True)
    if replay is None or replay.state != ReplayState.APPROVED:
        return 0, False
    ids = replay.item_ids[replay.done_count : replay.done_count + _SLICE_ROWS]
    overtaken = behind(session, ids, replay.item_ids)
    choice = _choice_of(replay)
    queued = list(
        session.execute(
            SEND_AGAIN,
            {
                "ids": plain_array(one for one in ids if one not in overtaken),
                "lane": replay.lane,
                "resend": choice.wanted is Wanted.SENT,
                "now": now,
            },
        ).scalars()
    )
    if queued:
        difference_repairs.note_sent(session, replay, queued, now)
    if passed_over := set(ids) - set(queued):
        by = replay.decided_by or replay.asked_by
        difference_repairs.open_again(session, replay, passed_over, now, by=by)
    if queued and replay.lane in NOTICE_LANES:
        notice_sending.queue_again(session, queued, now)
    replay.done_count += len(ids)
    replay.queued_count += len(queued)
    left = replay.done_count < replay.item_count
    if not left:
        _move(replay, ReplayState.DONE)
        replay.done_at = now
    if queued:
        ring_after_commit(replay.lane)
    session.flush()
    return len(queued), left


def forget_previews(session: Session, now: datetime) -> None:
    """Remove choices that nobody has decided about; nothing has come of them."""
    session.execute(
        text("DELETE FROM replay WHERE state = 'PREVIEWED' AND asked_at < :before"),
        {"before": now - _PREVIEW_LIVES},
    )


def _begin_repair(session: Session, replay: Replay, now: datetime) -> None:
    """Leave out what somebody else repairs already, and mark the rest as under repair."""
    others = difference_repairs.under_way(session, replay)
    if others:
        replay.item_ids = [one for one in replay.item_ids if one not in others]
        waiting = replay.left_out.get(LeftOut.WAITING, 0) + replay.item_count - len(replay.item_ids)
        replay.left_out = {**replay.left_out, LeftOut.WAITING: waiting}
        replay.item_count = len(replay.item_ids)
    if not replay.item_ids:
        raise ReplayRefused("UNDER_WAY")
    difference_repairs.begin(session, replay, now)


def _choice_of(replay: Replay) -> Choice:
    return msgspec.convert(replay.choice, Choice)


def _approve(session: Session, replay: Replay, by: str, now: datetime) -> None:
    _move(replay, ReplayState.APPROVED)
    replay.decided_by, replay.decided_at = by, now
    session.flush()
    _record(session, replay, "REPLAY_APPROVED", by, now)
    ring_after_commit(UPKEEP)


def _get(session: Session, replay_id: int, *states: ReplayState) -> Replay:
    found = session.get(Replay, replay_id, with_for_update=True, populate_existing=True)
    if found is None or found.state not in states:
        raise ReplayRefused("WRONG_STATE")
    return found


def _lock_person(session: Session, replay: Replay) -> None:
    """Two presses of the same person at once are counted one after the other."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"replay:{replay.lane}:{replay.asked_by}"},
    )


def _move(replay: Replay, state: ReplayState) -> None:
    check_move(REPLAY_MOVES, replay.state, state)
    replay.state = state


def _record(session: Session, replay: Replay, action: str, by: str, now: datetime) -> None:
    detail = {
        "replay": replay.id,
        "count": replay.item_count,
        "choice": {name: value for name, value in replay.choice.items() if name != "item_ids"},
        # The trail names the items while they are few; the row has them all.
        "items": replay.item_ids if replay.item_count <= ALONE_MOST else None,
        "reason": replay.reason,
    }
    audit.record(session, by, action, f"lane:{replay.lane}", detail, now)
