"""Planned cuts until they are announced: draft, edit, approve (REQ-15).

Whoever made or changed a plan does not approve it: the second pair of eyes sees what customers will
be told before they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.cause_codes import PLANNED_CAUSES
from app.domain.planned_course import LONGEST, Action
from app.domain.point_list import PointFinding
from app.domain.states import PlannedCutState
from app.models.outage import Outage
from app.models.planned_cut import PlannedCut
from app.services import planned_points, planned_telling
from app.services.planned_points import Wanted
from app.services.planned_rows import KIND, Plan, PlanRefused, check_allowed, hold, move, note

_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class Draft:
    """What a planner wants: name is for staff, cause_code one of PLANNED_CAUSES."""

    name: str
    from_at: datetime
    to_at: datetime
    cause_code: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Drafted:
    """The plan, how many points it has, and what could not be taken."""

    plan: Plan
    point_count: int
    findings: tuple[PointFinding, ...]
    new: bool = True


def draft(
    session: Session,
    wish: Draft,
    *,
    source: str,
    source_ref: str,
    by: str,
    now: datetime,
    source_version: int | None = None,
    request_hash: str | None = None,
    late_ok: bool = False,
) -> Drafted:
    """Write a new draft; the same (source, source_ref) again gives what is there already.

    A draft may have no points yet: what could not be taken is kept with it, to be put right.
    late_ok: a cut that has begun or is over is taken, too.
    Raises: PlanRefused.
    """
    check_wish(wish, now, late_ok=late_ok)
    lock_name(session, source, source_ref)
    known = find_id(session, source, source_ref)
    if known is not None:
        plan = hold(session, known)
        return Drafted(plan, len(planned_points.points_of(session, known)), (), new=False)
    outage = Outage(
        source=source,
        source_ref=source_ref,
        source_version=source_version,
        kind=KIND,
        state=PlannedCutState.DRAFT,
        version=0,
        cause_code=wish.cause_code,
        started_at=wish.from_at,
        planned_from_at=wish.from_at,
        planned_to_at=wish.to_at,
        feeder=wish.wanted.feeder,
        transformer=wish.wanted.transformer,
        created_at=now,
        updated_at=now,
    )
    session.add(outage)
    session.flush()
    cut = PlannedCut(
        outage_id=outage.id,
        name=wish.name[:_NAME_CHARS],
        plan_version=1,
        created_by=by,
        changed_by=by,
        request_hash=request_hash,
    )
    session.add(cut)
    session.flush()
    plan = Plan(outage, cut)
    count, findings = _write_points(session, plan, wish.wanted, now)
    note(session, plan, "DRAFTED", _summary(plan, count), at=now, by=by, now=now)
    return Drafted(plan, count, findings)


def edit(
    session: Session,
    outage_id: int,
    wish: Draft,
    *,
    by: str,
    now: datetime,
    version: int | None,
    request_hash: str | None = None,
) -> Drafted:
    """Replace a plan that nobody has been told of; an approved one has to be approved anew.

    Raises: PlanRefused.
    """
    check_wish(wish, now)
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.EDIT)
    outage, cut = plan.outage, plan.cut
    move(plan, PlannedCutState.DRAFT)
    outage.cause_code = wish.cause_code
    outage.planned_from_at = outage.started_at = wish.from_at
    outage.planned_to_at = wish.to_at
    outage.feeder, outage.transformer = wish.wanted.feeder, wish.wanted.transformer
    cut.name, cut.changed_by = wish.name[:_NAME_CHARS], by
    cut.approved_by = cut.approved_at = cut.announce_at = None
    cut.short_reason = cut.short_by = None
    cut.request_hash = request_hash
    count, findings = _write_points(session, plan, wish.wanted, now)
    note(session, plan, "EDITED", _summary(plan, count), at=now, by=by, now=now)
    return Drafted(plan, count, findings)


def approve(
    session: Session,
    outage_id: int,
    *,
    by: str,
    now: datetime,
    version: int | None,
    announce_at: datetime | None = None,
    short_reason: str | None = None,
) -> Plan:
    """Let a plan be announced: at once, or by the clock at announce_at.

    short_reason: why people may be told later than two working days ahead (REQ-15).
    Raises: PlanRefused.
    """
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.APPROVE)
    if by in (plan.cut.created_by, plan.cut.changed_by):
        raise PlanRefused("SAME_PERSON")
    if not planned_points.points_of(session, outage_id):
        raise PlanRefused("NO_POINTS")
    later = announce_at if announce_at is not None and announce_at > now else None
    planned_telling.check_notice(plan.from_at, later or now, now, short_reason)
    move(plan, PlannedCutState.APPROVED)
    plan.cut.approved_by, plan.cut.approved_at = by, now
    plan.cut.announce_at = later
    planned_telling.confirm_short(plan, later or now, short_reason, by)
    facts = {"announce_at": later.isoformat() if later else None, "short": short_reason}
    note(session, plan, "APPROVED", facts, at=now, by=by, now=now)
    if later is None:
        planned_telling.announce_plan(session, plan, by=by, now=now)
    return plan


def check_wish(wish: Draft, now: datetime, *, late_ok: bool = False) -> None:
    """Raises: PlanRefused (TIMES_INVALID, TOO_LONG, IN_THE_PAST, CAUSE_UNKNOWN)."""
    check_times(wish.from_at, wish.to_at, None if late_ok else now)
    if wish.cause_code not in PLANNED_CAUSES:
        raise PlanRefused("CAUSE_UNKNOWN")


def check_times(from_at: datetime, to_at: datetime, now: datetime | None) -> None:
    """Raises: PlanRefused (TIMES_INVALID, TOO_LONG, IN_THE_PAST)."""
    if to_at <= from_at:
        raise PlanRefused("TIMES_INVALID")
    if to_at - from_at > LONGEST:
        raise PlanRefused("TOO_LONG")
    if now is not None and from_at <= now:
        raise PlanRefused("IN_THE_PAST")


def lock_name(session: Session, source: str, source_ref: str) -> None:
    """Let nobody else make a cut of this name until the commit."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"planned/{source}/{source_ref}"},
    )


def find_id(session: Session, source: str, source_ref: str) -> int | None:
    """The cut that a sender knows under this name."""
    found: int | None = session.execute(
        text("SELECT id FROM outage WHERE source = :source AND source_ref = :ref"),
        {"source": source, "ref": source_ref},
    ).scalar_one_or_none()
    return found


def _write_points(
    session: Session, plan: Plan, wanted: Wanted, now: datetime
) -> tuple[int, tuple[PointFinding, ...]]:
    found = planned_points.find_points(session, wanted)
    planned_points.replace_points(session, plan.id, found.gsrns, plan.from_at)
    twice = planned_points.cut_twice(
        session, plan.id, found.gsrns, wanted, plan.from_at, plan.to_at
    )
    findings = (*found.findings, *twice)
    planned_points.keep_findings(session, plan.id, findings, now)
    return len(found.gsrns), findings


def _summary(plan: Plan, point_count: int) -> dict[str, object]:
    return {
        "from_at": plan.from_at.astimezone(UTC).isoformat(),
        "to_at": plan.to_at.astimezone(UTC).isoformat(),
        "cause_code": plan.outage.cause_code,
        "points": point_count,
    }
