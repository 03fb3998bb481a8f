"""One customer's contacts and what they hear of; customer service changes them on request.

A contact is confirmed by a code alone, which nobody tells on the phone: the customer logs in with it,
or answers START.
"""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.notice_values import short_address
from app.domain.roles import Permission
from app.models import Contact, Customer, MeteringPoint
from app.queries.customer_pages import find_changes
from app.services import audit, contacts, customer_sessions, opt_outs, preferences
from app.services.area_subscriptions import SUBSCRIBERS
from app.services.contacts import Origin
from app.services.preference_matrix import current_gsrns, find_matrix
from app.services.preferences import LastChannel
from app.web import contact_form
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.clock import now
from app.web.preference_rows import elsewhere_of, rows_of, shown_at, wishes_of

HISTORY_ROWS = 100
# What was revealed is hidden again when the page is next opened.
_REVEALED = "revealed_customer"


@blueprint.get("/customers/<name:customer_id>")
@role_required(Permission.LOOKUP)
def customer(customer_id: str) -> ResponseReturnValue:
    """Contacts, choices and their history."""
    return _page(customer_id)


@blueprint.post("/customers/<name:customer_id>/reveal")
@role_required(Permission.SEE_KEY_INFO)
def reveal_customer(customer_id: str) -> ResponseReturnValue:
    """Show addresses and contacts of somebody under a safety ban, once; recorded first (REQ-31)."""
    _customer(customer_id)
    with transaction() as db_session:
        audit.record(db_session, actor(), "ADDRESS_SEEN", f"customer:{customer_id}", {}, now())
    session[_REVEALED] = customer_id
    flash(gettext("Shown this once. That you looked has been recorded."), "info")
    return redirect(url_for(".customer", customer_id=customer_id), 303)


@blueprint.post("/customers/<name:customer_id>/preferences")
@role_required(Permission.CHANGE_WISHES)
def save_choices(customer_id: str) -> ResponseReturnValue:
    """Change choices on the customer's behalf."""
    _customer(customer_id)
    gsrn = _point(customer_id)
    matrix = find_matrix(db.session(), customer_id)
    wishes = wishes_of(matrix, shown_at(matrix, gsrn), gsrn, request.form)
    origin = _origin()
    try:
        with transaction() as db_session:
            changed = preferences.save(
                db_session,
                customer_id,
                wishes,
                source=origin.source,
                by=origin.by,
                now=origin.now,
                letter_ok=request.form.get("letter") == "1",
            )
            _record(db_session, "PREFERENCES_CHANGED", customer_id, {"count": changed}, origin)
    except LastChannel:
        return _page(customer_id, wants_letter=True), 422
    flash(gettext("The choices were saved."), "ok")
    return redirect(url_for(".customer", customer_id=customer_id, point=gsrn), 303)


@blueprint.post("/customers/<name:customer_id>/stop")
@role_required(Permission.CHANGE_WISHES)
def stop_customer(customer_id: str) -> ResponseReturnValue:
    """End everything that can be ended."""
    _customer(customer_id)
    origin = _origin()
    with transaction() as db_session:
        for contact in find_matrix(db_session, customer_id).contacts:
            opt_outs.opt_out(
                db_session, contact.id, None, source=origin.source, by=origin.by, now=origin.now
            )
        _record(db_session, "OPT_OUT", customer_id, {"topic": "ALL"}, origin)
    flash(gettext("Nothing more is sent; planned cuts are announced by letter."), "ok")
    return redirect(url_for(".customer", customer_id=customer_id), 303)


@blueprint.post("/customers/<name:customer_id>/contacts")
@role_required(Permission.CHANGE_WISHES)
def add_contact(customer_id: str) -> ResponseReturnValue:
    """Add a number or an address that the customer gave; it waits for its code."""
    _customer(customer_id)
    origin = _origin()
    address = customer_sessions.read_address(request.form.get("address", "")[:254])
    if address is None:
        return _page(customer_id, fault=gettext("This is not a phone number or address")), 422
    try:
        with transaction() as db_session:
            added = contacts.add(db_session, customer_id, address, origin)
            _record(db_session, "CONTACT_ADDED", customer_id, {"contact": added.id}, origin)
    except contacts.ContactTaken:
        fault = gettext("The customer has this number or address already")
        return _page(customer_id, fault=fault), 422
    flash(gettext("Added. It hears of things once the customer has confirmed it."), "ok")
    return redirect(url_for(".customer", customer_id=customer_id), 303)


