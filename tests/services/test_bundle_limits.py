"""The lane's row decides what a partner gets at once; a bundle sets it at the beginning and then asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.models import AuditEntry, Lane, PartnerBundle
from app.services import bundle_activation, bundle_limits, bundle_versions, setup
from app.services.bundle_content import Content, shipped_content
from integrations.partners.manifest import Limits

CODE = "rautio"
LANE = f"partner.{CODE}"


def test_the_first_form_of_orders_gives_the_lane_its_limits(session: Session) -> None:
    _bring(session, _content(1, in_flight=3, per_s=7))
    assert _bounds(session) == (3, 7)
    told = session.execute(
        select(AuditEntry.actor, AuditEntry.detail).where(AuditEntry.action == "LANE_BOUNDS_SET")
    ).one()
    assert told.actor == "staff:eino"
    assert told.detail["reason"] == "bundle regional_contractor order out 1"


def test_a_partner_that_begins_with_a_shipped_kind_begins_with_its_limits(session: Session) -> None:
    content = _content(1, in_flight=2)
    bundle_activation.install(session, CODE, content, _now(), by="system:cli")
    assert _bounds(session) == (2, None)


def test_a_later_version_asks_and_changes_nothing_by_itself(session: Session) -> None:
    _bring(session, _content(1, in_flight=3, per_s=7))
    lane = session.get_one(Lane, LANE)
    lane.in_flight_count, lane.day_cap = 9, 500
    second = _bring(session, _content(2, in_flight=5))
    assert _bounds(session) == (9, 7)
    offer = bundle_limits.find_offer(session, second)
    assert offer is not None
    assert (offer.now.in_flight_count, offer.asked.in_flight_count) == (9, 5)
    # What it does not speak of stays as people have set it.
    assert (offer.asked.rate_per_s, offer.asked.day_cap) == (7, 500)
    assert bundle_limits.take(session, second, by="staff:aino", now=_now())
    assert _bounds(session) == (5, 7)
    assert session.get_one(Lane, LANE).day_cap == 500
    assert bundle_limits.find_offer(session, second) is None
    assert not bundle_limits.take(session, second, by="staff:aino", now=_now())


def test_acknowledgements_and_sources_have_no_lane_to_bound(session: Session) -> None:
    content = shipped_content("regional_contractor", "ack", "in")
    row = bundle_versions.add(session, CODE, content, by="staff:lina", now=_now())
    assert bundle_limits.find_offer(session, row) is None
    source = session.scalars(select(PartnerBundle).where(PartnerBundle.partner_code == "cis")).one()
    assert bundle_limits.find_offer(session, source) is None


def _content(version: int, **limits: int) -> Content:
    content = shipped_content("regional_contractor", "order", "out")
    return msgspec.structs.replace(content, version=version, limits=Limits(**limits))


def _bring(session: Session, content: Content) -> PartnerBundle:
    row = bundle_versions.add(session, CODE, content, by="staff:lina", now=_now())
    bundle_versions.propose(session, row, by="staff:aino", now=_now(), valid_from=None)
    bundle_activation.activate(session, row, by="staff:eino", now=_now() + timedelta(seconds=1))
    return row


def _bounds(session: Session) -> tuple[int, int | None]:
    lane = session.get_one(Lane, LANE, populate_existing=True)
    return lane.in_flight_count, lane.rate_per_s


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def session(app: Flask) -> Iterator[Any]:
    """One open transaction, and a contractor that nobody has given a form yet."""
    with app.app_context():
        with transaction() as opened:
            setup.add_partner(
                opened,
                CODE,
                "Rautio Oy",
                transport="SFTP",
                base_url="sftp://a@127.0.0.1:1",
                order_types=[],
                sees_key_info=False,
                settings=app.extensions["tiedolla_settings"],
                now=_now(),
            )
            opened.flush()
            yield opened
        db.session.remove()
