"""The states of everything that has one, and one table of allowed moves per state machine.

Nothing moves a state except along these tables: services call `check_move` before they write, and
the derivation of an order's state from its acknowledgements walks the same table. The file is long
because one can only judge the machines side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class WorkOrderState(StrEnum):
    """A work order from its arrival to its closing."""

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    REJECTED = "REJECTED"
    NO_ROUTE = "NO_ROUTE"
    ROUTED = "ROUTED"
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    PARTNER_REJECTED = "PARTNER_REJECTED"
    SCHEDULED = "SCHEDULED"
    RESCHEDULED = "RESCHEDULED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    RETURNED = "RETURNED"
    CORRECTED = "CORRECTED"
    REPORTED = "REPORTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class MassOrderState(StrEnum):
    """A mass order: its first file until the orders are made of it, then how far these are.

    PARTIAL: over, but some items were refused, called off or given back.
    """

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    HELD = "HELD"
    REJECTED = "REJECTED"
    SPLIT = "SPLIT"
    DISPATCHING = "DISPATCHING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    PARTIAL = "PARTIAL"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class MassFileState(StrEnum):
    """One file of a mass order: read whole before anything of it leaves."""

    READING = "READING"
    HELD = "HELD"
    READY = "READY"
    SPLIT = "SPLIT"
    REJECTED = "REJECTED"


class NoticeState(StrEnum):
    """A notice to one contact, from the decision to the provider's last word."""

    CREATED = "CREATED"
    SUPPRESSED = "SUPPRESSED"
    HELD = "HELD"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    RESENT = "RESENT"
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    FALLBACK = "FALLBACK"
    SUPERSEDED = "SUPERSEDED"
    EXPIRED = "EXPIRED"


class MeterState(StrEnum):
    """A meter from its order at the maker to the scrap heap."""

    ORDERED = "ORDERED"
    DELIVERED = "DELIVERED"
    ALLOCATED = "ALLOCATED"
    INSTALLED = "INSTALLED"
    COMMUNICATING = "COMMUNICATING"
    FAULTY = "FAULTY"
    LOST = "LOST"
    REMOVED = "REMOVED"
    RETURNED = "RETURNED"
    SCRAPPED = "SCRAPPED"


class OrderRequestState(StrEnum):
    """What the CIS asked of an order whose work had begun: WAITING until the visit ends.

    TAKEN: done as asked. REFUSED: too late, and the CIS was told. SUPERSEDED: a newer one came.
    """

    WAITING = "WAITING"
    TAKEN = "TAKEN"
    REFUSED = "REFUSED"
    SUPERSEDED = "SUPERSEDED"


class MismatchState(StrEnum):
    """A meter that was reported as hung and that our stock does not know so; TAKEN: has an owner."""

    OPEN = "OPEN"
    TAKEN = "TAKEN"
    SETTLED = "SETTLED"


class SwapOutageState(StrEnum):
    """The cut that a meter swap causes; STALE when nobody reported its end in time (REQ-19)."""

    OPEN = "OPEN"
    STALE = "STALE"
    CLOSED = "CLOSED"


class FaultState(StrEnum):
    """A fault in the network, from the first sign of it until nobody has to look at it."""

    DETECTED = "DETECTED"
    CONFIRMED = "CONFIRMED"
    ETR_SET = "ETR_SET"
    ETR_CHANGED = "ETR_CHANGED"
    PARTLY_RESTORED = "PARTLY_RESTORED"
    RESTORED = "RESTORED"
    REOPENED = "REOPENED"
    MERGED = "MERGED"
    FALSE_ALARM = "FALSE_ALARM"
    CLOSED = "CLOSED"


class PlannedCutState(StrEnum):
    """A planned cut, from somebody's draft to its end."""

    DRAFT = "DRAFT"
    APPROVED = "APPROVED"
    ANNOUNCED = "ANNOUNCED"
    RESCHEDULED = "RESCHEDULED"
    REMINDED = "REMINDED"
    ONGOING = "ONGOING"
    OVERRUN = "OVERRUN"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"


class AnnouncementState(StrEnum):
    """One thing to tell to many; HELD until a second person lets it go."""

    PENDING = "PENDING"
    HELD = "HELD"
    DONE = "DONE"
    WITHDRAWN = "WITHDRAWN"


