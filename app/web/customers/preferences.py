"""What each of the customer's contacts hears of: topics beside contacts, everywhere or at one point."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.notice_values import short_address
from app.models import MeteringPoint
from app.services import opt_outs, preferences
from app.services.preference_matrix import Matrix, find_matrix
from app.services.preferences import LastChannel
from app.web.clock import now
from app.web.customers.blueprint import blueprint
from app.web.customers.session import customer_required, gsrns, here
from app.web.preference_rows import elsewhere_of, rows_of, shown_at, wishes_of


@blueprint.get("/preferences")
@customer_required
def preferences_page() -> ResponseReturnValue:
    """The matrix; `?point=` shows what differs at one metering point."""
    return _page(_point())


@blueprint.post("/preferences")
@customer_required
def save_preferences() -> ResponseReturnValue:
    """Keep what was changed; what was left as it was stays what it is, a default or a choice."""
    gsrn = _point()
    person = here()
    matrix = _own(find_matrix(db.session(), person.customer_id))
    wishes = wishes_of(matrix, shown_at(matrix, gsrn), gsrn, request.form)
    try:
        with transaction() as session:
            preferences.save(
                session,
                person.customer_id,
                wishes,
                source="PORTAL",
                by=person.actor,
                now=now(),
                letter_ok=request.form.get("letter") == "1" or person.third_party,
            )
    except LastChannel:
        return _page(gsrn, wants_letter=True), 422
    flash(gettext("Your choices were saved."), "ok")
    return redirect(url_for(".preferences_page", point=gsrn), 303)


@blueprint.route("/stop", methods=["GET", "POST"])
@customer_required
def stop() -> ResponseReturnValue:
    """End everything that can be ended, after saying what stays."""
    person = here()
    if request.method == "GET":
        return render_template("customers/stop.html", third_party=person.third_party)
    with transaction() as session:
        matrix = find_matrix(session, person.customer_id)
        for contact in matrix.contacts:
            if not person.third_party or contact.id == person.contact.id:
                opt_outs.opt_out(
                    session, contact.id, None, source="PORTAL", by=person.actor, now=now()
                )
    flash(gettext("You get no more status messages from us."), "ok")
    return redirect(url_for(".preferences_page"), 303)


def _page(gsrn: str | None, *, wants_letter: bool = False) -> str:
    matrix = _own(find_matrix(db.session(), here().customer_id))
    shown = shown_at(matrix, gsrn)
    return render_template(
        "customers/preferences.html",
        rows=rows_of(matrix, shown, gsrn),
        contacts=shown,
        elsewhere=elsewhere_of(matrix, shown),
        gsrn=gsrn,
        points=_points(),
        wants_letter=wants_letter,
        sent=request.form if wants_letter else None,
        by_letter=not here().third_party and not matrix.told_of_plans(gsrn),
    )


def _own(matrix: Matrix) -> Matrix:
    """A third party sees and changes itself only."""
    person = here()
    if not person.third_party:
        return matrix
    contacts = [one for one in matrix.contacts if one.id == person.contact.id]
    return Matrix(matrix.preferred_channel, contacts, matrix.rows)


def _point() -> str | None:
    gsrn = request.values.get("point") or None
    if gsrn is not None and gsrn not in gsrns():
        abort(404)
    return gsrn


def _points() -> list[tuple[str, str]]:
    found = db.session().query(MeteringPoint).where(MeteringPoint.gsrn.in_(gsrns()))
    named = {
        one.gsrn: short_address(one.street_name, one.house_number, one.staircase, one.apartment)
        for one in found
    }
    return [(gsrn, named.get(gsrn) or gsrn) for gsrn in gsrns()]
