"""Quiet hours, what may come at night and language of a contact, as a form; for customers and staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.domain.notice_types import CHOSEN_TOPICS
from app.domain.quiet_hours import DEFAULT_QUIET_FROM, DEFAULT_QUIET_TO
from app.models import Contact
from app.services import contacts, preferences
from app.services.contacts import Origin
from app.services.preference_matrix import Matrix, find_matrix
from app.services.preferences import Wish
from app.web.i18n import LANGUAGES

_Hours = tuple[time | None, time | None]


def fields(contact: Contact, matrix: Matrix) -> dict[str, object]:
    """What the form shows."""
    return {
        "topics": [(topic, matrix.cell(contact.id, topic).night_ok) for topic in CHOSEN_TOPICS],
        "quiet_from": contact.quiet_from or DEFAULT_QUIET_FROM,
        "quiet_to": contact.quiet_to or DEFAULT_QUIET_TO,
        "times": [time(hour, half) for hour in range(24) for half in (0, 30)],
    }


def hours_fault() -> str:
    """What to say when the hours make no sense."""
    return gettext("Choose when the quiet hours begin and when they end.")


def save(session: Session, contact: Contact, form: Mapping[str, str], origin: Origin) -> bool:
    """Keep what the form says; False, and nothing kept, when its hours make no sense."""
    hours = _hours(form)
    if hours is None:
        return False
    contacts.set_quiet_hours(session, contact, *hours, origin)
    language = form.get("language") or None
    if language is None or language in LANGUAGES:
        contacts.set_language(session, contact, language, origin)
    matrix = find_matrix(session, contact.customer_id)
    wishes = []
    for topic in CHOSEN_TOPICS:
        cell = matrix.cell(contact.id, topic)
        night_ok = form.get(f"night-{topic}") == "1"
        if night_ok != cell.night_ok:
            wishes.append(Wish(contact.id, topic, cell.hears, night_ok=night_ok))
    preferences.save(
        session,
        contact.customer_id,
        wishes,
        source=origin.source,
        by=origin.by,
        now=origin.now,
        # Whether it hears of anything does not change here.
        letter_ok=True,
    )
    return True


def _hours(form: Mapping[str, str]) -> _Hours | None:
    """The company's hours, none at all, or own ones; None when they cannot be read."""
    kind = form.get("quiet")
    if kind == "default":
        return None, None
    if kind == "never":
        return time(0), time(0)
    try:
        begin = time.fromisoformat(form.get("quiet_from", ""))
        end = time.fromisoformat(form.get("quiet_to", ""))
    except ValueError:
        return None
    own = kind == "own" and begin != end and begin.tzinfo is None and end.tzinfo is None
    return (begin, end) if own else None