class ConnectionStage(StrEnum):
    """How far the order of a new connection (liittymä) is; the order of the lines is that of the work.

    READY: the contractor's form and the sales contract are there.
    """

    ORDERED = "ORDERED"
    CONTRACTED = "CONTRACTED"
    SITE_PLANNING = "SITE_PLANNING"
    BUILDING = "BUILDING"
    READY = "READY"
    ENERGISED = "ENERGISED"
    METERED = "METERED"
    COMPLETED = "COMPLETED"
    ON_HOLD = "ON_HOLD"
    CANCELLED = "CANCELLED"


class TextState(StrEnum):
    """One version of a kind's texts; at most one per kind is PUBLISHED, else the shipped one leaves."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"
    REJECTED = "REJECTED"


class BundleState(StrEnum):
    """One version of one document of a partner; of the active ones the latest begun is in force."""

    DRAFT = "DRAFT"
    SHADOW = "SHADOW"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class RuleSetState(StrEnum):
    """One version of the routing rules; exactly one is ACTIVE, at most one is worked on."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    REJECTED = "REJECTED"


class ReplayState(StrEnum):
    """Items chosen to be sent again: looked at, waiting for a second person, under way, over."""

    PREVIEWED = "PREVIEWED"
    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    DONE = "DONE"
    DROPPED = "DROPPED"


class RouteMoveState(StrEnum):
    """Orders that are given to another partner: waiting for a second person, under way, over."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    DONE = "DONE"
    DROPPED = "DROPPED"


class ReplyCaseState(StrEnum):
    """Something that customers wrote and a person has to look at; TAKEN while somebody does."""

    OPEN = "OPEN"
    TAKEN = "TAKEN"
    CLOSED = "CLOSED"


class InboundSmsState(StrEnum):
    """A text message to us; HELD when it could not be handled by our own fault."""

    WAITING = "WAITING"
    DONE = "DONE"
    HELD = "HELD"


class ImportState(StrEnum):
    """A file from another environment: until a second person lets it in, or not."""

    WAITING = "WAITING"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"


class OutboxState(StrEnum):
    """One message on its way to an outside system."""

    READY = "READY"
    CLAIMED = "CLAIMED"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"
    HELD = "HELD"


class DifferenceState(StrEnum):
    """A difference between us and another system, from the first list that showed it to its end.

    ACCEPTED: somebody decided to live with it; it opens again when it changes.
    """

    OPEN = "OPEN"
    REPAIRING = "REPAIRING"
    ACCEPTED = "ACCEPTED"
    RESOLVED = "RESOLVED"


class SnapshotState(StrEnum):
    """What became of a list: compared, not usable, or older than one that was compared before."""

    DIFFED = "DIFFED"
    BROKEN = "BROKEN"
    STALE = "STALE"


class RunState(StrEnum):
    """One run of a process; KILLED when its worker vanished without a word."""

    RUNNING = "RUNNING"
    OK = "OK"
    PARTLY = "PARTLY"
    FAILED = "FAILED"
    KILLED = "KILLED"


class ProcessStartState(StrEnum):
    """One cause for a process to run; SKIPPED when the overlap policy let it pass."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"


class AckVerdict(StrEnum):
    """What became of one acknowledgement.

    APPLIED: it counts. DUPLICATE: it says what another one said before. STALE: it came too late
    or out of place to act on; its times are kept. REJECTED: it does not count. HELD: it counts,
    but its billing part (or all of it, for a correction without its original) waits for somebody.
    """

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    REJECTED = "REJECTED"
    HELD = "HELD"


class IllegalMove(Exception):
    """A state was to move where its table does not allow: a fault in our code, never in data."""

    def __init__(self, machine: str, from_state: str, to_state: str) -> None:
        super().__init__(f"{machine} may not move from {from_state} to {to_state}")
        self.machine = machine
        self.from_state = from_state
        self.to_state = to_state


