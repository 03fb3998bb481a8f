"""Planned cuts that planners' systems ask for: kept as they came, drafted, never announced by them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.planned_course import ALLOWED_IN, Action
from app.domain.point_list import PointFinding, PointFindingCode, read_numbers
from app.models.partner import FEED, Partner
from app.models.planned_cut import PlannedCutFinding
from app.services import audit, inbound, planned_points
from app.services.planned_cuts import Draft, Drafted, draft, edit, find_id, lock_name
from app.services.planned_points import Wanted
from app.services.planned_rows import Plan, PlanRefused, find, hold
from integrations.planner.codec import RequestInvalid
from integrations.planner.types import PlannedCutRequest

INBOUND_KIND = "PLANNED_CUT"
_SOURCE = "PLANNER:"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request: verdict NEW, SAME or UPDATE, and the draft as it is now."""

    verdict: str
    plan: Plan
    point_count: int
    findings: tuple[PointFinding, ...]


def source_of(planner: str) -> str:
    """The source under which a planner's cuts are kept."""
    return _SOURCE + planner


def take_request(
    session: Session, planner: str, request: PlannedCutRequest, body: bytes, now: datetime
) -> Taken:
    """Make or change the draft of this reference.

    Raises: PlanRefused (STALE_VERSION, VERSION_CONFLICT, ALREADY_TOLD, or what is wrong with it) ->
    keep the request with keep_refused() and tell the planner.
    """
    source = source_of(planner)
    lock_name(session, source, request.reference)
    digest = hashlib.sha256(body).hexdigest()
    by = f"partner:{planner}"
    wanted = Wanted(read_numbers(request.points), request.feeder, request.transformer)
    wish = Draft(request.name, request.from_, request.to, request.cause_code, wanted)
    known = find_id(session, source, request.reference)
    if known is None:
        made = draft(
            session,
            wish,
            source=source,
            source_ref=request.reference,
            source_version=request.version,
            request_hash=digest,
            by=by,
            now=now,
        )
        _keep(session, planner, request.reference, body, now)
        return _taken("NEW", made)
    plan = hold(session, known)
    last = plan.outage.source_version or 0
    if request.version < last:
        raise PlanRefused("STALE_VERSION")
    if request.version == last:
        if plan.cut.request_hash != digest:
            raise PlanRefused("VERSION_CONFLICT")
        return state_of(session, plan, "SAME")
    if plan.state not in ALLOWED_IN[Action.EDIT]:
        raise PlanRefused("ALREADY_TOLD")
    changed = edit(session, known, wish, by=by, now=now, version=None, request_hash=digest)
    changed.plan.outage.source_version = request.version
    _keep(session, planner, request.reference, body, now)
    return _taken("UPDATE", changed)


def find_request(session: Session, planner: str, reference: str) -> Taken | None:
    """The planner's own cut of this reference."""
    outage_id = find_id(session, source_of(planner), reference)
    plan = None if outage_id is None else find(session, outage_id)
    return None if plan is None else state_of(session, plan, "SAME")


def keep_refused(
    session: Session, planner: str, name: str, body: bytes, code: str, now: datetime
) -> None:
    """Keep a request that could not be taken, with the reason."""
    _keep(session, planner, name, body, now, code)


def first_code(invalid: RequestInvalid) -> str:
    """The reason under which a request that cannot be read is kept."""
    return invalid.findings[0].code if invalid.findings else "VALUE_INVALID"


def may_plan(session: Session, planner: str) -> bool:
    """Whether this partner may ask for planned cuts."""
    found = session.execute(select(Partner.plans_cuts).where(Partner.code == planner))
    return bool(found.scalar_one_or_none())


def allow_planner(
    session: Session, code: str, name: str | None, allowed: bool, by: str, now: datetime
) -> bool:
    """Let a partner ask for planned cuts, or no longer; with a name a new one is made.

    Returns False when there is no such partner and no name for a new one.
    """
    if name is not None:
        session.execute(
            insert(Partner)
            .values(
                code=code,
                name=name,
                transport=FEED,
                base_url="",
                order_types=[],
                created_at=now,
            )
            .on_conflict_do_nothing()
        )
    done = session.execute(
        text("UPDATE partner SET plans_cuts = :allowed WHERE code = :code RETURNING code"),
        {"allowed": allowed, "code": code},
    ).one_or_none()
    if done is None:
        return False
    audit.record(session, by, "PLANNER_ALLOWED", f"partner:{code}", {"allowed": allowed}, now)
    return True


def state_of(session: Session, plan: Plan, verdict: str) -> Taken:
    """The draft as it is now, with what was found in its latest list."""
    rows = session.execute(
        select(PlannedCutFinding.line, PlannedCutFinding.given, PlannedCutFinding.code)
        .where(PlannedCutFinding.outage_id == plan.id)
        .order_by(PlannedCutFinding.line, PlannedCutFinding.id)
    )
    findings = tuple(PointFinding(row[0], row[1], PointFindingCode(row[2])) for row in rows)
    return Taken(verdict, plan, len(planned_points.points_of(session, plan.id)), findings)


def _taken(verdict: str, made: Drafted) -> Taken:
    return Taken(verdict, made.plan, made.point_count, made.findings)


def _keep(
    session: Session,
    planner: str,
    name: str,
    body: bytes,
    now: datetime,
    refused: str | None = None,
) -> None:
    stored = inbound.store_small(
        session,
        source=source_of(planner),
        kind=INBOUND_KIND,
        name=name,
        body=body,
        now=now,
        state="REJECTED" if refused else "INTERPRETED",
        reason_code=refused,
    )
    if stored.new and refused:
        detail: Mapping[str, Any] = {"code": refused, "name": name}
        audit.record(
            session,
            f"partner:{planner}",
            "PLANNED_CUT_REFUSED",
            f"inbound:{stored.id}",
            detail,
            now,
        )
