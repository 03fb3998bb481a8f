"""Versions of the routing rules: the only writer of them, with the trail of who did what.

A version decides only after a second person has looked at it, also one that brings an older one
back: a wrong rule sends thousands of orders to the wrong partner. Orders that a partner has stay
there; those that had no route are looked at again, see rerouting.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.domain.lanes import UPKEEP
from app.domain.municipalities import MUNICIPALITIES
from app.domain.rule_findings import KnownCodes, RuleFinding, check_rules
from app.domain.states import RULE_SET_MOVES, RuleSetState, check_move
from app.doorbell import ring_after_commit
from app.models.code_list import MeterModel, OrderType
from app.models.partner import FEED, Partner
from app.models.route_rule import RouteRule, RuleSet
from app.services import audit, code_lists

_OPEN = (RuleSetState.DRAFT, RuleSetState.SUBMITTED)


class RulesRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    CHANGED_MEANWHILE: somebody else was quicker. SAME_PERSON: a second person has to activate it.
    NO_RULES: it would leave every order without a route. SAME: it changes nothing. NAME_TAKEN,
    BAD_PERIOD, PARTNER_UNKNOWN: of a rule. OPEN_VERSION: one is being worked on already.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class RuleValues:
    """One rule as a person writes it; empty or None means everything."""

    name: str
    priority: int
    partner_code: str
    active_from: datetime
    active_to: datetime | None = None
    order_type_codes: Sequence[str] = ()
    municipality_codes: Sequence[str] = ()
    models: Sequence[str] = ()
    mass: bool | None = None


def begin_draft(session: Session, *, by: str, now: datetime) -> RuleSet:
    """Begin a version with the rules in force; raises RulesRefused."""
    _lock(session)
    base = code_lists.active_set_number(session)
    draft = _new_version(session, base, by, now)
    _copy_rules(session, base, draft.number, by, now)
    _record(session, by, "RULES_BEGUN", draft, now)
    return draft


def save_rule(
    session: Session,
    number: int,
    rule_id: int | None,
    values: RuleValues,
    *,
    by: str,
    now: datetime,
) -> int:
    """Add a rule to a draft, or change one; returns its id. Raises RulesRefused."""
    draft = _get(session, number, RuleSetState.DRAFT)
    if values.active_to is not None and values.active_to <= values.active_from:
        raise RulesRefused("BAD_PERIOD")
    partner = session.get(Partner, values.partner_code)
    if partner is None or partner.transport == FEED:
        raise RulesRefused("PARTNER_UNKNOWN")
    namesake = session.execute(
        select(RouteRule.id).where(RouteRule.set_number == number, RouteRule.name == values.name)
    ).scalar_one_or_none()
    if namesake not in (None, rule_id):
        raise RulesRefused("NAME_TAKEN")
    if rule_id is None:
        rule = RouteRule(set_number=number, created_by=by, created_at=now)
        session.add(rule)
    else:
        rule = _rule_of(session, number, rule_id)
    rule.name, rule.priority, rule.partner_code = values.name, values.priority, values.partner_code
    rule.active_from, rule.active_to, rule.mass = values.active_from, values.active_to, values.mass
    rule.order_type_codes = sorted(set(values.order_type_codes))
    rule.municipality_codes = sorted(set(values.municipality_codes))
    rule.models = sorted(set(values.models))
    session.flush()
    _touch(draft, by, now)
    _record(session, by, "RULE_CHANGED" if rule_id else "RULE_ADDED", draft, now, rule=values.name)
    return rule.id


def remove_rule(session: Session, number: int, rule_id: int, *, by: str, now: datetime) -> None:
    """Take a rule out of a draft; raises RulesRefused."""
    draft = _get(session, number, RuleSetState.DRAFT)
    rule = _rule_of(session, number, rule_id)
    session.execute(delete(RouteRule).where(RouteRule.id == rule.id))
    _touch(draft, by, now)
    _record(session, by, "RULE_REMOVED", draft, now, rule=rule.name)


def submit(session: Session, number: int, note: str, *, by: str, now: datetime) -> None:
    """Ask a second person to activate a draft; raises RulesRefused."""
    draft = _get(session, number, RuleSetState.DRAFT)
    if not session.execute(select(RouteRule.id).where(RouteRule.set_number == number)).first():
        raise RulesRefused("NO_RULES")
    _move(draft, RuleSetState.SUBMITTED)
    draft.note, draft.submitted_by, draft.submitted_at = note, by, now
    _record(session, by, "RULES_SUBMITTED", draft, now, note=note)


def take_back(session: Session, number: int, *, by: str, now: datetime) -> None:
    """Make a draft of what was submitted, so that it can be changed; raises RulesRefused."""
    draft = _get(session, number, RuleSetState.SUBMITTED)
    _move(draft, RuleSetState.DRAFT)
    draft.submitted_by = draft.submitted_at = None
    # What it equals is an older version only as long as nobody changes it.
    draft.equals, draft.changed_at = None, now
    _record(session, by, "RULES_TAKEN_BACK", draft, now)


def reject(session: Session, number: int, note: str, *, by: str, now: datetime) -> None:
    """End a draft or what was submitted; it stays in the history. Raises RulesRefused."""
    draft = _get(session, number, *_OPEN)
    _move(draft, RuleSetState.REJECTED)
    draft.decided_by, draft.decided_at, draft.decision_note = by, now, note or None
    _record(session, by, "RULES_REJECTED", draft, now, note=note)


def activate(
    session: Session, number: int, *, by: str, now: datetime, seen_at: datetime | None = None
) -> None:
    """Let a submitted version decide from now on; raises RulesRefused.

    seen_at: when the version that the second person looked at was submitted. What was taken back,
    changed and submitted anew meanwhile is another one, and nobody has looked at it.
    Nothing that a partner has is moved; what had no route is looked at again by the upkeep.
    """
    draft = _get(session, number, RuleSetState.SUBMITTED)
    if seen_at is not None and draft.submitted_at != seen_at:
        raise RulesRefused("CHANGED_MEANWHILE")
    if by in draft.authors or by == draft.submitted_by:
        raise RulesRefused("SAME_PERSON")
    before = session.execute(
        select(RuleSet).where(RuleSet.state == RuleSetState.ACTIVE).with_for_update()
    ).scalar_one_or_none()
    if before is not None:
        _move(before, RuleSetState.RETIRED)
        before.retired_at = now
        # The index lets only one be active, so the old one goes first.
        session.flush()
    _move(draft, RuleSetState.ACTIVE)
    draft.decided_by, draft.decided_at, draft.activated_at = by, now, now
    session.flush()
    replaced = before.number if before is not None else None
    _record(session, by, "RULES_ACTIVATED", draft, now, replaced=replaced, equals=draft.equals)
    ring_after_commit(UPKEEP)


def roll_back(session: Session, number: int, note: str, *, by: str, now: datetime) -> RuleSet:
    """Propose an older version again, as a new one equal to it; a second person activates it.

    Raises: RulesRefused.
    """
    _lock(session)
    older = session.get(RuleSet, number)
    if older is None or older.state != RuleSetState.RETIRED:
        raise RulesRefused("CHANGED_MEANWHILE")
    draft = _new_version(session, code_lists.active_set_number(session), by, now)
    _copy_rules(session, number, draft.number, by, now)
    draft.equals, draft.note = number, note
    _move(draft, RuleSetState.SUBMITTED)
    draft.submitted_by, draft.submitted_at = by, now
    _record(session, by, "RULES_ROLLED_BACK", draft, now, equals=number, note=note)
    return draft


def findings_of(session: Session, number: int, now: datetime) -> tuple[RuleFinding, ...]:
    """What is odd about a version."""
    rules = code_lists.load_rule_set(session, number)
    types = frozenset(session.execute(select(OrderType.code).where(OrderType.active)).scalars())
    models = session.execute(select(MeterModel.model).where(MeterModel.active)).scalars()
    known = KnownCodes(types, frozenset(models), frozenset(MUNICIPALITIES))
    idle = code_lists.idle_partners(session)
    return check_rules(rules, types, now, idle_partners=idle, known=known)


def _new_version(session: Session, base: int, by: str, now: datetime) -> RuleSet:
    if session.execute(select(RuleSet.number).where(RuleSet.state.in_(_OPEN))).first():
        raise RulesRefused("OPEN_VERSION")
    last = session.execute(select(func.max(RuleSet.number))).scalar_one() or 0
    draft = RuleSet(
        number=last + 1,
        state=RuleSetState.DRAFT,
        based_on=base or None,
        note="",
        authors=[by],
        created_at=now,
        changed_at=now,
    )
    session.add(draft)
    session.flush()
    return draft


def _copy_rules(session: Session, source: int, target: int, by: str, now: datetime) -> None:
    session.execute(
        text(
            "INSERT INTO route_rule (set_number, name, priority, order_type_codes,"
            " municipality_codes, models, mass, partner_code, active_from, active_to, created_by,"
            " created_at)"
            " SELECT :target, name, priority, order_type_codes, municipality_codes, models, mass,"
            " partner_code, active_from, active_to, :by, :now"
            " FROM route_rule WHERE set_number = :source ORDER BY id"
        ),
        {"target": target, "source": source, "by": by, "now": now},
    )


def _get(session: Session, number: int, *states: RuleSetState) -> RuleSet:
    """The version, locked until the commit, if it is in one of these states."""
    _lock(session)
    found = session.get(RuleSet, number, with_for_update=True, populate_existing=True)
    if found is None or found.state not in states:
        raise RulesRefused("CHANGED_MEANWHILE")
    return found


def _rule_of(session: Session, number: int, rule_id: int) -> RouteRule:
    rule = session.get(RouteRule, rule_id)
    if rule is None or rule.set_number != number:
        raise RulesRefused("CHANGED_MEANWHILE")
    return rule


def _touch(draft: RuleSet, by: str, now: datetime) -> None:
    draft.authors = sorted({*draft.authors, by})
    draft.changed_at = now


def _move(draft: RuleSet, state: RuleSetState) -> None:
    check_move(RULE_SET_MOVES, draft.state, state)
    draft.state = state


def _lock(session: Session) -> None:
    """One at a time begins, changes or activates a version."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('rule sets', 0))"))


def _record(
    session: Session, by: str, action: str, draft: RuleSet, now: datetime, **detail: object
) -> None:
    told = {name: value for name, value in detail.items() if value not in (None, "")}
    audit.record(session, by, action, f"rules:{draft.number}", told, now)
