"""Routing rules: the version in force travels as a whole and arrives as a draft."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.environment_diff import Change, Standing, compare
from app.domain.routing import CompiledRules
from app.domain.states import RuleSetState
from app.models.partner import FEED, Partner
from app.models.route_rule import RuleSet
from app.services import code_lists, rule_files, rule_sets
from app.services.environments.kind import Act, ImportBlocked, Records
from app.services.rule_files import RulesUnreadable
from app.services.rule_sets import RulesRefused, RuleValues
from app.settings import Settings

_OPEN = (RuleSetState.DRAFT, RuleSetState.SUBMITTED)


class RoutingRules:
    """One record for each rule, by its name."""

    name = "routing"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        number = code_lists.active_set_number(session)
        return _records(code_lists.load_rule_set(session, number)) if number else {}

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        here = self.read(session)
        standing, reason = Standing.DUE, None
        open_number = session.execute(
            select(RuleSet.number).where(RuleSet.state.in_(_OPEN))
        ).scalar_one_or_none()
        if open_number is not None:
            same = _records(code_lists.load_rule_set(session, open_number)) == _plain(wanted)
            standing = Standing.WAITS if same else Standing.BLOCKED
            reason = None if same else "DRAFT_IN_THE_WAY"
        elif not wanted and here:
            standing, reason = Standing.BLOCKED, "NO_RULES"
        partners = set(
            session.execute(select(Partner.code).where(Partner.transport != FEED)).scalars()
        )
        changes = []
        for key in sorted(here.keys() | wanted.keys()):
            after = wanted.get(key)
            own, why = standing, reason
            if after is not None and standing is Standing.DUE:
                why = _fault(key, after, partners)
                own = Standing.BLOCKED if why else standing
            change = compare(self.name, key, here.get(key), after, standing=own, reason=why)
            if change is not None:
                changes.append(change)
        return changes

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        if not due:
            return
        try:
            values = [_value(key, record) for key, record in sorted(wanted.items())]
            draft = rule_sets.begin_draft(session, by=act.brought_by, now=act.now)
            rule_files.replace_rules(session, draft.number, values, by=act.brought_by, now=act.now)
        except RulesUnreadable:
            raise ImportBlocked(self.name, due[0].key, "CONTENT_INVALID") from None
        except RulesRefused as refused:
            raise ImportBlocked(self.name, due[0].key, refused.code) from None


def _records(rules: CompiledRules) -> dict[str, dict[str, Any]]:
    listed: list[dict[str, Any]] = msgspec.json.decode(rule_files.write_rules(rules))
    return {
        str(one["name"]): {
            name: _moment(value) if name.startswith("active_") else value
            for name, value in one.items()
            if name != "name"
        }
        for one in listed
    }


def _plain(wanted: Records) -> dict[str, dict[str, Any]]:
    return {key: dict(record) for key, record in wanted.items()}


def _moment(value: Any) -> Any:
    """The same instant is written the same everywhere."""
    return datetime.fromisoformat(value).astimezone(UTC).isoformat() if value else value


def _fault(key: str, record: Any, partners: set[str]) -> str | None:
    try:
        value = _value(key, record)
    except RulesUnreadable:
        return "CONTENT_INVALID"
    return None if value.partner_code in partners else "PARTNER_UNKNOWN"


def _value(key: str, record: Any) -> RuleValues:
    """Raises: RulesUnreadable."""
    (value,) = rule_files.read_rules(msgspec.json.encode([{**record, "name": key}]))
    return value
