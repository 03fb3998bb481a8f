"""What a new installation starts with: code lists, lanes, schedules, a partner and its routes.

Running it again adds what is missing and changes nothing that somebody has edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain import lanes
from app.domain.codes import DATAHUB_CODES, DEFAULT_METER_MODELS, DEFAULT_ORDER_TYPES
from app.domain.states import RuleSetState
from app.domain.zones import CENTRAL
from app.models.code_list import CodeValue, MeterModel, OrderType
from app.models.lane import Lane
from app.models.partner import FEED, SFTP, Partner
from app.models.route_rule import RouteRule, RuleSet
from app.models.schedule import Schedule
from app.models.sending import ProviderRoute
from app.models.zone import Zone
from app.services import bundle_activation, bundle_content, process_setup
from app.settings import Settings

MASS_INSTALLER = "voima"
FEEDS = {
    "cis": "Customer information system",
    "dms": "Distribution management system",
    "head-end": "Head-end",
    "maker": "Meter maker",
}
# Where its interface is until somebody says; nothing answers there, which opens the circuit.
MASS_INSTALLER_URL = "http://127.0.0.1:9/installer"
_FROM = datetime(2020, 1, 1, tzinfo=UTC)

# About two days of tries with the delays of the domain; an open circuit costs none.
_MAX_ATTEMPTS = 60
# SFTP has one connection; more than a few writers only queue behind it.
_SFTP_IN_FLIGHT = 4
# Two requests with a thousand e-mails each.
_EMAILS_IN_FLIGHT = 2000


def install_defaults(
    session: Session,
    settings: Settings,
    *,
    installer_url: str = MASS_INSTALLER_URL,
    regions: Sequence[tuple[str, str]] = (),
) -> None:
    """Add the defaults that are not there yet."""
    _add(
        session,
        OrderType,
        [
            {
                "code": kind.code,
                "name_fi": kind.name.fi,
                "name_sv": kind.name.sv,
                "name_en": kind.name.en,
                "for_removal": kind.for_removal,
                "takes_new_meter": kind.takes_new_meter,
                "replaces_meter": kind.replaces_meter,
                "active": True,
            }
            for kind in DEFAULT_ORDER_TYPES
        ],
    )
    _add(
        session,
        MeterModel,
        [
            {
                "model": model.model,
                "maker": model.maker,
                "phases": model.phases,
                "ct": model.ct,
                "max_fuse_a": model.max_fuse_a,
                "order_types": sorted(model.order_types),
                "mass_ok": model.mass_ok,
                "active": True,
            }
            for model in DEFAULT_METER_MODELS
        ],
    )
    _add(
        session,
        CodeValue,
        [
            {
                "list_name": list_name,
                "code": code,
                "name_fi": names.fi,
                "name_sv": names.sv,
                "name_en": names.en,
                "active": True,
            }
            for list_name, codes in DATAHUB_CODES.items()
            for code, names in codes.items()
        ],
    )
    _add_partner_and_routes(session, installer_url, regions)
    _add_bundles(session)
    now = datetime.now(UTC)
    zone = {"code": CENTRAL, "name": "Central", "active": True, "created_at": now}
    _add(session, Zone, [zone | {"key_generation": 1, "oldest_key_generation": 1}])
    _add_lanes(session, settings)
    _add_provider_routes(session, settings)
    _add_schedules(session, settings)
    process_setup.install(session, settings.environment, datetime.now(UTC))


def set_partner_url(session: Session, code: str, base_url: str) -> bool:
    """Say where a partner's interface is; False when there is no such partner."""
    result = session.execute(
        text("UPDATE partner SET base_url = :url WHERE code = :code RETURNING code"),
        {"url": base_url.rstrip("/"), "code": code},
    )
    return result.one_or_none() is not None


