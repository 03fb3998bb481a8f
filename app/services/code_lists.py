"""The code lists and routing rules in force, read from the database in the domain's form."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.languages import Names
from app.domain.meter_models import MeterModelDef
from app.domain.order_types import OrderTypeDef
from app.domain.routing import CompiledRules, RouteRule, compile_rules
from app.domain.states import RuleSetState
from app.domain.work_order_checks import CodeLists
from app.models.code_list import CodeValue, MeterModel, OrderType
from app.models.partner import Partner
from app.models.route_rule import RouteRule as RouteRuleRow
from app.models.route_rule import RuleSet

_REPLACING = "order_types_replacing_meters"


def load_code_lists(session: Session) -> CodeLists:
    """Order types, meter models and Datahub codes that may be used now."""
    types = session.execute(select(OrderType).where(OrderType.active)).scalars()
    models = session.execute(select(MeterModel).where(MeterModel.active)).scalars()
    statuses = session.execute(
        select(CodeValue.code).where(CodeValue.list_name == "AE", CodeValue.active)
    ).scalars()
    return CodeLists(
        order_types={
            row.code: OrderTypeDef(
                row.code,
                Names(row.name_fi, row.name_sv, row.name_en),
                for_removal=row.for_removal,
                takes_new_meter=row.takes_new_meter,
            )
            for row in types
        },
        models={
            row.model: MeterModelDef(
                row.model,
                row.maker,
                row.phases,
                row.ct,
                row.max_fuse_a,
                frozenset(row.order_types),
                row.mass_ok,
            )
            for row in models
        },
        physical_statuses=frozenset(statuses),
    )


def replaces_meter(session: Session, order_type_code: str) -> bool:
    """Whether customers hear of such work as of a meter replacement; asked once per session."""
    known: dict[str, bool] | None = session.info.get(_REPLACING)
    if known is None:
        rows = session.execute(select(OrderType.code, OrderType.replaces_meter)).all()
        known = session.info[_REPLACING] = {row.code: row.replaces_meter for row in rows}
    return known.get(order_type_code, True)


def active_set_number(session: Session) -> int:
    """The version of the rules that decides now; 0 when there is none at all."""
    statement = select(RuleSet.number).where(RuleSet.state == RuleSetState.ACTIVE)
    return session.execute(statement).scalar_one_or_none() or 0


def load_rules(session: Session, now: datetime) -> CompiledRules:
    """The routing rules in force, with what their partners take at all."""
    number = active_set_number(session)
    rules = load_rule_set(session, number)
    idle = idle_partners(session)
    return compile_rules(
        (
            rule
            for rule in rules.in_order
            if rule.partner_code not in idle and (rule.active_to is None or rule.active_to > now)
        ),
        number,
    )


def load_rule_set(session: Session, number: int) -> CompiledRules:
    """Every rule of one version, also of partners that are switched off."""
    rows = session.execute(
        select(RouteRuleRow, Partner.order_types)
        .join(Partner, Partner.code == RouteRuleRow.partner_code)
        .where(RouteRuleRow.set_number == number)
        .execution_options(populate_existing=True)
    ).all()
    return compile_rules(
        (
            RouteRule(
                id=rule.id,
                name=rule.name,
                priority=rule.priority,
                partner_code=rule.partner_code,
                active_from=rule.active_from,
                active_to=rule.active_to,
                order_type_codes=frozenset(rule.order_type_codes),
                municipality_codes=frozenset(rule.municipality_codes),
                models=frozenset(rule.models),
                mass=rule.mass,
                partner_types=frozenset(partner_types),
            )
            for rule, partner_types in rows
        ),
        number,
    )


def idle_partners(session: Session) -> frozenset[str]:
    """Partners that are switched off: their rules count for nothing."""
    return frozenset(session.execute(select(Partner.code).where(~Partner.active)).scalars())