@dataclass(frozen=True, slots=True)
class Moves:
    """The allowed moves of one machine: from each state, the states that may follow.

    Keys are members of a StrEnum, which hash and compare as their text: the database's text
    finds them as well.
    """

    machine: str
    table: Mapping[str, frozenset[str]]

    def allow(self, from_state: str, to_state: str) -> bool:
        """Tell whether the move is in the table; staying where one is, is no move."""
        return to_state in self.table.get(from_state, _NOWHERE)


def check_move(moves: Moves, from_state: str, to_state: str) -> None:
    """Let an allowed move pass.

    Raises: IllegalMove -> stop and report a defect; do not write the state.
    """
    if not moves.allow(from_state, to_state):
        raise IllegalMove(moves.machine, from_state, to_state)


_NOWHERE: frozenset[str] = frozenset()

# What a field report does to an order whatever we knew before: acknowledgements come late and in
# any order, and work that was done stays done.
_WORK = frozenset({WorkOrderState.STARTED, WorkOrderState.COMPLETED, WorkOrderState.FAILED})
# A new revision brings an order back to VALIDATED until the work starts, and so does a new route.
_AGAIN = frozenset({WorkOrderState.VALIDATED, WorkOrderState.CANCELLED})
_ANSWERS = frozenset(
    {
        WorkOrderState.ACCEPTED,
        WorkOrderState.PARTNER_REJECTED,
        WorkOrderState.SCHEDULED,
        WorkOrderState.RESCHEDULED,
    }
)
_VISITS = frozenset({WorkOrderState.SCHEDULED, WorkOrderState.RESCHEDULED})

WORK_ORDER_MOVES = Moves(
    "work order",
    {
        WorkOrderState.RECEIVED: frozenset({WorkOrderState.REJECTED}) | _AGAIN,
        WorkOrderState.REJECTED: _AGAIN,
        WorkOrderState.VALIDATED: frozenset(
            {WorkOrderState.ROUTED, WorkOrderState.NO_ROUTE, WorkOrderState.CANCELLED}
        )
        | _WORK,
        WorkOrderState.NO_ROUTE: _AGAIN | _WORK,
        # The partner may answer, or even work, before we have noted that the order was sent.
        WorkOrderState.ROUTED: frozenset({WorkOrderState.SENT}) | _ANSWERS | _AGAIN | _WORK,
        WorkOrderState.SENT: _ANSWERS | _AGAIN | _WORK,
        WorkOrderState.ACCEPTED: frozenset({WorkOrderState.PARTNER_REJECTED})
        | _VISITS
        | _AGAIN
        | _WORK,
        # A partner that changes its mind accepts after all; an operator may send again.
        WorkOrderState.PARTNER_REJECTED: frozenset({WorkOrderState.SENT, WorkOrderState.ACCEPTED})
        | _VISITS
        | _AGAIN
        | _WORK,
        WorkOrderState.SCHEDULED: frozenset(
            {WorkOrderState.RESCHEDULED, WorkOrderState.PARTNER_REJECTED}
        )
        | _AGAIN
        | _WORK,
        WorkOrderState.RESCHEDULED: frozenset(
            {WorkOrderState.SCHEDULED, WorkOrderState.PARTNER_REJECTED}
        )
        | _AGAIN
        | _WORK,
        # CANCELLED: called off while they were at it, and they stopped (order_course.py).
        WorkOrderState.STARTED: frozenset(
            {WorkOrderState.COMPLETED, WorkOrderState.FAILED, WorkOrderState.CANCELLED}
        ),
        # Between two visits: the next one may be agreed, ordered anew or called off.
        WorkOrderState.FAILED: frozenset(
            {WorkOrderState.RETURNED, WorkOrderState.STARTED, WorkOrderState.COMPLETED}
        )
        | _VISITS
        | _AGAIN,
        WorkOrderState.RETURNED: frozenset({WorkOrderState.STARTED, WorkOrderState.COMPLETED})
        | _AGAIN,
        WorkOrderState.COMPLETED: frozenset({WorkOrderState.REPORTED, WorkOrderState.CORRECTED}),
        # A correction may also take the completion back.
        WorkOrderState.CORRECTED: frozenset({WorkOrderState.REPORTED, WorkOrderState.FAILED}),
        WorkOrderState.REPORTED: frozenset({WorkOrderState.CLOSED, WorkOrderState.CORRECTED}),
        WorkOrderState.CLOSED: frozenset({WorkOrderState.CORRECTED}),
        # The partner may have worked before it heard of the cancellation.
        WorkOrderState.CANCELLED: frozenset(
            {WorkOrderState.VALIDATED, WorkOrderState.STARTED, WorkOrderState.COMPLETED}
        ),
    },
)

