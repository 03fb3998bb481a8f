"""The checker: from the evidence of a run to every promise that was broken.

I1 nothing is lost, I2 nobody is told twice, I3 no effect twice, I4 never stale and never unwanted.
It believes what the outside systems recorded, and of the product only what that counts itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos import effects, notices, orders
from tests.chaos.breach import Breach
from tests.chaos.cis_world import World, read_world
from tests.chaos.evidence import Evidence
from tests.chaos.told import Ack, Message, read_acks, read_messages


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
    breaches = [
        *orders.check_files(evidence),
        *orders.check_orders(evidence, world),
        *effects.check_effects(evidence, world, acks),
        *effects.check_completions(evidence, world, acks),
        *notices.check_owed(evidence, world, acks, messages),
        *notices.check_copies(evidence, world, acks, messages),
        *notices.check_stale(evidence, world, acks, messages),
        *notices.check_wanted(evidence, world, messages),
    ]
    return Findings(breaches, Counter(dict(_counts(evidence, world, acks, messages))))


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
