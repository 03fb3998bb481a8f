"""Quiet hours, what may come at night and language of a contact, as a form; for customers and staff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.domain.quiet_hours import DEFAULT_QUIET_FROM, DEFAULT_QUIET_TO
from app.models import Contact, Preference
from app.services import contacts, preferences
from app.services.contacts import Origin
from app.services.preference_matrix import Matrix, find_matrix
from app.services.preferences import Wish
from app.web.i18n import LANGUAGES

_Hours = tuple[time | None, time | None]


def fields(contact: Contact, matrix: Matrix) -> dict[str, object]:
    """What the form shows."""
    return {
        # Of what it does not hear of at all, nothing can come at night.
        "topics": [
            (topic, _night_ok(contact, matrix, topic))
            for topic in CHOSEN_TOPICS
            if matrix.cell(contact.id, topic).hears or _rows(contact, matrix, topic)
        ],
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
    wishes = [
        wish
        for topic in CHOSEN_TOPICS
        for wish in _night_wishes(contact, matrix, topic, form.get(f"night-{topic}") == "1")
    ]
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


def _night_wishes(contact: Contact, matrix: Matrix, topic: Topic, night_ok: bool) -> Iterator[Wish]:
    """Let a topic come at night, or no more, wherever the contact hears of it.

    Whether it hears stays as it is: of a default that comes to nothing no choice is made.
    """
    if night_ok == _night_ok(contact, matrix, topic):
        return
    cell = matrix.cell(contact.id, topic)
    if cell.hears or cell.chosen is not None:
        yield Wish(contact.id, topic, cell.hears, night_ok=night_ok)
    for gsrn, row in _rows(contact, matrix, topic).items():
        if gsrn is not None:
            yield Wish(contact.id, topic, row.enabled, gsrn, night_ok=night_ok)


def _night_ok(contact: Contact, matrix: Matrix, topic: Topic) -> bool:
    rows = _rows(contact, matrix, topic)
    everywhere = rows.get(None)
    return everywhere.night_ok if everywhere else any(row.night_ok for row in rows.values())


def _rows(contact: Contact, matrix: Matrix, topic: Topic) -> dict[str | None, Preference]:
    """What was chosen for the contact and the topic, by point; None is everywhere."""
    return {
        gsrn: row
        for (contact_id, of, gsrn), row in matrix.rows.items()
        if contact_id == contact.id and of == topic
    }


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