_M = MassOrderState
_MASS_GOES_ON = frozenset({_M.DISPATCHING, _M.RUNNING, _M.PARTIAL, _M.DONE, _M.CANCELLED})

MASS_ORDER_MOVES = Moves(
    "mass order",
    {
        _M.RECEIVED: frozenset({_M.VALIDATED, _M.HELD, _M.REJECTED}),
        _M.VALIDATED: frozenset({_M.SPLIT, _M.PAUSED, _M.HELD, _M.REJECTED, _M.CANCELLED}),
        _M.HELD: frozenset({_M.SPLIT, _M.REJECTED, _M.VALIDATED}),
        # A file of a mass order that was refused may come again, put right.
        _M.REJECTED: frozenset({_M.VALIDATED, _M.HELD}),
        _M.SPLIT: _MASS_GOES_ON | {_M.PAUSED},
        _M.DISPATCHING: (_MASS_GOES_ON - {_M.DISPATCHING}) | {_M.PAUSED},
        # A re-sent file brings new orders, an agreed visit may be given back.
        _M.RUNNING: (_MASS_GOES_ON - {_M.RUNNING}) | {_M.PAUSED},
        _M.PAUSED: _MASS_GOES_ON | {_M.SPLIT},
        _M.PARTIAL: (_MASS_GOES_ON - {_M.PARTIAL}) | {_M.PAUSED},
        _M.DONE: (_MASS_GOES_ON - {_M.DONE}) | {_M.PAUSED},
        _M.CANCELLED: _MASS_GOES_ON - {_M.CANCELLED},
    },
)

_MF = MassFileState

MASS_FILE_MOVES = Moves(
    "mass order file",
    {
        _MF.READING: frozenset({_MF.HELD, _MF.READY, _MF.REJECTED}),
        # Read anew where the database has lost what was prepared.
        _MF.HELD: frozenset({_MF.READY, _MF.REJECTED, _MF.READING}),
        # HELD from here: making the orders failed again and again by a fault of ours.
        _MF.READY: frozenset({_MF.SPLIT, _MF.READING, _MF.HELD}),
    },
)

_STOPPED = frozenset({NoticeState.SUPERSEDED, NoticeState.EXPIRED, NoticeState.SUPPRESSED})
_PROVIDER_SAYS = frozenset({NoticeState.DELIVERED, NoticeState.UNDELIVERED})

NOTICE_MOVES = Moves(
    "notice",
    {
        NoticeState.CREATED: frozenset(
            {NoticeState.SUPPRESSED, NoticeState.HELD, NoticeState.QUEUED}
        ),
        NoticeState.HELD: frozenset({NoticeState.QUEUED}) | _STOPPED,
        # It has waited until the recipient's night.
        NoticeState.QUEUED: frozenset({NoticeState.SENDING, NoticeState.HELD}) | _STOPPED,
        # A provider's callback may overtake our own record of the call that it reports on.
        NoticeState.SENDING: frozenset(
            {NoticeState.SENT, NoticeState.QUEUED, NoticeState.FAILED, NoticeState.UNKNOWN}
        )
        | _STOPPED
        | _PROVIDER_SAYS,
        NoticeState.UNKNOWN: frozenset(
            {NoticeState.SENT, NoticeState.FAILED, NoticeState.RESENT, NoticeState.EXPIRED}
        )
        | _PROVIDER_SAYS,
        NoticeState.RESENT: frozenset({NoticeState.FAILED, NoticeState.UNKNOWN}) | _PROVIDER_SAYS,
        NoticeState.SENT: _PROVIDER_SAYS,
        # Of a message sent again one copy may arrive although the other did not.
        NoticeState.UNDELIVERED: frozenset({NoticeState.FALLBACK, NoticeState.DELIVERED}),
        # Given up while its outcome was unknown; the provider tells after all.
        NoticeState.EXPIRED: frozenset({NoticeState.SENT}) | _PROVIDER_SAYS,
        # The provider refused it: the other channel, or an operator's replay. An earlier call of it may
        # have been in doubt; the provider tells after all.
        NoticeState.FAILED: frozenset({NoticeState.FALLBACK, NoticeState.QUEUED, NoticeState.SENT})
        | _PROVIDER_SAYS,
    },
)

