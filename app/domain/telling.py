"""One announcement, one contact and what is between them already: what the policy weighs and answers.

The rules are in announcement_policy.py; these are their words.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from app.domain.notice_policy import Decision, Recipient
from app.domain.notice_types import NoticeType
from app.domain.states import NoticeState


class Telling(Struct, frozen=True):
    """One announcement as the policy sees it.

    true_until: when the text stops being true by itself, for instance when the estimate in it
    passes. needed_by: when somebody who has not heard by then acts on what is no longer so.
    first_event_at: of an estimate that is told again, to those who are new or from whom it was kept,
    when it was news first. old_etr_at: the estimate that this one takes the place of.
    """

    announcement_id: int
    type: NoticeType
    event_at: datetime
    true_until: datetime | None = None
    corrects_id: int | None = None
    needed_by: datetime | None = None
    first_event_at: datetime | None = None
    old_etr_at: datetime | None = None


class PointFacts(Struct, frozen=True):
    """One metering point of the contact.

    off_elsewhere: another outage cuts it, too (REQ-05); for a start, one that the contact knows of;
    for an estimate, one that the contact knows to last as long. silent: its meter said that it lost the
    power and has not said since that it has it again.
    """

    gsrn: str
    off_at: datetime | None = None
    on_at: datetime | None = None
    off_elsewhere: bool = False
    silent: bool = False


class TellingRow(Struct, frozen=True):
    """An earlier notice about the same subject to the same contact.

    event_at: when its news was news first, however late it was told. gsrns: the points that it spoke
    of, where the policy asks for them (plans and ends). etr_at: the estimate that it named.
    """

    notice_id: int
    type: NoticeType
    state: NoticeState
    event_at: datetime
    told_at: datetime | None
    announcement_id: int | None
    gsrns: tuple[str, ...] = ()
    etr_at: datetime | None = None


class TellingDecision(Struct, frozen=True):
    """A decision, the points that the text speaks of, and the kind of text if it is another one.

    dedupe: the name under which the contact is told this once; unique in the ledger together with
    the contact's address. overtaken: older texts on the wire or in doubt, which may have arrived but
    must not leave again.
    """

    decision: Decision
    points: tuple[PointFacts, ...]
    type: NoticeType
    dedupe: str
    overtaken: tuple[int, ...] = ()


class TellingView(Struct, frozen=True):
    telling: Telling
    recipient: Recipient
    points: tuple[PointFacts, ...]
    ledger: tuple[TellingRow, ...]
    now: datetime

    def left(self, kinds: Iterable[NoticeType]) -> list[TellingRow]:
        """Notices of these kinds that have left or may have."""
        wanted = frozenset(kinds)
        return [row for row in self.ledger if row.type in wanted and row.state in LEFT]

    def waiting(self, kinds: Iterable[NoticeType]) -> list[TellingRow]:
        wanted = frozenset(kinds)
        return [row for row in self.ledger if row.type in wanted and row.state in WAITING]


_T = NoticeType
UPDATES = frozenset(
    {_T.FAULT_ETR, _T.FAULT_ETR_CHANGED, _T.FAULT_ETR_DELAYED, _T.FAULT_PARTLY_RESTORED}
)
ESTIMATES = (_T.FAULT_ETR, _T.FAULT_ETR_CHANGED)
NAMES_ESTIMATE = frozenset({*ESTIMATES, _T.FAULT_PARTLY_RESTORED})
CUT_TOLD = UPDATES | {_T.FAULT_STARTED}
ABOUT_THE_REST = CUT_TOLD | {_T.PLANNED_OVERRUN}
# Whoever was told that an end was none knows as well as at the start.
KNOWS_OF_CUT = CUT_TOLD | {_T.CORRECTION_STILL_OFF}
# Whoever read that the cut was a mistake, or what happened at night, has read of its end.
ENDS = frozenset({_T.FAULT_RESTORED, _T.CORRECTION, _T.MORNING_SUMMARY})
# After one of these an estimate that was read before is not the last word any more.
AMENDS_ESTIMATE = NAMES_ESTIMATE | ENDS | {_T.FAULT_ETR_DELAYED, _T.CORRECTION_STILL_OFF}
CHANGES = frozenset({_T.PLANNED_CHANGED, _T.PLANNED_CANCELLED})
PLAN_TOLD = frozenset({_T.PLANNED_NOTICE, _T.PLANNED_CHANGED})

WAITING = frozenset({NoticeState.CREATED, NoticeState.HELD, NoticeState.QUEUED})
# What becomes of these nobody knows yet: they may still come back, or be sent again in doubt.
ON_THE_WAY = frozenset({NoticeState.SENDING, NoticeState.UNKNOWN, NoticeState.RESENT})
LEFT = frozenset(
    {
        NoticeState.SENDING,
        NoticeState.SENT,
        NoticeState.UNKNOWN,
        NoticeState.RESENT,
        NoticeState.DELIVERED,
        NoticeState.UNDELIVERED,
        NoticeState.FALLBACK,
    }
)
