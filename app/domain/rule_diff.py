"""What differs between two versions of the routing rules, rule by rule; a rule is known by its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.domain.routing import RouteRule


@dataclass(frozen=True, slots=True)
class RuleDiff:
    """One rule that is new (before is None), gone (after is None) or not what it was."""

    before: RouteRule | None
    after: RouteRule | None

    @property
    def name(self) -> str:
        """What the rule is called."""
        rule = self.after or self.before
        return rule.name if rule else ""


def compare_rules(before: Iterable[RouteRule], after: Iterable[RouteRule]) -> tuple[RuleDiff, ...]:
    """Every rule that differs, by name; which row a rule is kept in makes no difference."""
    old = {rule.name: rule for rule in before}
    new = {rule.name: rule for rule in after}
    return tuple(
        RuleDiff(old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if _content(old.get(name)) != _content(new.get(name))
    )


def _content(rule: RouteRule | None) -> RouteRule | None:
    # What a partner takes is the partner's, not the rule's.
    return None if rule is None else replace(rule, id=0, partner_types=frozenset())