_BROKEN_OR_GONE = frozenset({MeterState.FAULTY, MeterState.LOST})

METER_MOVES = Moves(
    "meter",
    {
        # Stock lists lag behind the field, so a meter may be installed before we hear of its
        # delivery, or before it is allocated.
        MeterState.ORDERED: frozenset({MeterState.DELIVERED, MeterState.INSTALLED})
        | _BROKEN_OR_GONE,
        MeterState.DELIVERED: frozenset({MeterState.ALLOCATED, MeterState.INSTALLED})
        | _BROKEN_OR_GONE,
        MeterState.ALLOCATED: frozenset({MeterState.DELIVERED, MeterState.INSTALLED})
        | _BROKEN_OR_GONE,
        # Back to ALLOCATED when a correction says that another meter was installed.
        MeterState.INSTALLED: frozenset(
            {MeterState.COMMUNICATING, MeterState.REMOVED, MeterState.ALLOCATED}
        )
        | _BROKEN_OR_GONE,
        MeterState.COMMUNICATING: frozenset({MeterState.REMOVED, MeterState.ALLOCATED})
        | _BROKEN_OR_GONE,
        # Back to INSTALLED when a correction says that it was never taken down.
        MeterState.REMOVED: frozenset({MeterState.RETURNED, MeterState.INSTALLED})
        | _BROKEN_OR_GONE,
        MeterState.RETURNED: frozenset({MeterState.SCRAPPED, MeterState.DELIVERED})
        | _BROKEN_OR_GONE,
        MeterState.FAULTY: frozenset(
            {MeterState.REMOVED, MeterState.RETURNED, MeterState.SCRAPPED, MeterState.LOST}
        ),
        MeterState.LOST: frozenset(
            {MeterState.DELIVERED, MeterState.INSTALLED, MeterState.REMOVED, MeterState.RETURNED}
        ),
    },
)

ORDER_REQUEST_MOVES = Moves(
    "request about an order under way",
    {
        OrderRequestState.WAITING: frozenset(
            {OrderRequestState.TAKEN, OrderRequestState.REFUSED, OrderRequestState.SUPERSEDED}
        ),
    },
)

MISMATCH_MOVES = Moves(
    "serial mismatch",
    {
        MismatchState.OPEN: frozenset({MismatchState.TAKEN, MismatchState.SETTLED}),
        MismatchState.TAKEN: frozenset({MismatchState.OPEN, MismatchState.SETTLED}),
        # Another report of the same order names a doubtful meter again.
        MismatchState.SETTLED: frozenset({MismatchState.OPEN}),
    },
)

SWAP_OUTAGE_MOVES = Moves(
    "meter-swap outage",
    {
        SwapOutageState.OPEN: frozenset({SwapOutageState.CLOSED, SwapOutageState.STALE}),
        SwapOutageState.STALE: frozenset({SwapOutageState.CLOSED}),
        # The next visit of the same order cuts the power again.
        SwapOutageState.CLOSED: frozenset({SwapOutageState.OPEN}),
    },
)

_F = FaultState
_OPEN_FAULT = frozenset({_F.ETR_SET, _F.ETR_CHANGED, _F.PARTLY_RESTORED, _F.RESTORED})
_FAULT_OVER = frozenset({_F.MERGED, _F.FALSE_ALARM})

