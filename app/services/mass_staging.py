"""Staging the items of a mass file: each one checked and routed alone, nothing leaves yet.

The working table holds what the orders will be made of. It is UNLOGGED, since all of it can be made
again from our own copy of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.findings import Finding, has_error
from app.domain.reject_codes import Severity
from app.domain.revisions import Action, Verdict
from app.domain.states import WorkOrderState
from app.services import inbound, intake, runs
from app.services.order_store import facts_json
from app.services.partner_orders import partner_payload
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


def stage_slice(
    session: Session, part: Slice, items: Sequence[Numbered], staging: Staging
) -> SliceResult:
    """Check, route and keep a slice of items; those that are as they were need nothing."""
    result = SliceResult()
    fresh: list[tuple[int, ParsedItem]] = []
    same: list[int] = []
    for seq, item in items:
        if isinstance(item, SameItem):
            same.append(item.place)
        else:
            fresh.append((seq, item))
    if fresh:
        _stage(session, part, fresh, result)
    for place in same:
        if staging.seen[place]:
            staging.twice.append(place)
        staging.seen[place] = 1
    staging.same_count += len(same)
    staging.staged_count += len(fresh)
    staging.item_count += len(items)
    result.counts["SAME"] += len(same)
    return result


def _stage(
    session: Session, part: Slice, items: Sequence[tuple[int, ParsedItem]], result: SliceResult
) -> None:
    orders = [item.order for _, item in items if item.order]
    points = intake.find_points(session, [order.gsrn for order in orders])
    banned = intake.find_banned(session, orders, part.now)
    rows: list[tuple[Any, ...]] = []
    kept: list[tuple[str | None, Finding]] = []
    steps: list[runs.StepRow] = []
    for seq, item in items:
        findings = tuple(our_finding(finding, item.line) for finding in item.findings)
        if item.order is None:
            order_id = _name(part, item)
            rows.append(_bad_row(part, seq, item, order_id))
            outcome = "REJECTED"
        else:
            order = intake.guarded(item.order, banned)
            order_id = order.order_id
            weighed = intake.weigh(order, "", None, points, part)
            outcome = "REJECTED" if weighed.state is WorkOrderState.REJECTED else "NEW"
            if order.action == Action.CANCEL:
                outcome = Verdict.CANCEL
            elif weighed.findings:
                findings += tuple(replace(f, line=item.line) for f in weighed.findings)
            route = weighed.route
            cause = route.reason if route else ", ".join(f.code for f in findings if _is_error(f))
            partner = route.partner_code if route else None
            rule = route.rule_id if route else None
            rows.append(_row(part, seq, item, order, outcome, cause, partner, rule))
        result.counts[outcome] += 1
        if findings:
            kept += [(order_id, finding) for finding in findings]
            if has_error(findings):
                result.refusals += [Refusal(order_id, f) for f in findings if _is_error(f)]
                steps.append(_step(part, item, order_id, findings))
    copy_rows(session, "mass_stage", STAGE_COLUMNS, rows)
    inbound.add_findings(session, part.message_id, kept, part.now)
    runs.add_steps(session, part.run_id, steps)


def _row(
    part: Slice,
    seq: int,
    item: ParsedItem,
    order: CisWorkOrder,
    verdict: str,
    cause: str,
    partner: str | None,
    rule_id: int | None,
) -> tuple[Any, ...]:
    facts = facts_json(order)
    key_info = order.key_info
    content = facts[facts.index(_CONTENT) :] + (key_info or "")
    payload = digest = None
    if partner is not None and part.mass is not None:
        body = partner_payload(
            order,
            sees_key_info=partner in part.lists.key_info_partners,
            partner_key=part.lists.partner_key,
            mass=part.mass,
        )
        payload, digest = body.decode(), hashlib.sha256(body).hexdigest()
    return (
        part.message_id,
        seq,
        verdict,
        item.line,
        int(item.item_no or 0),
        order.order_id,
        order.gsrn,
        item.counted,
        hashlib.sha256(content.encode()).hexdigest(),
        item.source_hash,
        order.municipality_code,
        order.customer_id,
        cause,
        partner,
        rule_id,
        digest,
        facts,
        key_info,
        payload,
    )


def _bad_row(part: Slice, seq: int, item: ParsedItem, order_id: str | None) -> tuple[Any, ...]:
    """An item that could not be read takes its number, so that another one cannot have it."""
    number = item.item_no
    known = number is not None and number.isascii() and number.isdecimal() and len(number) <= 9
    item_no = int(number) if known and number is not None else None
    return (
        part.message_id,
        seq,
        "BAD",
        item.line,
        item_no,
        order_id,
        None,
        item.counted,
        None,
        item.source_hash,
        *(None,) * 9,
    )


def _name(part: Slice, item: ParsedItem) -> str | None:
    if part.mass is None or item.item_no is None:
        return None
    return f"{part.mass.mass_id}-{item.item_no}"[:80]


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _step(
    part: Slice, item: ParsedItem, order_id: str | None, findings: Sequence[Finding]
) -> runs.StepRow:
    codes = [str(finding.code) for finding in findings]
    first = next(str(finding.code) for finding in findings if _is_error(finding))
    keys = [key for key in (order_id, item.order.gsrn if item.order else None) if key]
    if part.mass is not None:
        keys.append(part.mass.mass_id)
    return runs.StepRow(
        name="mass item",
        state="REJECTED",
        keys=tuple(keys),
        started_at=part.now,
        detail=", ".join(codes),
        error_class=first,
    )
