"""Phone numbers and addresses: add, confirm, remove; quiet hours and language of each."""

from __future__ import annotations

from flask import abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from app.db import db, transaction
from app.domain.languages import Language
from app.domain.notice_types import Channel
from app.models import Contact
from app.services import contacts, customer_sessions, verification
from app.services.preference_matrix import find_matrix
from app.services.verification import Address, Outcome
from app.settings import Settings
from app.web import contact_form
from app.web.clock import now
from app.web.customers.blueprint import blueprint
from app.web.customers.login import CodeForm, code_fault, source_address
from app.web.customers.session import customer_required, here, owner_required, visit
from app.web.i18n import current_language

PURPOSE = "CONTACT"
_ASKED = "contact_code"
CONTACTS_MAX = 10


class NewAddressForm(FlaskForm):
    """A number or an address to add."""

    address = StringField(
        _l("Mobile phone number or e-mail address"),
        [InputRequired(_l("Enter a phone number or an e-mail address")), Length(max=254)],
    )


@blueprint.get("/contacts")
@customer_required
def contacts_page() -> ResponseReturnValue:
    """The customer's own contacts; a third party sees itself."""
    person = here()
    shown = [
        one
        for one in find_matrix(db.session(), person.customer_id).contacts
        if (one.id == person.contact.id if person.third_party else one.third_party_name is None)
    ]
    return render_template(
        "customers/contacts.html", contacts=shown, third_party=person.third_party
    )


@blueprint.route("/contacts/new", methods=["GET", "POST"])
@owner_required
def contact_new() -> ResponseReturnValue:
    """Add a number or an address; it hears nothing before its code has come back."""
    form = NewAddressForm()
    if form.validate_on_submit():
        address = customer_sessions.read_address(form.address.data or "")
        fault = gettext("This is not a phone number or an e-mail address")
        if address is not None:
            contact, fault = add(address)
            if contact is not None:
                return send_to(contact)
        form.address.errors = [fault]
    return render_template("customers/contact_new.html", form=form), 422 if form.errors else 200


@blueprint.post("/contacts/<int:contact_id>/code")
@owner_required
def contact_code(contact_id: int) -> ResponseReturnValue:
    """Send a code to a contact that is not confirmed."""
    return send_to(_contact(contact_id))


@blueprint.route("/contacts/<int:contact_id>/confirm", methods=["GET", "POST"])
@owner_required
def contact_confirm(contact_id: int) -> ResponseReturnValue:
    """Take the code that came to the contact."""
    contact = _contact(contact_id)
    asked = session.get(_ASKED)
    if not isinstance(asked, dict) or asked.get("contact") != contact_id:
        return redirect(url_for(".contacts_page"))
    form = CodeForm()
    if form.validate_on_submit():
        outcome = _confirm(asked["token"], contact_id, form.code.data or "")
        if outcome is Outcome.OK:
            session.pop(_ASKED)
            flash(gettext("%(value)s was confirmed.", value=contact.value), "ok")
            return redirect(_list_of(contact), 303)
        form.code.errors = [code_fault(outcome)]
    page = render_template("customers/contact_confirm.html", form=form, contact=contact)
    return page, 422 if form.errors else 200


@blueprint.route("/contacts/<int:contact_id>", methods=["GET", "POST"])
@customer_required
def contact_settings(contact_id: int) -> ResponseReturnValue:
    """Quiet hours, what may wake somebody, and language."""
    contact = _contact(contact_id)
    matrix = find_matrix(db.session(), contact.customer_id)
    fault = None
    if request.method == "POST":
        with transaction() as db_session:
            saved = contact_form.save(
                db_session, _locked(db_session, contact_id), request.form, here().origin()
            )
        if saved:
            flash(gettext("Your choices were saved."), "ok")
            return redirect(_list_of(contact), 303)
        fault = contact_form.hours_fault()
    page = render_template(
        "customers/contact.html",
        contact=contact,
        fault=fault,
        **contact_form.fields(contact, matrix),
    )
    return page, 422 if fault else 200


