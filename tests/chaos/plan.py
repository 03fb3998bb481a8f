"""What will go wrong and what will be asked, decided beforehand from the seed: the same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.news_plan import NewsPlan, make_news

# Seconds between two kills; a forked child is back in a fraction of it.
KILL_EVERY_S = 0.5
FAULTS_EVERY_S = 0.6
FILES_EVERY_S = 1.0
# One spell ends before the next system has one; it is longer than our patience with a call.
SPELL_EVERY_S, SPELL_S = 4.0, 3.6
FOR_EVER_S = 60.0
# Longer than a lease lasts in these runs, so that a frozen sender wakes up without it.
FREEZE_S = 13.5
ORDERS_PER_FILE = 3
# Points in the world beyond those with an order: their customers must never hear of anything.
BYSTANDERS = 10
CALLS = ("installer", "nis", "dms", "billing", "twilio", "twilio2", "sendgrid")
PROVIDERS = ("twilio", "twilio2", "sendgrid")
REPORTING = ("installer", *PROVIDERS)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """At which second, what is done, and to whom: kill NAME, ambush LANE, freeze and thaw LANE,
    faults SYSTEM, flush and opt-out."""

    at_s: float
    what: str
    whom: str = ""
    faults: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """A file of the CIS: orders for points first to first + count - 1."""

    at_s: float
    first: int
    count: int
    revision: int = 1
    action: str = "NEW"
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    duration_s: float
    point_count: int
    disturbances: list[Disturbance]
    drops: list[Drop]
    news: NewsPlan


def make_plan(seed: int, kills: int, lanes: list[str]) -> Plan:
    """Kills at even pace for as long as they last, faults and work all the while."""
    draw = random.Random(seed)  # noqa: S311 - the same seed has to mean the same run.
    duration_s = kills * KILL_EVERY_S
    drops = list(_drops(draw, duration_s))
    point_count = max(drop.first + drop.count for drop in drops) - 1
    disturbances = [
        *_kills(draw, kills, lanes),
        *_freezes(draw, duration_s, lanes),
        *_flushes(draw, duration_s),
        *_faults(draw, duration_s),
        *(Disturbance(draw.uniform(0.1, 0.9) * duration_s, "opt-out") for _ in range(3)),
    ]
    return Plan(
        seed,
        duration_s,
        point_count,
        sorted(disturbances, key=lambda one: one.at_s),
        drops,
        make_news(seed, duration_s, point_count + BYSTANDERS),
    )


def _kills(draw: random.Random, kills: int, lanes: list[str]) -> Iterator[Disturbance]:
    """Every process takes its turn; those with most in their hands more often."""
    busy = ["sms", "email", "acks", "receipts", "intake", "poll_cis"]
    busy += ["notices", "network", "replies", "notices"]
    busy += [lane for lane in lanes if lane.startswith("partner.")]
    deck: list[str] = []
    for number in range(kills):
        if not deck:
            deck = [*lanes, *busy, "sms", "dispatcher", "dispatcher", "web", "web worker"]
            deck += ["postgres", "valkey"]
            draw.shuffle(deck)
        at_s = (number + draw.random()) * KILL_EVERY_S
        whom = deck.pop()
        # Half of the senders' deaths come when a provider has just taken what they sent.
        is_ambush = whom in ("sms", "email") and draw.random() < 0.5
        yield Disturbance(at_s, "ambush" if is_ambush else "kill", whom)


def _freezes(draw: random.Random, duration_s: float, lanes: list[str]) -> Iterator[Disturbance]:
    """A sender stands still, as on a machine that is moved, until its lease is over."""
    senders = ["sms", "email", *(lane for lane in lanes if lane.startswith("partner."))]
    for number in range(max(1, int(duration_s / 15))):
        at_s = draw.uniform(0.1, max(0.2, duration_s - FREEZE_S))
        whom = senders[number % len(senders)]
        yield Disturbance(at_s, "freeze", whom)
        yield Disturbance(at_s + FREEZE_S, "thaw", whom)


def _flushes(draw: random.Random, duration_s: float) -> Iterator[Disturbance]:
    for _ in range(max(2, int(duration_s / 10))):
        yield Disturbance(draw.uniform(0, duration_s), "flush")


def _faults(draw: random.Random, duration_s: float) -> Iterator[Disturbance]:
    """Each system's faults are drawn anew every few seconds, except while it has a bad spell."""
    spells = list(_spells(draw, duration_s))
    for at_s, system, faults in spells:
        yield Disturbance(at_s, "faults", system, faults)
        yield Disturbance(at_s + SPELL_S, "faults", system, _draw_faults(draw, system))
        if "fail_ratio" in faults and system in PROVIDERS:
            # Texts wait at the sender now: who wants no more must not get one of them later.
            yield from (Disturbance(at_s + SPELL_S * part, "opt-out") for part in (0.6, 0.9))
    for system in (*CALLS, "cis"):
        yield Disturbance(0.0, "faults", system, _draw_faults(draw, system))
    for number in range(1, int(duration_s / FAULTS_EVERY_S)):
        at_s, system = number * FAULTS_EVERY_S, draw.choice([*CALLS, *REPORTING, "cis"])
        if not any(system == bad and 0 <= at_s - begin <= SPELL_S for begin, bad, _ in spells):
            yield Disturbance(at_s, "faults", system, _draw_faults(draw, system))


