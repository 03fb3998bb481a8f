"""The checker: from the evidence of a run to every promise that was broken.

I1 nothing is lost, I2 nobody is told twice, I3 no effect twice, I4 never stale and never unwanted.
It believes what the outside systems recorded, and of the product only what that counts itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.chaos import effects, news, notices, orders
from tests.chaos.breach import Breach
from tests.chaos.cis_world import World, read_world
from tests.chaos.evidence import Evidence
from tests.chaos.outages import listeners, read_outages
from tests.chaos.told import (
    ANSWERS,
    CUT_NEWS,
    FAULT_NEWS,
    PLAN_NEWS,
    Ack,
    Message,
    read_acks,
    read_messages,
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checker found: nothing broken means that all four promises held."""

    breaches: list[Breach]
    counts: Counter[str] = field(default_factory=Counter)


def check(evidence: Evidence) -> Findings:
    """Hold the evidence against all four promises."""
    world = read_world(evidence.files)
    acks = read_acks(evidence)
    messages = read_messages(evidence)
    written = news.read_written(evidence)
    heard = news.hear(listeners(world, read_outages(evidence)), messages)
    out = _opted_out(evidence, written)
    breaches = [
        *orders.check_files(evidence),
        *orders.check_orders(evidence, world),
        *effects.check_effects(evidence, world, acks),
        *effects.check_completions(evidence, world, acks),
        *notices.check_owed(evidence, world, acks, messages),
        *notices.check_copies(evidence, world, acks, messages),
        *notices.check_stale(evidence, world, acks, messages),
        *notices.check_wanted(_wished(world, heard, written), out, messages),
        *news.check_true(evidence, heard),
        *news.check_owed(evidence, heard, {*out, *(one.contact for one in written if one.stops)}),
        *news.check_untold(evidence, heard),
        *news.check_pace(evidence, heard),
        *news.check_answers(evidence, written, messages),
    ]
    counts = Counter(dict(_counts(evidence, world, acks, messages)))
    return Findings(breaches, counts + Counter(dict(_news_counts(heard, written))))


def _opted_out(evidence: Evidence, written: list[news.Written]) -> dict[str, datetime]:
    """Since when the product has known who wants no more."""
    out = {one.contact: one.done_at for one in evidence.opt_outs}
    for one in written:
        if one.stops and one.taken_at is not None:
            out[one.contact] = min(one.taken_at, out.get(one.contact, one.taken_at))
    return out


def _wished(
    world: World, heard: list[news.Heard], written: list[news.Written]
) -> dict[notices.Told, str | None]:
    """Who is to hear of what: swaps, outages, and answers to what they wrote."""
    wished = notices.wish_swaps(world)
    for one in heard:
        kinds = FAULT_NEWS if one.who.outage.kind == "FAULT" else PLAN_NEWS
        wished |= dict.fromkeys(((one.who.contact, kind) for kind in kinds), one.who.language)
    stopped = {one.contact for one in written if one.stops}
    for outage in {one.who.outage.ref: one.who.outage for one in heard}.values():
        if outage.kind == "PLANNED":
            # A legal notice goes to another contact rather than to nobody.
            for person in (p for gsrn in outage.touched for p in world.people_at(gsrn)):
                if stopped.intersection(person.contacts):
                    keys = ((contact, kind) for contact in person.others for kind in PLAN_NEWS)
                    wished |= dict.fromkeys(keys, person.language)
    # An answer is in the language of the word.
    wished |= {(one.contact, kind): None for one in written for kind in ANSWERS}
    return wished


def _news_counts(heard: list[news.Heard], written: list[news.Written]) -> Iterator[tuple[str, int]]:
    """How much there was to get wrong about outages and answers."""
    yield "listeners of faults", sum(one.who.outage.kind == "FAULT" for one in heard)
    yield "told of a cut", sum(bool(one.of(*CUT_NEWS)) for one in heard)
    yield "told of its end", sum(bool(one.of(news.RESTORED)) for one in heard)
    yield "corrected", sum(bool(one.of(news.CORRECTION)) for one in heard)
    yield "told of a plan", sum(bool(one.of(news.NOTICE)) for one in heard)
    yield "told that it is off", sum(bool(one.of(news.CANCELLED)) for one in heard)
    yield "ends without a beginning", len(news.untold_ends(heard))
    yield "texts to us", len(written)


def _counts(
    evidence: Evidence, world: World, acks: list[Ack], messages: list[Message]
) -> Iterator[tuple[str, int]]:
    """How much there was to get wrong; a run without work proves nothing."""
    yield "files", len(evidence.files)
    yield "orders", len(world.newest())
    yield "orders at the installer", len(evidence.entries("installer", "order"))
    yield "acknowledgements taken", sum(ack.taken_at is not None for ack in acks)
    yield "completions", sum(a.type == "COMPLETED" and a.taken_at is not None for a in acks)
    for system in ("nis", "dms", "billing"):
        yield f"changes at {system}", len(evidence.entries(system, "applied"))
        yield f"repetitions at {system}", len(evidence.entries(system, "repeat", "ignored_older"))
    yield "repetitions at the installer", len(evidence.entries("installer", "repeat"))
    yield "files returned to the CIS", len(evidence.entries("cis", "return"))
    yield "messages", len(messages)
    yield "messages sent again", evidence.counted.resent.total()
    yield "messages of which nobody knows", evidence.counted.given_up.total()
    yield "copies that somebody got", notices.count_copies(world, acks, messages).total()
    yield "opt-outs", len(evidence.opt_outs)
