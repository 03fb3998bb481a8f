"""Deciding about the items of a mass file: each one checked and routed alone.

Nothing here asks the database: what it knows comes along as `LookUps`. So a batch can be read and
decided about in other processes, which are given and give back bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from app.db import copy_cell, copy_line
from app.domain.findings import Finding, has_error
from app.domain.reject_codes import Severity
from app.domain.revisions import Action, Verdict
from app.domain.routing import RouteDecision
from app.domain.states import WorkOrderState
from app.domain.work_order_checks import PointFacts
from app.services import intake, runs
from app.services.bundle_tally import Noticed
from app.services.order_store import content_json, facts_bytes
from app.services.partner_orders import payload_bytes
from app.services.slices import MassContext, Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import CisWorkOrder, ParsedItem

# An item and its place in the file.
Numbered = tuple[int, ParsedItem]
_items = msgspec.msgpack.Decoder(list[Numbered])


class Batch(msgspec.Struct, frozen=True):
    """Items one after the other, as they travel between processes.

    items: those that are not as they were, encoded; count: how many these are; gsrns and customers:
    whom they name; same: the places of the others among the known ones.
    """

    items: bytes
    count: int
    gsrns: list[str]
    customers: list[str]
    same: list[int]

    @classmethod
    def of(cls, items: Sequence[Numbered], same: Sequence[int] = ()) -> Batch:
        """A batch of these items and of those that are as they were."""
        orders = [item.order for _, item in items if item.order]
        return cls(
            msgspec.msgpack.encode(items),
            len(items),
            [order.gsrn for order in orders],
            [order.customer_id for order in orders if order.customer_id],
            list(same),
        )

    def numbered(self) -> list[Numbered]:
        """The items themselves."""
        return _items.decode(self.items)


# Which revision an order is, and what the file wants of it, is no part of what it is about.
_CONTENT = b'"order_type_code":'


@dataclass(frozen=True, slots=True)
class LookUps:
    """What the database knows about the points and people of a slice."""

    points: dict[str, PointFacts]
    banned: set[str]


@dataclass(slots=True)
class Prepared:
    """A slice as it is going to be written: rows as COPY reads them, and what was found."""

    rows: bytes
    counts: dict[str, int]
    findings: list[tuple[str | None, Finding]] = field(default_factory=list)
    steps: list[runs.StepRow] = field(default_factory=list)
    # What another process noticed of shadows; in ours it is in the tally already.
    noticed: Noticed | None = None

    @property
    def result(self) -> SliceResult:
        """What became of the slice."""
        told = [Refusal(order_id, one) for order_id, one in self.findings if _is_error(one)]
        return SliceResult(Counter(self.counts), told)


def prepare(part: Slice, items: Sequence[Numbered], known: LookUps) -> Prepared:
    """Check and route each item alone."""
    rows: list[bytes] = []
    counts: Counter[str] = Counter()
    done = Prepared(b"", counts)
    for seq, item in items:
        findings: tuple[Finding, ...] = ()
        if item.findings:
            findings = tuple(our_finding(finding, item.line) for finding in item.findings)
        if item.order is None:
            order_id, outcome = _name(part, item), "REJECTED"
            rows.append(_bad_row(part, seq, item, order_id))
        else:
            order = intake.guarded(item.order, known.banned)
            order_id = order.order_id
            weighed = intake.weigh(order, "", None, known.points, part)
            outcome = "REJECTED" if weighed.state is WorkOrderState.REJECTED else "NEW"
            if order.action == Action.CANCEL:
                outcome = Verdict.CANCEL
            elif weighed.findings:
                findings += tuple(replace(f, line=item.line) for f in weighed.findings)
            route = weighed.route
            cause = route.reason if route else ", ".join(f.code for f in findings if _is_error(f))
            body = payload_bytes(weighed.made) if weighed.made is not None else None
            rows.append(_row(part, seq, item, order, outcome, cause, route, body))
        counts[outcome] += 1
        if findings:
            done.findings += [(order_id, finding) for finding in findings]
            if has_error(findings):
                errors = [finding for finding in findings if _is_error(finding)]
                done.steps.append(_step(part, item, order_id, errors))
    done.rows = b"".join(rows)
    return done


class _Question(msgspec.Struct, frozen=True):
    now: datetime
    mass: MassContext | None
    items: msgspec.Raw
    known: LookUps


_questions = msgspec.msgpack.Decoder(_Question)
_answers = msgspec.msgpack.Decoder(Prepared)


def put_question(part: Slice, batch: Batch, known: LookUps) -> bytes:
    """A batch for another process to decide about."""
    items = msgspec.Raw(batch.items)
    return msgspec.msgpack.encode(_Question(part.now, part.mass, items, known))


def answer_question(part: Slice, question: bytes) -> bytes:
    """Decide there; part is that of the file."""
    asked = _questions.decode(question)
    items = _items.decode(asked.items)
    done = prepare(replace(part, now=asked.now, mass=asked.mass), items, asked.known)
    done.noticed = part.lists.tally.take()
    return msgspec.msgpack.encode(done)


def read_answer(answer: bytes) -> Prepared:
    """What the other process decided."""
    return _answers.decode(answer)


def _row(
    part: Slice,
    seq: int,
    item: ParsedItem,
    order: CisWorkOrder,
    verdict: str,
    cause: str,
    route: RouteDecision | None,
    body: bytes | None,
) -> bytes:
    key_info = order.key_info
    plain = msgspec.structs.replace(order, key_info=None) if key_info else order
    whole = content_json(plain)
    content = whole[whole.index(_CONTENT) :] + (key_info or "").encode()
    digest = hashlib.sha256(body).hexdigest() if body is not None else None
    head = (
        f"{part.message_id}\t{seq}\t{verdict}\t{item.line}\t{int(item.item_no or 0)}"
        f"\t{copy_cell(order.order_id)}\t{copy_cell(order.gsrn)}\t{'t' if item.counted else 'f'}"
        f"\t{hashlib.sha256(content).hexdigest()}\t{item.source_hash}"
        f"\t{copy_cell(order.municipality_code)}\t{copy_cell(order.customer_id)}"
        f"\t{copy_cell(cause)}\t{copy_cell(route and route.partner_code)}"
        f"\t{_number(route and route.rule_id)}\t{_number(route and route.set_number)}"
        f"\t{copy_cell(digest)}\t{copy_cell(key_info)}"
    )
    return b"\t".join((head.encode(), _json_cell(facts_bytes(plain)), _json_cell(body))) + b"\n"


def _json_cell(told: bytes | None) -> bytes:
    # JSON writes out line breaks and tabs, so only a backslash could mean something.
    return b"\\N" if told is None else told.replace(b"\\", b"\\\\")


def _number(given: int | None) -> str:
    return "\\N" if given is None else str(given)


def _bad_row(part: Slice, seq: int, item: ParsedItem, order_id: str | None) -> bytes:
    """An item that could not be read takes its number, so that another one cannot have it."""
    number = item.item_no or ""
    known = number.isascii() and number.isdecimal() and len(number) <= 9
    return copy_line(
        (
            part.message_id,
            seq,
            "BAD",
            item.line,
            int(number) if known else None,
            order_id,
            None,
            "t" if item.counted else "f",
            None,
            item.source_hash,
            *(None,) * 10,
        )
    ).encode()


def _name(part: Slice, item: ParsedItem) -> str | None:
    if part.mass is None or item.item_no is None:
        return None
    return f"{part.mass.mass_id}-{item.item_no}"[:80]


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _step(
    part: Slice, item: ParsedItem, order_id: str | None, errors: Sequence[Finding]
) -> runs.StepRow:
    codes = [str(finding.code) for finding in errors]
    keys = [key for key in (order_id, item.order.gsrn if item.order else None) if key]
    if part.mass is not None:
        keys.append(part.mass.mass_id)
    return runs.StepRow(
        name="mass item",
        state="REJECTED",
        keys=tuple(keys),
        started_at=part.now,
        detail=", ".join(codes),
        error_class=codes[0],
    )