def _spells(draw: random.Random, duration_s: float) -> Iterator[tuple[float, str, dict[str, Any]]]:
    """A system answers nobody, having done what was asked, or refuses everybody."""
    hang, outage = {"hang_s": FOR_EVER_S}, {"fail_ratio": 1.0, "status": 503}
    deck: list[tuple[str, dict[str, Any]]] = []
    for number in range(max(1, int(duration_s / SPELL_EVERY_S))):
        if not deck:
            others = [(system, draw.choice((hang, outage))) for system in CALLS]
            deck = [*others, *((system, kind) for system in PROVIDERS for kind in (hang, outage))]
            draw.shuffle(deck)
        system, kind = deck.pop()
        yield (number + 0.5) * SPELL_EVERY_S, system, {**kind, "seed": draw.getrandbits(30)}


def _draw_faults(draw: random.Random, system: str) -> dict[str, Any]:
    """About one call in ten goes wrong, before or after it has had its effect."""
    if system == "cis":
        # One poll is a dozen requests.
        ratios = ("drop_before_ratio", "drop_answer_ratio", "fail_ratio", "fail_after_ratio")
        return {**dict.fromkeys(ratios, 0.005), "seed": draw.getrandbits(30)}
    faults: dict[str, Any] = {
        "delay_ms": 10,
        "jitter_ms": draw.choice((40, 150)),
        # The answer to what has been recorded is this late: long enough to die while waiting.
        "hang_s": draw.choice((0.0, 0.2, 0.5)),
        "drop_before_ratio": 0.02,
        "drop_answer_ratio": 0.03,
        "fail_after_ratio": 0.02,
        "fail_ratio": 0.04,
        "status": draw.choice((429, 500, 503)),
        "retry_after_s": draw.choice((None, 1)),
        "seed": draw.getrandbits(30),
    }
    if system in REPORTING:
        chances = (45, 25, 20, 10)
        kinds = ("normal", "duplicate", "late", "none")
        faults["callbacks"] = draw.choices(kinds, chances)[0]
        faults["late_s"] = 4.0
    if system in ("twilio", "twilio2"):
        # The list knows a message a while after it was taken, or as good as never.
        faults["list_lag_s"] = draw.choice((0.0, 0.0, 2.0, 6.0, 120.0))
    return {name: value for name, value in faults.items() if value is not None}


def _drops(draw: random.Random, duration_s: float) -> Iterator[Drop]:
    """New orders all the time; some files come twice, some orders are changed or called off later."""
    for number in range(max(1, int(duration_s / FILES_EVERY_S))):
        first, at_s = 1 + number * ORDERS_PER_FILE, number * FILES_EVERY_S
        yield Drop(at_s, first, ORDERS_PER_FILE, twice=number % 9 == 4)
        action = {3: "UPDATE", 6: "CANCEL"}.get(number % 8)
        if action is not None:
            yield Drop(at_s + draw.uniform(0.2, 6.0), first, 1, revision=2, action=action)
