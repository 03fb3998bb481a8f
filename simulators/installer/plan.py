"""What will happen to one accepted order, decided once from the seed: steps, times, an outcome."""

from __future__ import annotations

import random
from typing import Any

from simulators.faults import Faults
from simulators.settings import Installer

# The field's failure codes with the crew's own words. The first ones stop the crew at the door,
# the others come up after the power was cut.
BEFORE_START = {
    "ACC_LOCKED": "Tekninen tila lukossa, avainta ei saatu",
    "ACC_BLOCKED": "Pääsy mittarille estynyt, tavaraa edessä",
    "ACC_DOG": "Koira pihassa, omistajaa ei tavoitettu",
    "CUS_ABSENT": "Ketään ei kotona sovittuna aikana",
    "CUS_REFUSED": "Asukas kielsi vaihdon",
    "LOG_STOCK": "Oikeaa mittaria ei ollut autossa",
    "DATA_ADDR": "Osoitteesta ei löytynyt mittauskeskusta",
}
AFTER_START = {
    "TECH_BOARD": "Mittauskeskuksen liittimet palaneet",
    "TECH_SPACE": "Uusi mittari ei mahdu keskukseen",
    "TECH_MODEL": "Kohteessa virtamuuntajat, väärä mittarityyppi",
    "DATA_METER": "Kohteen mittari on eri kuin tilauksella",
}

Plan = dict[str, Any]


def make_plan(usual: Installer, faults: Faults, seed: int, key: str, *, asks: bool = False) -> Plan:
    """The steps of a new or changed order, each with its time after the acceptance in seconds.

    asks: somebody has to be at home, so a time is proposed and the crew waits for an answer.
    """
    draw = random.Random(f"{seed} {key}")
    fails = draw.random() < _or(faults.ack_fail_ratio, usual.fail_ratio)
    is_scheduled = draw.random() < usual.scheduled_ratio
    reason = draw.choice([*BEFORE_START, *AFTER_START]) if fails else None
    steps = [("ACCEPTED", usual.accepted_after_s)]
    if is_scheduled or asks:
        steps.append(("SCHEDULED", usual.scheduled_after_s))
    if reason not in BEFORE_START:
        steps.append(("STARTED", usual.started_after_s))
    steps.append(("FAILED" if reason else "COMPLETED", usual.completed_after_s))
    timed: list[dict[str, Any]] = []
    after_s = earliest_s = waited_s = 0.0
    for kind, (shortest, longest) in steps:
        if faults.ack_delay_ms is None:
            # Two steps are never closer than their earliest times: work takes its time.
            gap_s = max(shortest - earliest_s, 0.0)
            after_s = max(after_s + gap_s, waited_s + draw.uniform(shortest, longest))
            earliest_s = shortest
        else:
            after_s += faults.ack_delay_ms / 1000
        timed.append({"type": kind, "after_s": round(after_s, 3)})
        if asks and kind == "SCHEDULED":
            waited_s = draw.uniform(*usual.answer_wait_s)
    return {"steps": timed, "reason": reason}


def make_cancel_plan(usual: Installer, faults: Faults) -> Plan:
    """The one step of an order that was called off before the crew began."""
    delay_ms = faults.ack_delay_ms
    after_s = usual.accepted_after_s[0] if delay_ms is None else delay_ms / 1000
    return {"steps": [{"type": "CANCELLED", "after_s": after_s}], "reason": None}


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
