"""What the CIS asked for, read from its own files: orders, and who is to be told of what happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from lxml import etree

from tests.chaos.evidence import CisFile


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of an order as it was dropped."""

    order_id: str
    number: int
    action: str
    gsrn: str


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of the CIS; contacts of the wished channel alone, none for who wants nothing.

    others: of the other channel, for what has to reach somebody who has left the wished one.
    """

    customer_id: str
    language: str
    contacts: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Who has a metering point from which day, to and including which day."""

    customer_id: str
    first: date
    last: date | None

    def holds_on(self, day: date) -> bool:
        """Whether the customer has the point on that day."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(slots=True)
class World:
    """All that the archived files said; contracts by metering point and by their own id."""

    revisions: dict[tuple[str, int], Revision] = field(default_factory=dict)
    gsrns: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    contracts: dict[str, dict[str, Contract]] = field(default_factory=dict)

    def newest(self) -> list[Revision]:
        """The revision of each order that counts in the end."""
        newest: dict[str, Revision] = {}
        for revision in self.revisions.values():
            known = newest.get(revision.order_id)
            if known is None or known.number < revision.number:
                newest[revision.order_id] = revision
        return list(newest.values())

    def told_of(self, order_id: str) -> dict[str, str]:
        """The contacts that are told of an order today, each with its language."""
        return self.told_at(self.gsrns.get(order_id, ""))

    def told_at(self, gsrn: str) -> dict[str, str]:
        """The contacts that are told of a metering point today, each with its language."""
        people = self.people_at(gsrn)
        return {contact: person.language for person in people for contact in person.contacts}

    def people_at(self, gsrn: str) -> list[Person]:
        """Who has a metering point today."""
        today = datetime.now(UTC).date()
        return [
            self.people[contract.customer_id]
            for contract in self.contracts.get(gsrn, {}).values()
            if contract.holds_on(today) and contract.customer_id in self.people
        ]


def read_world(files: Iterable[CisFile]) -> World:
    """Read the archived files; only what was archived was taken."""
    world = World()
    for file in files:
        if file.folder != "archive":
            continue
        for record in etree.fromstring(file.body):
            read = _READERS.get(etree.QName(record).localname)
            if read is not None:
                read(world, record)
    return world


def _read_order(world: World, record: etree._Element) -> None:
    revision = Revision(
        order_id=_text(record, "OrderId"),
        number=int(_text(record, "Revision")),
        action=_text(record, "Action"),
        gsrn=_text(record, "MeteringPoint", "Identification"),
    )
    world.revisions[revision.order_id, revision.number] = revision
    world.gsrns[revision.order_id] = revision.gsrn


def _read_customer(world: World, record: etree._Element) -> None:
    contacts = [
        (_text(contact, "Kind"), _text(contact, "Value").lower())
        for contact in record.iterfind("{*}Contacts/{*}Contact")
    ]
    channel = _text(record, "PreferredChannel") or (contacts[0][0] if contacts else "NONE")
    customer_id = _text(record, "CustomerId")
    wished = tuple(value for kind, value in contacts if kind == channel)
    if not wished and channel != "NONE":
        # The other channel has to do when there is no contact of the wished one.
        wished = tuple(value for _, value in contacts)
    others = tuple(value for _, value in contacts if wished and value not in wished)
    world.people[customer_id] = Person(customer_id, _text(record, "Language"), wished, others)


def _read_contract(world: World, record: etree._Element) -> None:
    moved_out = _text(record, "MovedOutOn")
    of_point = world.contracts.setdefault(_text(record, "Identification"), {})
    of_point[_text(record, "ContractId")] = Contract(
        _text(record, "CustomerId"),
        date.fromisoformat(_text(record, "MovedInOn")),
        date.fromisoformat(moved_out) if moved_out else None,
    )


def _text(record: etree._Element, *path: str) -> str:
    found = record.find("/".join(f"{{*}}{name}" for name in path))
    return "" if found is None or found.text is None else found.text.strip()


_READERS = {"WorkOrder": _read_order, "Customer": _read_customer, "Contract": _read_contract}
