"""Routing rules as a file: written out, and read into a draft."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.domain.routing import CompiledRules
from app.models.route_rule import RouteRule
from app.services import rule_sets
from app.services.rule_sets import RuleValues

_PRIORITY_MOST = 9999


class RulesUnreadable(ValueError):
    """The file is not what it should be; the message says where."""


class _FileRule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    priority: int
    partner: str
    active_from: datetime
    active_to: datetime | None = None
    order_types: list[str] = []
    municipalities: list[str] = []
    models: list[str] = []
    mass: bool | None = None


def write_rules(rules: CompiledRules) -> bytes:
    """The rules as JSON, in the order in which they win."""
    listed = [
        _FileRule(
            rule.name,
            rule.priority,
            rule.partner_code,
            rule.active_from,
            rule.active_to,
            sorted(rule.order_type_codes),
            sorted(rule.municipality_codes),
            sorted(rule.models),
            rule.mass,
        )
        for rule in rules.in_order
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2)


def read_rules(content: bytes) -> list[RuleValues]:
    """Read what write_rules() wrote.

    Raises: RulesUnreadable -> nothing is taken; the message says what to mend.
    """
    try:
        listed = msgspec.json.decode(content, type=list[_FileRule])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RulesUnreadable(str(error)) from None
    names: set[str] = set()
    for one in listed:
        if not one.name.strip() or one.name in names:
            raise RulesUnreadable(f"every rule needs a name of its own: {one.name!r}")
        if not 1 <= one.priority <= _PRIORITY_MOST:
            raise RulesUnreadable(f"{one.name}: the priority is a number from 1 to 9999")
        moments = (one.active_from, one.active_to)
        if any(moment is not None and moment.tzinfo is None for moment in moments):
            raise RulesUnreadable(f"{one.name}: times need their offset, as 2026-11-24T00:00+02:00")
        names.add(one.name)
    return [
        RuleValues(
            one.name,
            one.priority,
            one.partner,
            one.active_from,
            one.active_to,
            one.order_types,
            one.municipalities,
            one.models,
            one.mass,
        )
        for one in listed
    ]


def replace_rules(
    session: Session, number: int, values: Sequence[RuleValues], *, by: str, now: datetime
) -> None:
    """Let a draft have exactly these rules; raises RulesRefused."""
    session.execute(delete(RouteRule).where(RouteRule.set_number == number))
    for one in values:
        rule_sets.save_rule(session, number, None, one, by=by, now=now)
