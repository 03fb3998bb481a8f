"""Setup gives a new installation what it needs, and spoils nothing when run again."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select

from app.db import transaction
from app.models import Lane, OrderType, Partner, RouteRule
from app.services import setup


def test_running_setup_again_changes_nothing_that_somebody_edited(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            setup.set_partner_url(session, "voima", "https://installer.example/api/")
            before = session.scalar(select(func.count()).select_from(RouteRule))
        with transaction() as session:
            setup.install_defaults(session, app.extensions["tiedolla_settings"])
        with transaction() as session:
            assert session.scalar(select(func.count()).select_from(RouteRule)) == before
            partner = session.get(Partner, "voima")
            assert partner is not None
            assert partner.base_url == "https://installer.example/api"
            assert session.get(OrderType, "MVM") is not None
            assert {lane.name for lane in session.scalars(select(Lane))} >= {
                "partner.voima",
                "sms",
                "email",
                "cis",
                "nis",
                "dms",
                "billing",
                "intake",
            }