FAULT_MOVES = Moves(
    "fault",
    {
        _F.DETECTED: frozenset({_F.CONFIRMED}) | _OPEN_FAULT | _FAULT_OVER,
        _F.CONFIRMED: _OPEN_FAULT | _FAULT_OVER,
        _F.ETR_SET: _OPEN_FAULT | _FAULT_OVER,
        _F.ETR_CHANGED: _OPEN_FAULT | _FAULT_OVER,
        # Some points are back; the estimate for the rest may still change, or all go out again.
        _F.PARTLY_RESTORED: frozenset({_F.RESTORED, _F.REOPENED}) | _FAULT_OVER,
        _F.RESTORED: frozenset({_F.CLOSED, _F.REOPENED}) | _FAULT_OVER,
        _F.REOPENED: _OPEN_FAULT | _FAULT_OVER,
        _F.CLOSED: frozenset({_F.REOPENED}),
        # The DMS may split what it had merged, and may find that the alarm was none after all.
        _F.MERGED: frozenset({_F.REOPENED, _F.CLOSED}),
        _F.FALSE_ALARM: frozenset({_F.REOPENED}),
    },
)

_P = PlannedCutState
_CALLED_OFF = frozenset({_P.CANCELLED})

PLANNED_CUT_MOVES = Moves(
    "planned cut",
    {
        # ONGOING from here: the DMS reports that work has begun which nobody had announced.
        _P.DRAFT: frozenset({_P.APPROVED, _P.ONGOING}) | _CALLED_OFF,
        # Back to a draft when somebody changes what had been approved.
        _P.APPROVED: frozenset({_P.ANNOUNCED, _P.DRAFT, _P.ONGOING}) | _CALLED_OFF,
        _P.ANNOUNCED: frozenset({_P.RESCHEDULED, _P.REMINDED, _P.ONGOING}) | _CALLED_OFF,
        # Rescheduled again, it stays where it is.
        _P.RESCHEDULED: frozenset({_P.REMINDED, _P.ONGOING}) | _CALLED_OFF,
        _P.REMINDED: frozenset({_P.RESCHEDULED, _P.ONGOING}) | _CALLED_OFF,
        _P.ONGOING: frozenset({_P.OVERRUN, _P.ENDED}),
        _P.OVERRUN: frozenset({_P.ENDED}),
    },
)

_A = AnnouncementState

ANNOUNCEMENT_MOVES = Moves(
    "announcement",
    {
        _A.PENDING: frozenset({_A.HELD, _A.DONE, _A.WITHDRAWN}),
        _A.HELD: frozenset({_A.PENDING, _A.WITHDRAWN}),
    },
)

_C = ConnectionStage
# The stages of the work itself; an order may skip some of them, and never goes back by itself.
CONNECTION_PATH = tuple(stage for stage in _C if stage not in (_C.ON_HOLD, _C.CANCELLED))
_ASIDE = frozenset({_C.ON_HOLD, _C.CANCELLED})

CONNECTION_MOVES = Moves(
    "connection order",
    {
        **{
            stage: frozenset(CONNECTION_PATH[place + 1 :]) | _ASIDE
            for place, stage in enumerate(CONNECTION_PATH)
            if stage is not _C.COMPLETED
        },
        # Not behind the stage in which it was put on hold: its course knows which that was.
        _C.ON_HOLD: frozenset(CONNECTION_PATH) | {_C.CANCELLED},
    },
)
# Where the CIS says that the stage before was an error, any other may follow.
CONNECTION_CORRECTIONS = Moves(
    "corrected connection order", {stage: frozenset(_C) - {stage} for stage in _C}
)

TEXT_MOVES = Moves(
    "message version",
    {
        TextState.DRAFT: frozenset({TextState.SUBMITTED, TextState.REJECTED}),
        TextState.SUBMITTED: frozenset({TextState.DRAFT, TextState.PUBLISHED, TextState.REJECTED}),
        TextState.PUBLISHED: frozenset({TextState.RETIRED}),
        # What a second person has let pass before may come back at once.
        TextState.RETIRED: frozenset({TextState.PUBLISHED}),
    },
)

BUNDLE_MOVES = Moves(
    "partner bundle",
    {
        BundleState.DRAFT: frozenset({BundleState.SHADOW, BundleState.ACTIVE}),
        BundleState.SHADOW: frozenset({BundleState.DRAFT, BundleState.ACTIVE}),
        BundleState.ACTIVE: frozenset({BundleState.RETIRED}),
        # What a second person has let pass before may come back at once.
        BundleState.RETIRED: frozenset({BundleState.ACTIVE, BundleState.SHADOW}),
    },
)

