"""Staging the items of a mass file: each one checked and routed alone, nothing leaves yet.

The working table holds what the orders will be made of. It is UNLOGGED, since all of it can be made
again from our own copy of the file. A slice goes through three steps, of which only the middle one
is ours: asking the database, deciding, writing. So the database works on one slice while we are at
the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import copy_line, copy_text
from app.domain.findings import Finding, has_error
from app.domain.reject_codes import Severity
from app.domain.revisions import Action, Verdict
from app.domain.routing import RouteDecision
from app.domain.states import WorkOrderState
from app.domain.work_order_checks import PointFacts
from app.services import inbound, intake, runs
from app.services.order_store import facts_json
from app.services.partner_orders import payload_bytes
from app.services.slices import Refusal, Slice, SliceResult, our_finding
from integrations.cis.types import CisWorkOrder, ParsedItem, SameItem

Numbered = tuple[int, ParsedItem | SameItem]

STAGE_COLUMNS = (
    "inbound_message_id",
    "seq",
    "verdict",
    "line",
    "item_no",
    "order_id",
    "gsrn",
    "counted",
    "content_hash",
    "source_hash",
    "municipality_code",
    "customer_id",
    "cause",
    "partner_code",
    "route_rule_id",
    "route_set_number",
    "payload_hash",
    "facts",
    "key_info",
    "payload",
)
# Which revision an order is, and what the file wants of it, is no part of what it is about.
_CONTENT = '"order_type_code":'


@dataclass(slots=True)
class Staging:
    """What is known of a file while it is read: which known items were in it, and how many rows."""

    seen: bytearray
    staged_count: int = 0
    item_count: int = 0
    same_count: int = 0
    # Items given a second time word for word.
    twice: list[int] = field(default_factory=list)

    def note(self, items: Sequence[Numbered]) -> None:
        """Count a slice that has been written."""
        same = [item.place for _, item in items if isinstance(item, SameItem)]
        for place in same:
            if self.seen[place]:
                self.twice.append(place)
            self.seen[place] = 1
        self.same_count += len(same)
        self.item_count += len(items)
        self.staged_count += len(items) - len(same)


@dataclass(frozen=True, slots=True)
class LookUps:
    """What the database knows about the points and people of a slice."""

    points: dict[str, PointFacts]
    banned: set[str]


@dataclass(slots=True)
class Prepared:
    """A slice as it is going to be written."""

    rows: list[str] = field(default_factory=list)
    findings: list[tuple[str | None, Finding]] = field(default_factory=list)
    steps: list[runs.StepRow] = field(default_factory=list)
    result: SliceResult = field(default_factory=SliceResult)


def look_up(session: Session, items: Sequence[Numbered], now: datetime) -> LookUps:
    """Ask for what the checks of a slice need."""
    orders = [item.order for _, item in items if isinstance(item, ParsedItem) and item.order]
    if not orders:
        return LookUps({}, set())
    points = intake.find_points(session, [order.gsrn for order in orders])
    return LookUps(points, intake.find_banned(session, orders, now))


def prepare(part: Slice, items: Sequence[Numbered], known: LookUps) -> Prepared:
    """Check and route each item alone; those that are as they were need nothing."""
    done = Prepared()
    counts = done.result.counts
    for seq, item in items:
        if isinstance(item, SameItem):
            counts["SAME"] += 1
            continue
        findings: tuple[Finding, ...] = ()
        if item.findings:
            findings = tuple(our_finding(finding, item.line) for finding in item.findings)
        if item.order is None:
            order_id, outcome = _name(part, item), "REJECTED"
            done.rows.append(_bad_row(part, seq, item, order_id))
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
            done.rows.append(_row(part, seq, item, order, outcome, cause, route, body))
        counts[outcome] += 1
        if findings:
            done.findings += [(order_id, finding) for finding in findings]
            if has_error(findings):
                errors = [finding for finding in findings if _is_error(finding)]
                done.result.refusals += [Refusal(order_id, finding) for finding in errors]
                done.steps.append(_step(part, item, order_id, errors))
    return done


def write(session: Session, part: Slice, done: Prepared) -> None:
    """Keep a slice."""
    copy_text(session, "mass_stage", STAGE_COLUMNS, "".join(done.rows))
    inbound.add_findings(session, part.message_id, done.findings, part.now)
    if done.steps:
        runs.add_steps(session, part.run_id, done.steps)
    part.lists.tally.flush(session, part.now)


def _row(
    part: Slice,
    seq: int,
    item: ParsedItem,
    order: CisWorkOrder,
    verdict: str,
    cause: str,
    route: RouteDecision | None,
    body: bytes | None,
) -> str:
    partner = route.partner_code if route else None
    facts = facts_json(order)
    key_info = order.key_info
    content = facts[facts.index(_CONTENT) :] + (key_info or "")
    payload = digest = None
    if body is not None:
        payload, digest = body.decode(), hashlib.sha256(body).hexdigest()
    return copy_line(
        (
            part.message_id,
            seq,
            verdict,
            item.line,
            int(item.item_no or 0),
            order.order_id,
            order.gsrn,
            "t" if item.counted else "f",
            hashlib.sha256(content.encode()).hexdigest(),
            item.source_hash,
            order.municipality_code,
            order.customer_id,
            cause,
            partner,
            route.rule_id if route else None,
            route.set_number if route else None,
            digest,
            facts,
            key_info,
            payload,
        )
    )


def _bad_row(part: Slice, seq: int, item: ParsedItem, order_id: str | None) -> str:
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
    )


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
