"""Acknowledgements: are they believable, and what do all of them together make of their order?

They come late, twice and in any order, so none is applied on arrival: an order's state is derived
from the whole set, walked by (time, id), and the same set gives the same answer however it arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from app.domain.ack_checks import check_ack, effect_of
from app.domain.ack_facts import AckEffect, AckFact, AckType, MeterFacts, OrderFacts, Reading
from app.domain.findings import find
from app.domain.order_course import LATE_START, VISITS_BEFORE_RETURN, Course, Derived
from app.domain.reject_codes import RejectCode
from app.domain.states import AckVerdict, WorkOrderState

__all__ = [
    "LATE_START",
    "VISITS_BEFORE_RETURN",
    "AckEffect",
    "AckFact",
    "AckType",
    "Derived",
    "MeterFacts",
    "OrderFacts",
    "Reading",
    "check_ack",
    "derive_order_state",
    "effect_of",
    "keep_reporting",
]


def derive_order_state(
    base_state: str, acks: Iterable[AckFact], *, revision: int, partner_code: str | None
) -> Derived:
    """Derive an order's state from what it was before acknowledgements and from all of them.

    base_state, revision and partner_code are the order's own: how far our side has brought it.
    Plans (accepted, scheduled and so on) count only from the present partner and for the present
    revision; work counts from whomever did it.
    """
    facts: dict[tuple[object, ...], AckFact] = {}
    refused, repeated = [], []
    for ack in _each_once(acks):
        if ack.effect is AckEffect.REFUSE:
            refused.append(ack.ack_id)
        elif facts.setdefault(_content(ack), ack) is not ack:
            repeated.append(ack.ack_id)
    in_order = tuple(sorted(facts.values(), key=lambda ack: (ack.happened_at, ack.ack_id)))
    derived = Course(WorkOrderState(base_state), revision, partner_code, in_order).walk()
    derived.verdicts.update(dict.fromkeys(refused, AckVerdict.REJECTED))
    derived.verdicts.update(dict.fromkeys(repeated, AckVerdict.DUPLICATE))
    again = find(RejectCode.DUPLICATE, "ackId", "It says what another acknowledgement said before.")
    derived.notes.update(dict.fromkeys(repeated, again))
    return derived


def keep_reporting(derived: Derived, current: str, reported_ack_id: str | None) -> WorkOrderState:
    """The state to write: REPORTED or CLOSED stay while the completion that was reported counts.

    A correction is another completion: the order goes back to CORRECTED until that is reported.
    """
    reported = current in {WorkOrderState.REPORTED, WorkOrderState.CLOSED}
    counts = derived.completed_ack_id is not None and derived.completed_ack_id == reported_ack_id
    return WorkOrderState(current) if reported and counts else derived.state


def _each_once(acks: Iterable[AckFact]) -> list[AckFact]:
    """One acknowledgement per id in order of arrival: the first copy stays the one that counts."""
    first: dict[str, AckFact] = {}
    for ack in acks:
        known = first.setdefault(ack.ack_id, ack)
        if known != ack and _arrival(ack) < _arrival(known):
            first[ack.ack_id] = ack
    return sorted(first.values(), key=lambda ack: (ack.received_at, ack.ack_id))


def _arrival(ack: AckFact) -> tuple[datetime, str]:
    # The text decides only should one id ever come with two contents at the same instant.
    return ack.received_at, repr(ack)


# What an acknowledgement says, without its own name, the ways it took and what we thought of it.
_content = attrgetter(
    *(
        field.name
        for field in fields(AckFact)
        if field.name not in {"ack_id", "reported_at", "received_at", "effect"}
    )
)