RULE_SET_MOVES = Moves(
    "rule set",
    {
        RuleSetState.DRAFT: frozenset({RuleSetState.SUBMITTED, RuleSetState.REJECTED}),
        RuleSetState.SUBMITTED: frozenset(
            {RuleSetState.DRAFT, RuleSetState.ACTIVE, RuleSetState.REJECTED}
        ),
        # An older version comes back as a new one, so that every decision names what it rests on.
        RuleSetState.ACTIVE: frozenset({RuleSetState.RETIRED}),
    },
)

REPLAY_MOVES = Moves(
    "replay",
    {
        ReplayState.PREVIEWED: frozenset(
            {ReplayState.PROPOSED, ReplayState.APPROVED, ReplayState.DROPPED}
        ),
        ReplayState.PROPOSED: frozenset({ReplayState.APPROVED, ReplayState.DROPPED}),
        ReplayState.APPROVED: frozenset({ReplayState.DONE}),
    },
)

ROUTE_MOVE_MOVES = Moves(
    "route move",
    {
        RouteMoveState.PROPOSED: frozenset({RouteMoveState.APPROVED, RouteMoveState.DROPPED}),
        RouteMoveState.APPROVED: frozenset({RouteMoveState.DONE}),
    },
)

REPLY_CASE_MOVES = Moves(
    "reply case",
    {
        ReplyCaseState.OPEN: frozenset({ReplyCaseState.TAKEN, ReplyCaseState.CLOSED}),
        ReplyCaseState.TAKEN: frozenset({ReplyCaseState.OPEN, ReplyCaseState.CLOSED}),
    },
)

INBOUND_SMS_MOVES = Moves(
    "inbound SMS",
    {InboundSmsState.WAITING: frozenset({InboundSmsState.DONE, InboundSmsState.HELD})},
)

IMPORT_MOVES = Moves(
    "environment import",
    {ImportState.WAITING: frozenset({ImportState.APPLIED, ImportState.REJECTED})},
)

OUTBOX_MOVES = Moves(
    "outbox item",
    {
        OutboxState.READY: frozenset(
            {OutboxState.CLAIMED, OutboxState.HELD, OutboxState.CANCELLED, OutboxState.DEAD}
        ),
        OutboxState.HELD: frozenset({OutboxState.READY, OutboxState.CANCELLED}),
        # CANCELLED from here: the last look before the call found it expired or unwanted. HELD:
        # its mass order was paused meanwhile.
        OutboxState.CLAIMED: frozenset(
            {
                OutboxState.SENT,
                OutboxState.READY,
                OutboxState.HELD,
                OutboxState.UNKNOWN,
                OutboxState.DEAD,
                OutboxState.CANCELLED,
            }
        ),
        OutboxState.UNKNOWN: frozenset(
            {OutboxState.SENT, OutboxState.READY, OutboxState.DEAD, OutboxState.CANCELLED}
        ),
        # Replay by an operator, under the same dedupe key.
        OutboxState.DEAD: frozenset({OutboxState.READY, OutboxState.CANCELLED}),
        # The same where a receiver has lost what it had; only if it tells repetitions by their key.
        OutboxState.SENT: frozenset({OutboxState.READY}),
    },
)

_D = DifferenceState

DIFFERENCE_MOVES = Moves(
    "difference",
    {
        _D.OPEN: frozenset({_D.REPAIRING, _D.ACCEPTED, _D.RESOLVED}),
        # Open again: a list that was taken after the repair still shows it.
        _D.REPAIRING: frozenset({_D.OPEN, _D.ACCEPTED, _D.RESOLVED}),
        _D.ACCEPTED: frozenset({_D.OPEN, _D.RESOLVED}),
    },
)

RUN_MOVES = Moves(
    "run",
    {
        RunState.RUNNING: frozenset(
            {RunState.OK, RunState.PARTLY, RunState.FAILED, RunState.KILLED}
        ),
    },
)

_S = ProcessStartState

PROCESS_START_MOVES = Moves(
    "start of a process",
    {
        _S.WAITING: frozenset({_S.RUNNING, _S.SKIPPED, _S.STOPPED}),
        # Waiting again: the worker died or was told to end.
        _S.RUNNING: frozenset({_S.DONE, _S.FAILED, _S.STOPPED, _S.WAITING}),
    },
)
