"""Whether everything has come to rest, by signs that anybody can see: the product's gauges and the ledgers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tests.chaos.evidence import Entry
from tests.chaos.told import ENDS, SMS_PROVIDERS

# What waits in these states moves by itself; HELD and DEAD wait for a person.
MOVING = ("READY", "CLAIMED", "STORED", "WAITING", "UNKNOWN")
ITEMS = re.compile(r'tiedolla_lane_items\{lane="([^"]+)",state="([^"]+)"\}')


def is_at_rest(
    metrics: Mapping[str, float] | None, ledgers: Mapping[str, Sequence[Entry]]
) -> str | None:
    """None when all is at rest, else the first sign of movement."""
    if metrics is None:
        return "the portal does not answer"
    for name, value in metrics.items():
        item = ITEMS.fullmatch(name)
        if item and value and item[2] in MOVING and not _is_held_back(metrics, item):
            return f"{value:.0f} items of {item[1]} are {item[2]}"
    if metrics.get("tiedolla_unknown_attempts"):
        return f"{metrics['tiedolla_unknown_attempts']:.0f} calls of unknown outcome"
    for provider in SMS_PROVIDERS:
        untold = _untold_texts(ledgers.get(provider, ()))
        if untold:
            return untold
    return _crews_at_work(ledgers.get("installer", ()))


def _is_held_back(metrics: Mapping[str, float], item: re.Match[str]) -> bool:
    """Whether none of them is due: an update within the hour waits, and waits for its end."""
    age = f'tiedolla_lane_oldest_seconds{{lane="{item[1]}",state="{item[2]}"}}'
    return item[2] in ("READY", "WAITING") and metrics.get(age, 1.0) <= 0


def _untold_texts(provider: Sequence[Entry]) -> str | None:
    """Texts to us that the provider has not handed over."""
    untold = {e["sid"] for e in provider if e["kind"] == "inbound" and e["callbacks"] != "none"}
    untold -= {e["sid"] for e in provider if e["kind"] == "inbound_post" and e["done"]}
    return f"{len(untold)} texts to us not handed over yet" if untold else None


def _crews_at_work(installer: Sequence[Entry]) -> str | None:
    """Orders without an end, and reports that nobody has taken yet."""
    open_orders = {e["order_id"] for e in installer if e["kind"] == "order"}
    open_orders -= {e["order_id"] for e in installer if e["kind"] == "ack" and e["type"] in ENDS}
    if open_orders:
        return f"{len(open_orders)} orders in the hands of crews, such as {min(open_orders)}"
    untaken = {
        e["ack_id"] for e in installer if e["kind"] == "ack" and e["callbacks"] != "none"
    } - {e["ack_id"] for e in installer if e["kind"] == "ack_answer" and e["done"]}
    return f"{len(untaken)} acknowledgements not taken yet" if untaken else None
