"""Why a file from another environment, or a record of it, is not let in, in words."""

from __future__ import annotations

from flask import Flask
from flask_babel import gettext


def init(app: Flask) -> None:
    """Give the templates these words."""
    app.add_template_global(refusal, "import_reason")
    app.add_template_global(field_name, "import_field")


def field_name(path: str) -> str:
    """What a field is called on the pages; one that has no name there stands as in the file."""
    known = {
        "priority": gettext("Priority"),
        "partner": gettext("Contractor"),
        "order_types": gettext("Order types"),
        "municipalities": gettext("Municipalities"),
        "models": gettext("Meter models"),
        "mass": gettext("Which orders"),
        "active_from": gettext("First day"),
        "active_to": gettext("Last day"),
        "every_s": gettext("Seconds between two runs"),
        "active": gettext("In use"),
        "name": gettext("Name"),
        "description": gettext("Description"),
        "owner": gettext("Owner"),
        "log_level": gettext("Log detail"),
        "overlap": gettext("When a start meets an earlier one"),
        "measure": gettext("Measure"),
        "limit": gettext("Limit"),
        "days": gettext("Days"),
    }
    return known.get(path, path)


def refusal(code: str) -> str:
    """A code as a sentence; one that is not here is shown as it is."""
    words = {
        "TOO_LARGE": gettext("The file is too large."),
        "NOT_JSON": gettext("The file is not readable."),
        "FORMAT_UNKNOWN": gettext("This is no export of an environment."),
        "SCHEMA_NEWER": gettext("A newer release wrote it: update this environment first."),
        "FILE_ALTERED": gettext("Its signature does not fit: somebody has changed the file."),
        "ENVIRONMENT_NOT_TRUSTED": gettext(
            "No files are taken from that environment (TIEDOLLA_ENVIRONMENT_TRUST)."
        ),
        "KEY_NOT_TRUSTED": gettext("It is not signed by the environment that it names."),
        "CONTENT_INVALID": gettext("It cannot be understood."),
        "SAME_PERSON": gettext("Whoever brought it cannot let it in: somebody else has to."),
        "NOT_WAITING": gettext("It has been decided already."),
        "CHANGED_MEANWHILE": gettext("What it would change is different by now. Look at it again."),
        "NOTHING_DUE": gettext("Nothing of it is due: everything in it is here already."),
        "DRAFT_IN_THE_WAY": gettext("Somebody works on another draft. Finish that one first."),
        "NO_RULES": gettext("Without a rule no order would have a route."),
        "PARTNER_UNKNOWN": gettext("There is no such contractor."),
        "VERSION_TAKEN": gettext("Another content has this version number here."),
        "TRANSPORT_DIFFERS": gettext("The partner is reached in another way here."),
        "NOT_HERE": gettext("There is no such thing here."),
        "KIND_UNKNOWN": gettext("This release does not know such records."),
        "CIRCLE": gettext("They would start one another for ever."),
        "CRON_INVALID": gettext(
            "The schedule needs five parts: minute, hour, day, month, weekday."
        ),
        "PROCESS_UNKNOWN": gettext("There is no such process."),
        "TABLE_UNKNOWN": gettext("Changes of this table cannot start anything."),
    }
    return words.get(code, code)
