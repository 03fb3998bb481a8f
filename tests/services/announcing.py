"""Outages with points, and what a planner makes of announcements about them; for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.notice_types import CHOSEN_TOPICS, NoticeType
from app.models import MeteringPoint, Outage, OutagePoint
from app.services import notice_plan
from app.services.announcements import About, about_outage, announce
from app.settings import Settings
from tests.services.world import GSRN, NOW, add_customer, add_point
from workers.notices import plan_slices

# 649999000000000013 and two more with valid check digits.
POINTS = (GSRN, "649999000000000020", "649999000000000037")


def settle_people(count: int = 1, **customer: Any) -> None:
    """So many points at Koivutie 12 A, 14 A, …, each with a customer who wants everything.

    phones: by default each has another one.
    """
    phones = customer.pop("phones", None) or [f"+35840123456{place}" for place in range(count)]
    with transaction() as session:
        for place in range(count):
            add_point(session, POINTS[place])
            session.get_one(MeteringPoint, POINTS[place]).house_number = str(12 + 2 * place)
            add_customer(
                session,
                f"C{place}",
                gsrn=POINTS[place],
                **{"contacts": {phones[place]: "SMS"}, **customer},
            )
        want_everything(session)


def want_everything(session: Session) -> None:
    """Everybody wants every topic."""
    session.execute(
        text(
            """
            INSERT INTO preference (contact_id, topic, enabled, night_ok, source, legal_basis,
                changed_at)
            SELECT id, topic, true, false, 'CIS', 'CONTRACT', now() FROM contact
            CROSS JOIN unnest(CAST(:topics AS text[])) AS t (topic)
            ON CONFLICT DO NOTHING
            """
        ),
        {"topics": [str(topic) for topic in CHOSEN_TOPICS]},
    )


def add_outage(
    points: Sequence[str] = POINTS[:1], off_at: datetime = NOW, kind: str = "FAULT", **more: Any
) -> int:
    """An outage of these points; returns its number."""
    with transaction() as session:
        outage = Outage(
            source="DMS",
            source_ref=more.pop("source_ref", f"F-{off_at.isoformat()}"),
            kind=kind,
            state=more.pop("state", "CONFIRMED"),
            version=1,
            started_at=off_at,
            created_at=off_at,
            updated_at=off_at,
            **more,
        )
        session.add(outage)
        session.flush()
        session.add_all(OutagePoint(outage_id=outage.id, gsrn=one, off_at=off_at) for one in points)
        return outage.id


def restore(outage_id: int, on_at: datetime, points: Sequence[str] | None = None) -> None:
    """The power is back at these points, or at all of them."""
    with transaction() as session:
        session.execute(
            text(
                "UPDATE outage_point SET on_at = :on_at WHERE outage_id = :id"
                " AND (CAST(:points AS text[]) IS NULL OR gsrn = ANY(:points))"
            ),
            {"id": outage_id, "on_at": on_at, "points": list(points) if points else None},
        )


def tell_all(
    kind: NoticeType,
    about: About | int,
    event_at: datetime = NOW,
    *,
    now: datetime | None = None,
    occurrence: str | None = None,
    **facts: Any,
) -> int | None:
    """Announce as the services do, and plan until nothing is left; returns the announcement."""
    at = now or event_at
    with transaction() as session:
        number = announce(
            session,
            kind,
            about_outage(about) if isinstance(about, int) else about,
            occurrence=event_at.isoformat() if occurrence is None else occurrence,
            event_at=event_at,
            facts={name: _fact(value) for name, value in facts.items()},
            now=at,
        )
    plan_all(at)
    return number


def plan_all(now: datetime) -> int:
    """Plan all that is due, as the worker does; returns how many were told."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    told = 0
    while True:
        with transaction() as session:
            number = notice_plan.next_announcement(session, now)
        if number is None:
            return told
        told += sum(slice_.told for slice_ in plan_slices(number, settings, lambda: now))


def _fact(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
