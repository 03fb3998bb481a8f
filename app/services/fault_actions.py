"""What operators do to faults: each act is a fact in the fault's course and a line in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.cause_codes import FAULT_CAUSES
from app.domain.fault_course import FactType
from app.domain.states import FaultState
from app.models.outage import Outage
from app.services import audit, faults, network_points
from app.services.faults import NewFault

OPERATOR = "OPERATOR"
# Clocks differ a little; more is a slip of the finger.
_AHEAD_MOST = timedelta(minutes=5)


class ActRefused(Exception):
    """The act does not fit the fault as it stands; code says why, nothing was changed.

    NO_POINTS, POINTS_UNKNOWN, CAUSE_UNKNOWN, TIME_IN_FUTURE, TIME_BEFORE_START, ETR_IN_PAST,
    WRONG_STATE, NOT_FOUND, CIRCLE.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts, and when."""

    session: Session
    by: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fault made by hand: its points, or the feeder or transformer that has failed."""

    started_at: datetime
    gsrns: Sequence[str] = field(default_factory=tuple)
    feeder: str | None = None
    transformer: str | None = None
    cause_code: str | None = None
    etr_at: datetime | None = None


def create(act: Act, wanted: Wanted) -> int:
    """Make a fault that no system has stated; it counts as confirmed. Raises: ActRefused."""
    if wanted.started_at > act.now + _AHEAD_MOST:
        raise ActRefused("TIME_IN_FUTURE")
    _check_cause(wanted.cause_code)
    _check_etr(wanted.etr_at, act.now)
    gsrns = _points_of(act.session, wanted)
    faults.take_pen(act.session)
    fault = NewFault(
        OPERATOR,
        f"OP-{act.now:%Y%m%d}-{uuid4().hex[:10]}",
        wanted.started_at,
        wanted.feeder,
        wanted.transformer,
    )
    outage_id = faults.open_fault(act.session, fault, act.now)
    started_at = wanted.started_at
    _fact(act, outage_id, FactType.POINTS_OFF, started_at, {"gsrns": gsrns})
    _fact(act, outage_id, FactType.CONFIRMED, act.now, {})
    if wanted.cause_code is not None:
        _fact(act, outage_id, FactType.CAUSE, act.now, {"cause_code": wanted.cause_code})
    if wanted.etr_at is not None:
        _fact(act, outage_id, FactType.ETR, act.now, {"etr_at": wanted.etr_at.isoformat()})
    return _done(act, outage_id, "FAULT_CREATED", {"points": len(gsrns)})


def confirm(act: Act, outage_id: int) -> None:
    """Say that a suspected fault is one. Raises: ActRefused."""
    if get_open(act, outage_id).confirmed_at is not None:
        raise ActRefused("WRONG_STATE")
    _fact(act, outage_id, FactType.CONFIRMED, act.now, {})
    _done(act, outage_id, "FAULT_CONFIRMED", {})


def set_estimate(act: Act, outage_id: int, etr_at: datetime | None) -> None:
    """Say when the power will be back, or that it is not known any more. Raises: ActRefused."""
    _check_etr(etr_at, act.now)
    get_open(act, outage_id)
    value = etr_at.isoformat() if etr_at else None
    _fact(act, outage_id, FactType.ETR, act.now, {"etr_at": value})
    _done(act, outage_id, "FAULT_ETR_SET", {"etr_at": value})


def set_cause(act: Act, outage_id: int, cause_code: str) -> None:
    """Say why the power went. Raises: ActRefused."""
    _check_cause(cause_code)
    get_open(act, outage_id)
    _fact(act, outage_id, FactType.CAUSE, act.now, {"cause_code": cause_code})
    _done(act, outage_id, "FAULT_CAUSE_SET", {"cause_code": cause_code})


def restore(act: Act, outage_id: int, at: datetime, gsrns: Sequence[str] = ()) -> None:
    """Say that power is back, at some points or at all of them. Raises: ActRefused."""
    outage = get_open(act, outage_id)
    _check_time(act, outage, at)
    chosen = _chosen(act, outage_id, gsrns)
    _fact(act, outage_id, FactType.POINTS_ON, at, {"gsrns": chosen})
    _done(act, outage_id, "FAULT_RESTORED", {"points": len(chosen) or "all"})


def reopen(act: Act, outage_id: int, at: datetime, gsrns: Sequence[str] = ()) -> None:
    """Say that power which was said to be back is not, at some points or at all. Raises: ActRefused."""
    outage = _get(act, outage_id)
    _check_time(act, outage, at)
    chosen = _chosen(act, outage_id, gsrns)
    _fact(act, outage_id, FactType.REOPENED, at, {"gsrns": chosen})
    _done(act, outage_id, "FAULT_REOPENED", {"points": len(chosen) or "all"})


