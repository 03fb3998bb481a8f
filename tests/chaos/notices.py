"""I1, I2 and I4 at the customer's end: who got which text, how often, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from tests.chaos.breach import Breach
from tests.chaos.cis_world import World
from tests.chaos.evidence import Evidence, moment
from tests.chaos.told import ANSWERS, ENDS, TOLD_BY, VISIT_OFF, VISITS_AHEAD, Ack, Message

STARTED, DONE = TOLD_BY["STARTED"], TOLD_BY["COMPLETED"]
# A call may be under way when the end of the work becomes known; what leaves later knew better.
STALE_AFTER = timedelta(seconds=3)
# What was taken is understood a moment later; while workers are killed, a longer moment.
UNDERSTOOD_AFTER = timedelta(seconds=15)
# The longest that a call may be under way when its receiver says that he wants no more.
ON_THE_WIRE = timedelta(seconds=4)

Told = tuple[str, str]

SWAP_NEWS = (*TOLD_BY.values(), *VISITS_AHEAD, VISIT_OFF)
# What a report may be told by, once each.
ALLOWED_BY = {
    **{report: (kind,) for report, kind in TOLD_BY.items()},
    **dict.fromkeys(("SCHEDULED", "RESCHEDULED"), VISITS_AHEAD),
    **dict.fromkeys(("CANCELLED", "REJECTED"), (VISIT_OFF,)),
}
# Answers, and what ends or corrects what somebody knows, also reach who wants no more.
MUST_REACH = (
    *ANSWERS,
    "PLANNED_CHANGED",
    "PLANNED_CANCELLED",
    "CORRECTION",
    "CORRECTION_STILL_OFF",
)


def check_owed(
    evidence: Evidence, world: World, acks: Sequence[Ack], messages: Iterable[Message]
) -> Iterator[Breach]:
    """Everybody got what they had to get, in their language; at most as many lack it as are unknown."""
    got = Counter((message.to, message.kind) for message in messages)
    out = {opt_out.contact for opt_out in evidence.opt_outs}
    missing: dict[str, list[Breach]] = {}
    for (contact, kind), orders in _owed(world, acks).items():
        lacking = len(orders) - got[contact, kind]
        if lacking > 0 and contact not in out:
            breach = Breach("I1", orders[-1], f"{contact} never got {kind}")
            missing.setdefault(kind, []).extend([breach] * lacking)
    for kind, breaches in missing.items():
        if len(breaches) > evidence.counted.given_up[kind]:
            yield from breaches


def check_copies(
    evidence: Evidence, world: World, acks: Sequence[Ack], messages: Sequence[Message]
) -> Iterator[Breach]:
    """Nobody got a text twice, but for the resends that the product counts and had waited with."""
    for kind, copies in count_copies(world, acks, messages).items():
        resent = evidence.counted.resent[kind]
        if copies > resent:
            yield Breach("I2", kind, f"{copies} came twice, {resent} resends are counted")
    allowed = _allowed(world, acks)
    last: dict[tuple[str, str], Message] = {}
    for message in messages:
        before = last.get((message.to, message.text))
        last[message.to, message.text] = message
        # Two visits to one person under a safety ban are told in the same words.
        if before is None or allowed[message.to, message.kind or message.text] > 1:
            continue
        apart_s = (message.at - before.at).total_seconds()
        if apart_s < evidence.doubt_s:
            what = f"the same text came again after {apart_s:.1f} s, before anybody could ask"
            yield Breach("I2", message.to, what)


def count_copies(world: World, acks: Sequence[Ack], messages: Iterable[Message]) -> Counter[str]:
    """How many texts of each kind came beyond one for each event that their receiver may hear of."""
    allowed = _allowed(world, acks)
    copies: Counter[str] = Counter()
    for told, count in Counter((m.to, m.kind or m.text) for m in messages).items():
        copies[told[1]] += max(0, count - max(1, allowed[told]))
    return copies


def _allowed(world: World, acks: Iterable[Ack]) -> Counter[Told]:
    """How often each may hear of each kind, by what crews reported."""
    allowed: Counter[Told] = Counter()
    for ack in acks:
        for contact in world.told_of(ack.order_id):
            for kind in ALLOWED_BY.get(ack.type, ()):
                allowed[contact, kind] += 1
    return allowed


def check_stale(
    evidence: Evidence, world: World, acks: Sequence[Ack], messages: Sequence[Message]
) -> Iterator[Breach]:
    """Nobody is told that work begins when its end is already known."""
    known_at = _ends_known(evidence, world, acks, messages)
    orders = _orders_by_contact(world, acks)
    for message in messages:
        if message.kind not in (STARTED, *VISITS_AHEAD):
            continue
        about = orders.get(message.to, set())
        # Of several orders of one person the text does not say which one it is about.
        ends = [known_at[order] for order in about if order in known_at]
        stale_at = max(ends, default=message.at) + STALE_AFTER + evidence.lateness
        if ends and len(ends) == len(about) and message.at > stale_at:
            late_s = (message.at - max(ends)).total_seconds()
            told = "the start" if message.kind == STARTED else "a visit"
            what = f"{message.to} was told of {told} {late_s:.1f} s after the end was known"
            yield Breach("I4", ", ".join(sorted(about)), what)


def _ends_known(
    evidence: Evidence, world: World, acks: Sequence[Ack], messages: Sequence[Message]
) -> dict[str, datetime]:
    """When the product knew of each completion: when it first did something about it, or had to."""
    did: list[tuple[str, datetime]] = [
        (entry["body"]["orderId"], moment(entry["at"]))
        for system in ("dms", "billing")
        for entry in evidence.entries(system, "applied")
    ]
    done = {m.to: m.at for m in reversed(messages) if m.kind == DONE}
    for contact, orders in _orders_by_contact(world, acks).items():
        if len(orders) == 1 and contact in done:
            did.append((next(iter(orders)), done[contact]))
    # An acknowledgement that was taken has to be understood before long.
    did += [
        (ack.order_id, ack.taken_at + UNDERSTOOD_AFTER + evidence.lateness)
        for ack in acks
        if ack.type == "COMPLETED" and ack.taken_at is not None
    ]
    known: dict[str, datetime] = {}
    for order_id, at in did:
        known[order_id] = min(at, known.get(order_id, at))
    return known


def check_wanted(
    wished: Mapping[Told, str | None], out: Mapping[str, datetime], messages: Iterable[Message]
) -> Iterator[Breach]:
    """Only who has the point and wants it is told, in the right language, until they opt out.

    wished: the language by contact and kind of text, None where any will do; out: since when who
    wants no more.
    """
    for message in messages:
        if message.kind is None:
            yield Breach("I4", message.to, f"got a text that is none of ours: {message.text[:60]}")
            continue
        if (message.to, message.kind) not in wished:
            yield Breach("I4", message.to, f"got {message.kind} and should not")
        elif (language := wished[message.to, message.kind]) not in (None, message.language):
            what = f"got {message.kind} in {message.language} instead of {language}"
            yield Breach("I4", message.to, what)
        late = message.to in out and message.at > out[message.to] + ON_THE_WIRE
        if late and message.kind not in MUST_REACH:
            yield Breach("I4", message.to, f"got {message.kind} after having opted out")


def wish_swaps(world: World) -> dict[Told, str | None]:
    """Who is to hear of meter swaps, in which language."""
    return {
        (contact, kind): language
        for order_id in world.gsrns
        for contact, language in world.told_of(order_id).items()
        for kind in SWAP_NEWS
    }


def _owed(world: World, acks: Sequence[Ack]) -> dict[Told, list[str]]:
    """Who has to get which text, and for which orders.

    That the work is done is owed in any case. Its start only where its end was never reported: a
    start that is understood late, beside its end, is rightly passed over. A failed visit only where
    the order has not been changed since: the next visit is under way then.
    """
    owed: dict[Told, list[str]] = {}
    newest = {revision.order_id: revision.number for revision in world.newest()}
    over = {ack.order_id for ack in acks if ack.type in ENDS and ack.taken_at is not None}
    for ack in acks:
        kind = TOLD_BY.get(ack.type)
        if kind is None or ack.taken_at is None:
            continue
        if ack.type == "STARTED" and ack.order_id in over:
            continue
        if ack.type == "FAILED" and ack.revision < newest.get(ack.order_id, 0):
            continue
        for contact in world.told_of(ack.order_id):
            orders = owed.setdefault((contact, kind), [])
            if ack.order_id not in orders:
                orders.append(ack.order_id)
    return owed


def _orders_by_contact(world: World, acks: Iterable[Ack]) -> dict[str, set[str]]:
    orders: dict[str, set[str]] = {}
    for ack in acks:
        if ack.type in TOLD_BY:
            for contact in world.told_of(ack.order_id):
                orders.setdefault(contact, set()).add(ack.order_id)
    return orders