@blueprint.route("/contacts/<int:contact_id>/remove", methods=["GET", "POST"])
@customer_required
def contact_remove(contact_id: int) -> ResponseReturnValue:
    """Remove a contact, after asking."""
    contact = _contact(contact_id)
    person = here()
    target = _list_of(contact)
    if request.method == "GET":
        matrix = find_matrix(db.session(), person.customer_id)
        last = matrix.told_of_plans() == [contact_id]
        return render_template("customers/contact_remove.html", contact=contact, last=last)
    with transaction() as db_session:
        contacts.remove(db_session, _locked(db_session, contact_id), person.origin())
    flash(gettext("%(value)s was removed.", value=contact.value), "ok")
    if visit() is None or contact_id == person.contact.id:
        session.clear()
        return redirect(url_for(".log_in"), 303)
    return redirect(target, 303)


def add(
    address: Address, third_party: contacts.ThirdParty | None = None
) -> tuple[Contact | None, str]:
    """Add a contact, or tell why not."""
    person = here()
    try:
        with transaction() as db_session:
            if len(find_matrix(db_session, person.customer_id).contacts) >= CONTACTS_MAX:
                return None, gettext("You have as many numbers and addresses as there may be")
            contact = contacts.add(
                db_session, person.customer_id, address, person.origin(), third_party=third_party
            )
    except contacts.ContactTaken:
        return None, gettext("You have this number or address already")
    return contact, ""


def send_to(contact: Contact) -> ResponseReturnValue:
    """Send a code to a contact of the customer and ask for it."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    moment = now()
    address = Address(Channel(contact.kind), contact.value)
    with transaction() as db_session:
        allowed = verification.may_send(
            db_session, address, source_address(), settings, moment
        ) and verification.within_customers(db_session, [contact.customer_id], settings, moment)
    if not allowed:
        flash(gettext("Too many codes were asked for. Try again in an hour."), "warn")
        return redirect(_list_of(contact), 303)
    with transaction() as db_session:
        token = verification.send_code(
            db_session,
            address,
            purpose=PURPOSE,
            language=Language(contact.language or current_language()),
            now=moment,
            settings=settings,
            facts={"contact": contact.id},
            contact_id=contact.id,
            customer_id=contact.customer_id,
        )
    session[_ASKED] = {"token": token, "contact": contact.id}
    return redirect(url_for(".contact_confirm", contact_id=contact.id), 303)


def _confirm(token: str, contact_id: int, code: str) -> Outcome:
    person, moment = here(), now()
    with transaction() as db_session:
        proof = verification.check_code(
            db_session,
            token,
            code,
            purposes=[PURPOSE],
            source_address=source_address(),
            settings=current_app.extensions["tiedolla_settings"],
            now=moment,
        )
        if proof.outcome is Outcome.OK and proof.facts is not None:
            contact = _locked(db_session, contact_id)
            if proof.facts["contact"] != contact_id or contact.state == "REMOVED":
                return Outcome.SPENT
            contacts.confirm(db_session, contact, person.origin())
    return proof.outcome


def _contact(contact_id: int) -> Contact:
    """A contact that this person may change; anybody else's is not found."""
    person = here()
    contact = db.session().get(Contact, contact_id, populate_existing=True)
    if (
        contact is None
        or contact.customer_id != person.customer_id
        or contact.state == "REMOVED"
        or (person.third_party and contact.id != person.contact.id)
    ):
        abort(404)
    return contact


def _locked(db_session: Session, contact_id: int) -> Contact:
    return db_session.get_one(Contact, contact_id, with_for_update=True, populate_existing=True)


def _list_of(contact: Contact) -> str:
    other = contact.third_party_name is not None and not here().third_party
    return url_for(".people_page" if other else ".contacts_page")