def _add_partner_and_routes(
    session: Session, installer_url: str, regions: Sequence[tuple[str, str]]
) -> None:
    now = datetime.now(UTC)
    _add(
        session,
        Partner,
        [
            {
                "code": MASS_INSTALLER,
                "name": "Voima Asennus Oy",
                "transport": "REST",
                "base_url": installer_url.rstrip("/"),
                "order_types": ["MVM", "MVY", "MVV", "UUA"],
                "sees_key_info": False,
                "key_generation": 1,
                "oldest_key_generation": 1,
                "active": True,
                "created_at": now,
            }
        ]
        + [
            {
                "code": code,
                "name": name,
                "transport": FEED,
                "base_url": "",
                "order_types": [],
                "sees_key_info": False,
                "key_generation": 1,
                "oldest_key_generation": 1,
                "active": True,
                "created_at": now,
            }
            for code, name in FEEDS.items()
        ],
    )
    if session.execute(select(RuleSet.number).limit(1)).first() is not None:
        return
    session.add(
        RuleSet(
            number=1,
            state=RuleSetState.ACTIVE,
            note="",
            authors=["system:setup"],
            created_at=now,
            changed_at=now,
            activated_at=now,
        )
    )
    session.flush()
    single = ["MVY", "MVV", "UUA"]
    for priority, name, codes, areas, partner in (
        (100, "Mass replacement", ["MVM"], [], MASS_INSTALLER),
        *(
            (150, f"Single orders in {area} by {code}", single, [area], code)
            for code, area in regions
        ),
        (200, "Single and urgent replacement", ["MVY", "MVV"], [], MASS_INSTALLER),
        (300, "First meter of a connection", ["UUA"], [], MASS_INSTALLER),
    ):
        session.add(
            RouteRule(
                set_number=1,
                name=name,
                priority=priority,
                order_type_codes=codes,
                municipality_codes=areas,
                models=[],
                mass=None,
                partner_code=partner,
                active_from=_FROM,
                created_by="system:setup",
                created_at=now,
            )
        )


def _add_bundles(session: Session) -> None:
    """In force from the start: the mass installer's own form, and IEC messages of the CIS."""
    now = datetime.now(UTC)
    for partner, kind, document, direction in (
        (MASS_INSTALLER, "mass_installer", "order", "out"),
        (MASS_INSTALLER, "mass_installer", "ack", "in"),
        ("cis", "cis_iec", "order", "in"),
    ):
        content = bundle_content.shipped_content(kind, document, direction)
        bundle_activation.install(session, partner, content, now)


def add_partner(
    session: Session,
    code: str,
    name: str,
    *,
    transport: str,
    base_url: str,
    order_types: list[str],
    sees_key_info: bool,
    settings: Settings,
    now: datetime,
) -> bool:
    """Add a partner with its lane; False when there is one of that code. The caller audits it."""
    made = session.execute(
        insert(Partner)
        .values(
            code=code,
            name=name,
            transport=transport,
            base_url=base_url.rstrip("/"),
            order_types=order_types,
            sees_key_info=sees_key_info,
            key_generation=1,
            oldest_key_generation=1,
            active=True,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Partner.code)
    ).scalar_one_or_none()
    _add_lanes(session, settings)
    return made is not None


def _add_lanes(session: Session, settings: Settings) -> None:
    partners = session.execute(
        select(Partner.code, Partner.transport).where(Partner.transport != FEED)
    ).all()
    sending = [lanes.partner_lane(one.code) for one in partners]
    sending += [*lanes.DOWNSTREAM_LANES, *lanes.NOTICE_LANES, *lanes.SIGNAL_LANES]
    in_flight = {lanes.CIS: _SFTP_IN_FLIGHT, lanes.EMAIL: _EMAILS_IN_FLIGHT}
    in_flight |= {
        lanes.partner_lane(one.code): _SFTP_IN_FLIGHT for one in partners if one.transport == SFTP
    }
    _add(
        session,
        Lane,
        [
            {
                "name": name,
                "sends": name in sending,
                "mode": lanes.mode_of(name).value,
                "paused": False,
                "in_flight_count": in_flight.get(name, settings.in_flight_count),
                "max_attempts": _MAX_ATTEMPTS,
                "failures": 0,
            }
            for name in (*lanes.WORK_LANES, *sending)
        ],
    )


def _add_provider_routes(session: Session, settings: Settings) -> None:
    """One route per provider's account that the settings know; a second one stands by."""
    routes = [("twilio", "SMS", "twilio", 100), ("sendgrid", "EMAIL", "sendgrid", 100)]
    if settings.twilio2_account_sid:
        routes.append(("twilio2", "SMS", "twilio", 0))
    _add(
        session,
        ProviderRoute,
        [
            {
                "code": code,
                "channel": channel,
                "adapter": adapter,
                "account": code,
                "weight": weight,
                "active": True,
                "failures": 0,
                "changed_by": "system:setup",
                "changed_at": datetime.now(UTC),
            }
            for code, channel, adapter, weight in routes
        ],
    )


def _add_schedules(session: Session, settings: Settings) -> None:
    now = datetime.now(UTC)
    _add(
        session,
        Schedule,
        [
            {"name": name, "lane": lane, "every_s": every_s, "next_at": now, "active": True}
            for name, lane, every_s in (
                ("poll the CIS's folder", lanes.POLL_CIS, settings.cis_poll_s),
                ("look into partners' folders", lanes.PARTNER_FILES, settings.partner_poll_s),
                ("upkeep", lanes.UPKEEP, 10.0),
            )
        ],
    )


def _add(session: Session, model: Any, rows: list[dict[str, Any]]) -> None:
    session.execute(insert(model).on_conflict_do_nothing(), rows)
