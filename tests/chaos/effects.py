"""I1 and I3 on the way out: each completion reaches every system, and each system once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.chaos.breach import Breach
from tests.chaos.cis_world import World
from tests.chaos.evidence import Entry, Evidence
from tests.chaos.told import Ack

DOWNSTREAM = ("nis", "dms", "billing")
COMPLETION = "WorkOrderCompletion"


def check_completions(evidence: Evidence, world: World, acks: Iterable[Ack]) -> Iterator[Breach]:
    """Whatever the installer was thanked for is known to NIS, DMS, billing and the CIS, as it was said.

    Billing is spared what was done although it had been called off: a person has to look at that.
    """
    called_off = {one.order_id for one in world.newest() if one.action == "CANCEL"}
    devices = _newest(evidence.entries("nis", "applied"), "gsrn")
    cuts = _newest(evidence.entries("dms", "applied"), "orderId")
    changes = _newest(evidence.entries("billing", "applied"), "orderId")
    files = {e["order_id"]: e for e in _completion_files(evidence)}
    points = _points(evidence)
    for ack in acks:
        if ack.type != "COMPLETED" or ack.taken_at is None:
            continue
        new_meter = ack.body["newMeter"]["number"]
        gsrn = points.get(ack.order_id, "")
        known = {
            "nis": devices.get(gsrn, {}).get("meterNumber"),
            "dms": cuts.get(ack.order_id, {}).get("meterNumber"),
            "billing": changes.get(ack.order_id, {}).get("newMeter", {}).get("number"),
        }
        if ack.order_id in called_off and known["billing"] is None:
            del known["billing"]
        for system, number in known.items():
            if number != new_meter:
                what = f"{system} knows meter {number}, the crew installed {new_meter}"
                yield Breach("I1", ack.order_id, what)
        file = files.get(ack.order_id)
        if file is None:
            yield Breach("I1", ack.order_id, "no completion file was returned to the CIS")
        elif new_meter not in file.get("text", ""):
            yield Breach("I1", ack.order_id, f"the completion file does not name meter {new_meter}")


def check_effects(evidence: Evidence, world: World, acks: Iterable[Ack]) -> Iterator[Breach]:
    """Every effect has a cause, and has happened once under one key with one content."""
    yield from _check_installer(evidence, world)
    done = Counter(ack.order_id for ack in acks if ack.type == "COMPLETED")
    for system in DOWNSTREAM:
        yield from _check_downstream(evidence, system, done)
    files = Counter(e["order_id"] for e in _completion_files(evidence))
    # The CIS hears also of the end of a visit that it had called off after its beginning.
    called_off = {one.order_id for one in world.newest() if one.action == "CANCEL"}
    begun = {ack.order_id for ack in acks if ack.type == "STARTED"}
    yield from _check_causes("cis", files, done + Counter(called_off & begun))
    for entry in evidence.entries("cis", "changed"):
        yield Breach("I3", entry["name"], "the file was replaced by one with another content")


def _check_installer(evidence: Evidence, world: World) -> Iterator[Breach]:
    taken = Counter(entry["key"] for entry in evidence.entries("installer", "order"))
    for key, count in taken.items():
        if count > 1:
            yield Breach("I3", key, f"the installer took the order {count} times")
    for entry in evidence.entries("installer", "order"):
        asked = world.revisions.get((entry["order_id"], entry["revision"]))
        if asked is None:
            yield Breach("I3", entry["key"], "the installer got an order that the CIS never sent")
        elif entry["body"].get("site", {}).get("gsrn", asked.gsrn) != asked.gsrn:
            yield Breach("I3", entry["key"], "the installer got the order for another point")
    yield from _check_refusals(evidence, "installer")


def _check_downstream(evidence: Evidence, system: str, done: Counter[str]) -> Iterator[Breach]:
    versions = Counter((e["id"], e["version"]) for e in evidence.entries(system, "applied"))
    for (name, version), count in versions.items():
        if count > 1:
            yield Breach("I3", name, f"{system} applied version {version} {count} times")
    contents: dict[str, set[str]] = {}
    for entry in evidence.entries(system, "applied", "ignored_older"):
        contents.setdefault(entry["key"], set()).add(entry["body_sha256"])
    for key, different in contents.items():
        if len(different) > 1:
            yield Breach("I3", key, f"{system} got different contents under one key")
    points = _points(evidence)
    if system == "nis":
        caused = Counter({points[order]: n for order, n in done.items() if order in points})
    else:
        caused = done
    yield from _check_causes(system, Counter(name for name, _ in versions), caused)
    yield from _check_refusals(evidence, system)


def _check_causes(system: str, happened: Counter[str], caused: Counter[str]) -> Iterator[Breach]:
    for name, count in happened.items():
        if count > caused[name]:
            what = f"{system} was changed {count} times by {caused[name]} completions"
            yield Breach("I3", name, what)


def _check_refusals(evidence: Evidence, system: str) -> Iterator[Breach]:
    for entry in evidence.entries(system, "refused"):
        what = f"{system} refused it with {entry['status']}"
        if entry["status"] == 409:
            what = f"{system} got another content under a key or version that it knew"
        yield Breach("I3", str(entry.get("key")), what)


def _completion_files(evidence: Evidence) -> list[Entry]:
    return [e for e in evidence.entries("cis", "return", "changed") if e.get("root") == COMPLETION]


def _points(evidence: Evidence) -> dict[str, str]:
    """The metering point of each order as the installer knows it."""
    return {
        entry["order_id"]: entry["body"]["site"]["gsrn"]
        for entry in evidence.entries("installer", "order")
        if "site" in entry["body"]
    }


def _newest(entries: Iterable[Entry], name: str) -> dict[str, Entry]:
    """The body of the newest version of each thing."""
    newest: dict[str, tuple[int, Entry]] = {}
    for entry in entries:
        key = entry["body"][name]
        if key not in newest or newest[key][0] < entry["version"]:
            newest[key] = (entry["version"], entry["body"])
    return {key: body for key, (_, body) in newest.items()}
