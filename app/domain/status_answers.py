"""What we answer to whoever asks how things are: the kind of text that is true of the cut at hand.

A fault that is only suspected, a planned cut and a meter replacement are told as what they are, never
as a fault that we know of. Customer service's page goes by the same cut (REQ-21).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.domain.notice_types import NoticeType
from app.domain.power_cuts import Cut, cut_ahead, open_cut

Answer = tuple[NoticeType, dict[str, str | None]]


def decide_status_answer(cuts: Sequence[Cut], now: datetime) -> Answer:
    """The answer to TILA: the cut that is on, else the planned one, else that none is known."""
    cut, ahead = open_cut(cuts), cut_ahead(cuts, now)
    if cut is not None:
        return answer_of_cut(cut, now)
    if ahead is not None:
        return NoticeType.STATUS_PLANNED, _plan_facts(ahead)
    return NoticeType.STATUS_NO_OUTAGE, {}


def answer_of_cut(cut: Cut, now: datetime) -> Answer:
    """What is told of a cut that is going on; a time that has passed is no estimate (REQ-06)."""
    facts: dict[str, str | None] = {"off_at": cut.off_at.isoformat()}
    if cut.is_suspected:
        return NoticeType.STATUS_SUSPECTED, facts
    if cut.is_swap:
        at_work = NoticeType.STATUS_SWAP
        return (NoticeType.STATUS_SWAP_UNCONFIRMED if cut.is_unconfirmed else at_work), facts
    etr_at = cut.until_at if cut.is_planned else cut.etr_at
    facts["etr_at"] = etr_at.isoformat() if etr_at is not None and etr_at > now else None
    if cut.is_planned:
        return NoticeType.STATUS_PLANNED_ON, facts | {"cause_code": cut.cause_code}
    return NoticeType.STATUS_OUTAGE, facts


def _plan_facts(cut: Cut) -> dict[str, str | None]:
    begin = cut.planned_from_at or cut.off_at
    return {
        "from_at": begin.isoformat(),
        "to_at": (cut.planned_to_at or begin).isoformat(),
        "cause_code": cut.cause_code,
    }