@blueprint.post("/customers/<name:customer_id>/contacts/<int:contact_id>/remove")
@role_required(Permission.CHANGE_WISHES)
def remove_contact(customer_id: str, contact_id: int) -> ResponseReturnValue:
    """Remove a contact; nothing more is sent to it."""
    _contact(customer_id, contact_id)
    origin = _origin()
    with transaction() as db_session:
        contact = db_session.get_one(
            Contact, contact_id, with_for_update=True, populate_existing=True
        )
        if contact.state != "REMOVED":
            contacts.remove(db_session, contact, origin)
            _record(db_session, "CONTACT_REMOVED", customer_id, {"contact": contact_id}, origin)
    flash(gettext("It was removed."), "ok")
    return redirect(url_for(".customer", customer_id=customer_id), 303)


@blueprint.route("/customers/<name:customer_id>/contacts/<int:contact_id>", methods=["GET", "POST"])
@role_required(Permission.CHANGE_WISHES)
def contact_of(customer_id: str, contact_id: int) -> ResponseReturnValue:
    """Quiet hours, nights and language of one contact."""
    contact = _contact(customer_id, contact_id)
    fault = None
    if request.method == "POST":
        origin = _origin()
        with transaction() as db_session:
            locked = db_session.get_one(
                Contact, contact_id, with_for_update=True, populate_existing=True
            )
            saved = contact_form.save(db_session, locked, request.form, origin)
            _record(db_session, "CONTACT_CHANGED", customer_id, {"contact": contact_id}, origin)
        if saved:
            flash(gettext("The choices were saved."), "ok")
            return redirect(url_for(".customer", customer_id=customer_id), 303)
        fault = contact_form.hours_fault()
    page = render_template(
        "agents/contact.html",
        contact=contact,
        hide=_customer(customer_id).personal_safety_ban,
        fault=fault,
        **contact_form.fields(contact, find_matrix(db.session(), customer_id)),
    )
    return page, 422 if fault else 200


def _page(customer_id: str, *, wants_letter: bool = False, fault: str = "") -> str:
    found = _customer(customer_id)
    gsrn = _point(customer_id)
    matrix = find_matrix(db.session(), customer_id)
    shown = shown_at(matrix, gsrn)
    revealed = session.pop(_REVEALED, None) == customer_id
    return render_template(
        "agents/customer.html",
        customer=found,
        hide=found.personal_safety_ban and not revealed,
        matrix=matrix,
        contacts=shown,
        rows=rows_of(matrix, shown, gsrn),
        elsewhere=elsewhere_of(matrix, shown),
        gsrn=gsrn,
        points=_points(customer_id),
        wants_letter=wants_letter,
        sent=request.form if wants_letter else None,
        fault=fault,
        by_letter=not matrix.told_of_plans(gsrn),
        history=find_changes(db.session(), customer_id, limit=HISTORY_ROWS),
    )


def _origin() -> Origin:
    return Origin("AGENT", actor(), now())


def _record(
    db_session: Session, action: str, customer_id: str, detail: dict[str, object], origin: Origin
) -> None:
    audit.record(db_session, origin.by, action, f"customer:{customer_id}", detail, origin.now)


def _customer(customer_id: str) -> Customer:
    found = db.session().get(Customer, customer_id)
    # Whoever stands for all subscribers of areas is no customer.
    if found is None or customer_id == SUBSCRIBERS:
        abort(404)
    return found


def _contact(customer_id: str, contact_id: int) -> Contact:
    contact = db.session().get(Contact, contact_id, populate_existing=True)
    if contact is None or contact.customer_id != customer_id or contact.state == "REMOVED":
        abort(404)
    return contact


def _point(customer_id: str) -> str | None:
    gsrn = request.values.get("point") or None
    if gsrn is not None and gsrn not in dict(_points(customer_id)):
        abort(404)
    return gsrn


def _points(customer_id: str) -> list[tuple[str, str]]:
    gsrns = current_gsrns(db.session(), customer_id, helsinki_day(now()))
    found = db.session().query(MeteringPoint).where(MeteringPoint.gsrn.in_(gsrns))
    named = {
        one.gsrn: short_address(one.street_name, one.house_number, one.staircase, one.apartment)
        for one in found
    }
    return [(gsrn, named.get(gsrn) or gsrn) for gsrn in gsrns]
