"""The customer's own data: the history of every choice, and all of it to take home."""

from __future__ import annotations

import json

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from app.db import db, transaction
from app.queries.customer_pages import find_changes
from app.services import audit, customer_data
from app.web.clock import now
from app.web.customers.blueprint import blueprint
from app.web.customers.session import customer_required, here, owner_required

HISTORY_ROWS = 200


@blueprint.get("/history")
@customer_required
def history() -> ResponseReturnValue:
    """Who changed what, when, from where and on which ground."""
    person = here()
    rows = find_changes(
        db.session(),
        person.customer_id,
        contact_id=person.contact.id if person.third_party else None,
        limit=HISTORY_ROWS,
    )
    return render_template(
        "customers/history.html", rows=rows, third_party=person.third_party, limit=HISTORY_ROWS
    )


@blueprint.post("/data")
@owner_required
def download() -> ResponseReturnValue:
    """All that we know, as JSON; that it was handed out is recorded first."""
    person = here()
    with transaction() as session:
        found = customer_data.export(session, person.customer_id, now())
        subject = f"customer:{person.customer_id}"
        audit.record(session, person.actor, "CUSTOMER_EXPORTED", subject, {}, now())
    answer = Response(json.dumps(found, ensure_ascii=False, indent=2), mimetype="application/json")
    answer.headers.set(
        "Content-Disposition", "attachment", filename=f"tiedolla-{person.customer_id}.json"
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
