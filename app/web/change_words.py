"""How the histories of choices and contacts read; shared by customers' and staff's pages."""

from __future__ import annotations

from flask import Flask
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.queries.customer_pages import ChangeRow
from app.web.labels import label

_SOURCE = {
    "CIS": _l("Contract (CIS)"),
    "PORTAL": _l("Customers' pages"),
    "AGENT": _l("Customer service"),
    "SMS": _l("Text message"),
    "EMAIL": _l("Link in an e-mail"),
}
_GROUND = {
    "CONTRACT": _l("Contract"),
    "LEGAL_DUTY": _l("Duty by law"),
    "CONSENT": _l("Consent"),
}
_CONTACT = {
    "ADDED": _l("Added"),
    "THIRD_PARTY_ADDED": _l("Added, with the customer's yes"),
    "VERIFIED": _l("Confirmed by a code"),
    "REMOVED": _l("Removed"),
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (change_words, change_source, change_ground):
        app.add_template_global(word)


def change_words(row: ChangeRow) -> str:
    """What changed, in a line."""
    if row.topic is not None:
        return _choice(row, str(label("topic", row.topic).text))
    if row.what == "QUIET_HOURS":
        words = row.new_value or "22.00-07.00"
        return gettext("Quiet hours: %(hours)s", hours=words)
    if row.what == "LANGUAGE":
        language = label("language", row.new_value).text if row.new_value else None
        return gettext("Language: %(language)s", language=language or gettext("as in the contract"))
    if row.what == "POINTS":
        return gettext("Metering points: %(points)s", points=row.new_value or gettext("all"))
    if row.what == "ENROLLED":
        return gettext("Enrolled") if row.new_value == "true" else gettext("Enrolment ended")
    return str(_CONTACT.get(row.what, row.what))


def change_source(source: str) -> str:
    """From where a change came."""
    return str(_SOURCE.get(source, source))


def change_ground(basis: str) -> str:
    """On which ground of the data protection law."""
    return str(_GROUND.get(basis, basis))


def _choice(row: ChangeRow, topic: str) -> str:
    if row.what == "TAKEN_BACK":
        return gettext("%(topic)s: choice taken back", topic=topic)
    if not row.enabled:
        return gettext("%(topic)s: off", topic=topic)
    if row.night_ok:
        return gettext("%(topic)s: on, also at night", topic=topic)
    return gettext("%(topic)s: on", topic=topic)
