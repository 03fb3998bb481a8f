"""A made-up run in which every promise was kept; tests change one thing of it and expect a cry."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import Wish, order_id_of, write_work_orders
from simulators.cis.world import Point, make_point, make_points
from tests.chaos.evidence import CisFile, Counted, Evidence, OptOut
from tests.chaos.told import TOLD_BY

BEGAN = datetime(2026, 5, 5, 9, 0, tzinfo=UTC)
SEED = 7
# Points 1 to 8 show each kind of customer; 4 wants nothing, 12 had somebody else before.
POINTS = 12
SMS_POINT, MAIL_POINT, SILENT_POINT, SWEDISH_POINT, UNENDED_POINT = 1, 3, 4, 2, 5
WISH = Wish("MVM", "NEW", 1, "STORY")
TEXTS = {
    ("METER_SWAP_STARTED", "fi"): "Verkkoyhtio: Mittarinvaihto alkoi klo 12.00, Koivutie 1."
    " Sähköt ovat poikki noin 20 min. Ilmoitamme, kun työ on valmis.",
    ("METER_SWAP_DONE", "fi"): "Verkkoyhtio: Mittarinvaihto valmis klo 12.20, Koivutie 1."
    " Sähköt on kytketty. Jos sähköä ei ole, tarkista pääkytkin tai soita 0800 123 45.",
    ("METER_SWAP_FAILED", "fi"): "Verkkoyhtio: Mittarinvaihtoa (Koivutie 1) ei voitu tehdä 5.5.:"
    " kukaan ei ollut kotona. Vanha mittari jäi käyttöön. Ilmoitamme uuden ajan.",
    ("METER_SWAP_STARTED", "sv"): "Verkkoyhtio: Mätarbytet började kl. 12.00, Koivutie 1."
    " Strömmen är bruten ca 20 min. Vi meddelar när arbetet är klart.",
    ("METER_SWAP_DONE", "sv"): "Verkkoyhtio: Mätarbytet klart kl. 12.20, Koivutie 1. Strömmen är"
    " påkopplad. Saknar du ström, kontrollera huvudbrytaren eller ring 0800 123 45.",
}
SUBJECTS = {
    ("METER_SWAP_STARTED", "en"): "Meter replacement started at 12.00",
    ("METER_SWAP_DONE", "en"): "Meter replacement done at 12.20",
}


@dataclass
class Story:
    """The evidence of a run, open to be tampered with."""

    ledgers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: list[CisFile] = field(default_factory=list)
    opt_outs: list[OptOut] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    doubt_s: float = 5.0
    late_s: float = 0.0

    def evidence(self) -> Evidence:
        """What the checker gets to see."""
        return Evidence(
            self.ledgers, self.files, self.opt_outs, self.counted, self.doubt_s, self.late_s
        )

    def note(self, system: str, kind: str, at_s: float, **facts: Any) -> dict[str, Any]:
        """Add an entry to a ledger, so many seconds after the beginning."""
        ledger = self.ledgers.setdefault(system, [])
        entry = {"n": len(ledger) + 1, "at": at(at_s).isoformat(), "kind": kind, **facts}
        ledger.append(entry)
        return entry

    def entry(self, system: str, kind: str, **wanted: Any) -> dict[str, Any]:
        """The first entry of that kind in which these facts stand."""
        return next(
            entry
            for entry in self.ledgers[system]
            if entry["kind"] == kind and wanted.items() <= entry.items()
        )

    def repeat(self, system: str, entry: dict[str, Any], later_s: float) -> dict[str, Any]:
        """The same entry once more, so much later."""
        copied = copy.deepcopy(entry)
        moment = datetime.fromisoformat(entry["at"]) + timedelta(seconds=later_s)
        copied |= {"n": len(self.ledgers[system]) + 1, "at": moment.isoformat()}
        self.ledgers[system].append(copied)
        return copied

    def forget(self, system: str, entry: dict[str, Any]) -> None:
        """Take an entry out."""
        self.ledgers[system].remove(entry)


def tell_story(folder: Path) -> Story:
    """Five orders, four of them completed; the installer never tells of the end of the fifth."""
    story = Story()
    write_master_data(folder / "master", make_points(SEED, 1, POINTS), 1, BEGAN)
    write_work_orders(folder / "orders", make_points(SEED, 1, 5), WISH, BEGAN)
    for name in ("master", "orders"):
        body = (folder / name).read_bytes()
        story.files.append(CisFile("archive", f"{name}.xml", body))
        digest = hashlib.sha256(body).hexdigest()
        story.note("cis", "put", 0, folder="inbox", name=f"{name}.xml", sha256=digest)
    for number in range(1, 6):
        _swap(story, make_point(SEED, number))
    return story


def at(seconds: float) -> datetime:
    """A moment of the story."""
    return BEGAN + timedelta(seconds=seconds)


def order_of(number: int) -> str:
    """The order for a point."""
    return order_id_of(WISH, make_point(SEED, number))


def phone_of(number: int) -> str:
    """The phone of a point's customer."""
    return str(make_point(SEED, number).customer.phone)


def _swap(story: Story, point: Point) -> None:
    order_id, meter = order_id_of(WISH, point), f"6534{point.number:06d}"
    body = {"orderId": order_id, "site": {"gsrn": point.gsrn}}
    key = f"{order_id}-1"
    story.note("installer", "order", 10, key=key, order_id=order_id, revision=1, body=body)
    _report(story, point, "STARTED", 20, {})
    if point.number == UNENDED_POINT:
        return
    _report(story, point, "COMPLETED", 40, {"newMeter": {"number": meter}})
    for system, name, change in (
        ("nis", point.gsrn, {"gsrn": point.gsrn, "meterNumber": meter}),
        ("dms", order_id, {"orderId": order_id, "meterNumber": meter}),
        ("billing", order_id, {"orderId": order_id, "newMeter": {"number": meter}}),
    ):
        facts = {"key": f"{system}-{order_id}", "id": name, "version": 1, "body": change}
        story.note(system, "applied", 42, **facts, body_sha256=meter, status="OK")
    file = {"name": f"{order_id}.xml", "root": "WorkOrderCompletion", "order_id": order_id}
    story.note("cis", "return", 43, **file, order_ids=[order_id], codes=[], text=f"<x>{meter}</x>")


def _report(story: Story, point: Point, kind: str, at_s: float, more: dict[str, Any]) -> None:
    order_id = order_id_of(WISH, point)
    ack_id = f"{order_id} {kind}"
    facts = {"ack_id": ack_id, "order_id": order_id, "revision": 1, "type": kind}
    story.note("installer", "ack", at_s, **facts, callbacks="normal", body=more)
    story.note("installer", "ack_answer", at_s, **facts, answered=202, done=True)
    person, told = point.customer, TOLD_BY[kind]
    if person.channel == "SMS":
        text = TEXTS[told, person.language]
        story.note("twilio", "message", at_s + 1, to=person.phone, body=text)
    elif person.channel == "EMAIL":
        subject = SUBJECTS[told, person.language]
        story.note("sendgrid", "mail", at_s + 1, to=person.email, subject=subject, text="…")
