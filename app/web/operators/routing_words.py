"""What routing is called on the pages: rules, what keeps them from fitting, and what is odd."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask
from flask_babel import gettext, ngettext

from app.domain.municipalities import MUNICIPALITIES, municipality_names
from app.domain.routing import Miss, RouteFacts, RouteRule
from app.domain.rule_findings import RuleFinding, RuleFindingKind
from app.web.formats import day
from app.web.i18n import current_language
from app.web.operators.routing_forms import last_day

_AREAS_SHOWN = 6


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (area_names, facts_text, finding_text, mass_text, miss_text, period_text, why_text):
        app.add_template_global(word, f"route_{word.__name__}")


def area_names(codes: frozenset[str]) -> str:
    """The municipalities of a rule, the first few by name."""
    names = [_area(code) for code in sorted(codes)]
    rest = len(names) - _AREAS_SHOWN
    shown = ", ".join(names[:_AREAS_SHOWN])
    if rest <= 0:
        return shown
    more = ngettext("%(num)d more", "%(num)d more", rest)
    return f"{shown}, {more}"


def mass_text(mass: bool | None) -> str:
    """Whether a rule is for orders of mass orders."""
    if mass is None:
        return ""
    return gettext("of mass orders") if mass else gettext("single orders")


def period_text(rule: RouteRule) -> str:
    """From which day to which a rule counts."""
    last = last_day(rule.active_to)
    return f"{day(rule.active_from)}–{day(last) if last else ''}"


def miss_text(miss: Miss) -> str:
    """What keeps a rule from fitting an order."""
    words = {
        Miss.TYPE: gettext("other order types"),
        Miss.AREA: gettext("other municipalities"),
        Miss.MODEL: gettext("other meter models"),
        Miss.MASS: gettext("only orders of mass orders, or only single ones"),
        Miss.PARTNER: gettext("the contractor does not take the order type"),
        Miss.TIME: gettext("not in force at that time"),
    }
    return words[miss]


def facts_text(facts: RouteFacts, *, sort: bool = False) -> str:
    """An order as routing sees it, in one line; sort: it stands for all that the rules leave over."""
    no_area = gettext("any other municipality") if sort else gettext("no municipality")
    no_model = gettext("any other model, or none") if sort else gettext("no meter model")
    parts = [
        facts.order_type_code,
        _area(facts.municipality_code) if facts.municipality_code else no_area,
        gettext("model %(model)s", model=facts.model) if facts.model else no_model,
        gettext("in a mass order") if facts.mass else gettext("single order"),
    ]
    return ", ".join(parts)


def why_text(rule: RouteRule, facts: RouteFacts) -> str:
    """By what a rule took an order."""
    parts = []
    if rule.order_type_codes:
        parts.append(gettext("order type %(code)s", code=facts.order_type_code))
    if rule.municipality_codes:
        parts.append(gettext("municipality %(name)s", name=_area(facts.municipality_code or "")))
    if rule.models:
        parts.append(gettext("model %(model)s", model=facts.model))
    if rule.mass is not None:
        parts.append(mass_text(rule.mass))
    return ", ".join(parts) or gettext("it takes every order")


def finding_text(finding: RuleFinding, rules: Mapping[int, RouteRule]) -> str:
    """One oddity of a version in a sentence."""
    names = [rules[one].name for one in finding.rules if one in rules]
    first, second = [*names, "", ""][:2]
    codes = ", ".join(finding.codes)
    example = facts_text(finding.facts, sort=True) if finding.facts else ""
    kind = finding.kind
    if kind is RuleFindingKind.GAP and finding.whole:
        text = gettext("No rule takes orders of type %(code)s.", code=codes)
    else:
        text = {
            RuleFindingKind.NO_RULES: gettext("There is no rule: no order would have a route."),
            RuleFindingKind.GAP: gettext(
                "Some orders of type %(code)s have no rule, for example: %(example)s.",
                code=codes,
                example=example,
            ),
            RuleFindingKind.OVERLAP: gettext(
                "%(first)s and %(second)s have the same priority and different contractors, and"
                " both take: %(example)s. The first one wins.",
                first=first,
                second=second,
                example=example,
            ),
            RuleFindingKind.NEVER_WINS: gettext(
                "%(name)s never wins: rules before it take everything.", name=first
            ),
            RuleFindingKind.NOT_TAKEN: gettext(
                "%(name)s names order types that its contractor does not take: %(codes)s.",
                name=first,
                codes=codes,
            ),
            RuleFindingKind.UNKNOWN_CODES: gettext(
                "%(name)s names what is not in use: %(codes)s.", name=first, codes=codes
            ),
            RuleFindingKind.ENDED: gettext("%(name)s is over.", name=first),
            RuleFindingKind.PARTNER_OFF: gettext(
                "%(name)s counts for nothing: its contractor is not in use.", name=first
            ),
        }[kind]
    if finding.from_at is not None:
        since = gettext("From %(day)s on:", day=day(finding.from_at))
        return f"{since} {text}"
    return text


def _area(code: str) -> str:
    if code not in MUNICIPALITIES:
        return code
    return municipality_names(code).in_language(current_language())
