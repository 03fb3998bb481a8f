"""I1 on the way in: every file the CIS dropped was taken, every order in it reached the installer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tests.chaos.breach import Breach
from tests.chaos.cis_world import World
from tests.chaos.evidence import Evidence
from tests.chaos.told import read_acks

PUT_AWAY = ("archive", "quarantine")
# An order that is called off, or changed, after work has begun is refused, and the CIS is told so.
TOO_LATE = frozenset({"CANCEL_TOO_LATE", "REVISION_CONFLICT"})


def check_files(evidence: Evidence) -> Iterator[Breach]:
    """What was dropped lies in the archive, byte for byte; none is lost or left half-way."""
    places: dict[str, set[str]] = {}
    for file in evidence.files:
        places.setdefault(hashlib.sha256(file.body).hexdigest(), set()).add(file.folder)
    for put in evidence.entries("cis", "put"):
        found = places.get(put["sha256"], set())
        if not found:
            yield Breach("I1", put["name"], "the file is nowhere any more")
        elif not found.intersection(PUT_AWAY):
            yield Breach("I1", put["name"], f"the file was left in {', '.join(sorted(found))}")
    for file in evidence.files:
        if file.folder == "quarantine":
            yield Breach("I1", file.name, "a good file was put into quarantine")


def check_orders(evidence: Evidence, world: World) -> Iterator[Breach]:
    """The newest revision of each order is at the installer, or the CIS was told why not."""
    arrived = {(e["order_id"], e["revision"]) for e in evidence.entries("installer", "order")}
    refused = {
        order_id
        for entry in evidence.entries("cis", "return")
        if entry.get("root") == "RejectMessage" and TOO_LATE.intersection(entry["codes"])
        for order_id in entry["order_ids"]
    }
    first_known = {key[0] for key in arrived}
    at_work = _at_work(evidence)
    for revision in world.newest():
        if (revision.order_id, revision.number) in arrived:
            continue
        if revision.order_id in refused and revision.order_id in first_known:
            continue
        if revision.action == "UPDATE" and revision.order_id in at_work:
            # What changes during work waits for its end, of which nobody has told us.
            continue
        if revision.action == "CANCEL" and revision.order_id not in first_known:
            # It was called off before it had left, so the installer never needs to hear of it.
            continue
        what = f"revision {revision.number} ({revision.action}) never reached the installer"
        yield Breach("I1", revision.order_id, what)


def _at_work(evidence: Evidence) -> set[str]:
    """Orders whose visit has begun and not ended, by all that we were told and thanked for."""
    newest = {ack.order_id: ack.type for ack in read_acks(evidence) if ack.taken_at is not None}
    return {order_id for order_id, kind in newest.items() if kind == "STARTED"}