def false_alarm(act: Act, outage_id: int) -> None:
    """Say that there never was a fault; whoever was told of one is told so. Raises: ActRefused."""
    get_open(act, outage_id)
    _fact(act, outage_id, FactType.FALSE_ALARM, act.now, {})
    _done(act, outage_id, "FAULT_FALSE_ALARM", {})


def merge(act: Act, outage_id: int, into: int) -> None:
    """Make a fault part of another: its points follow, and nobody is told twice. Raises: ActRefused."""
    get_open(act, outage_id)
    whole = act.session.get(Outage, into)
    if whole is None or whole.kind != faults.KIND:
        raise ActRefused("NOT_FOUND", str(into))
    if into == outage_id or _is_part_of(act.session, into, outage_id):
        raise ActRefused("CIRCLE")
    if whole.state in faults.OVER:
        raise ActRefused("WRONG_STATE", whole.state)
    _fact(act, outage_id, FactType.MERGED, act.now, {"parent_id": into})
    _done(act, outage_id, "FAULT_MERGED", {"into": into})


def split(act: Act, outage_id: int) -> None:
    """Let a part be a fault of its own again. Raises: ActRefused."""
    outage = _get(act, outage_id)
    if outage.state != FaultState.MERGED or outage.parent_id is None:
        raise ActRefused("WRONG_STATE", outage.state)
    _fact(act, outage_id, "SPLIT_OFF", act.now, {"from_id": outage.parent_id})
    _fact(act, outage_id, FactType.SPLIT, act.now, {})
    _done(act, outage_id, "FAULT_SPLIT", {"from": outage.parent_id})


def get_open(act: Act, outage_id: int) -> Outage:
    """A fault that is not over, with the pen held. Raises: ActRefused (NOT_FOUND, WRONG_STATE)."""
    outage = _get(act, outage_id)
    if outage.state in faults.OVER:
        raise ActRefused("WRONG_STATE", outage.state)
    return outage


def _get(act: Act, outage_id: int) -> Outage:
    faults.take_pen(act.session)
    outage = act.session.get(Outage, outage_id, populate_existing=True)
    if outage is None or outage.kind != faults.KIND:
        raise ActRefused("NOT_FOUND", str(outage_id))
    return outage


def _fact(act: Act, outage_id: int, kind: str, at: datetime, facts: Mapping[str, Any]) -> None:
    faults.record(act.session, outage_id, kind, at, act.now, by=act.by, facts=facts)


def _done(act: Act, outage_id: int, action: str, detail: Mapping[str, Any]) -> int:
    faults.refresh(act.session, outage_id, act.now, by=act.by)
    audit.record(act.session, act.by, action, f"outage:{outage_id}", detail, act.now)
    return outage_id


def _points_of(session: Session, wanted: Wanted) -> list[str]:
    if wanted.gsrns:
        named = list(dict.fromkeys(wanted.gsrns))
        known = network_points.known(session, named)
        unknown = [gsrn for gsrn in named if gsrn not in known]
        if unknown:
            raise ActRefused("POINTS_UNKNOWN", ", ".join(unknown[:5]))
        return sorted(known)
    found = network_points.behind(session, feeder=wanted.feeder, transformer=wanted.transformer)
    if not found:
        raise ActRefused("NO_POINTS")
    return found


def _chosen(act: Act, outage_id: int, gsrns: Sequence[str]) -> list[str]:
    """No point named means all; one that is not in the fault is a slip of the finger."""
    named = sorted(set(gsrns))
    rows = act.session.execute(
        text("SELECT gsrn FROM outage_point WHERE outage_id = :id AND gsrn = ANY(:gsrns)"),
        {"id": outage_id, "gsrns": named},
    )
    missing = set(named) - set(rows.scalars())
    if missing:
        raise ActRefused("POINTS_UNKNOWN", ", ".join(sorted(missing)[:5]))
    return named


def _check_time(act: Act, outage: Outage, at: datetime) -> None:
    if at > act.now + _AHEAD_MOST:
        raise ActRefused("TIME_IN_FUTURE")
    if at < outage.started_at:
        raise ActRefused("TIME_BEFORE_START")


def _check_etr(etr_at: datetime | None, now: datetime) -> None:
    if etr_at is not None and etr_at <= now:
        raise ActRefused("ETR_IN_PAST")


def _check_cause(cause_code: str | None) -> None:
    if cause_code is not None and cause_code not in FAULT_CAUSES:
        raise ActRefused("CAUSE_UNKNOWN", cause_code)


def _is_part_of(session: Session, outage_id: int, whole: int) -> bool:
    seen: set[int] = set()
    current: int | None = outage_id
    while current is not None and current not in seen:
        if current == whole:
            return True
        seen.add(current)
        current = session.execute(
            select(Outage.parent_id).where(Outage.id == current)
        ).scalar_one_or_none()
    return False
