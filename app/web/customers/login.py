"""Logging in with a one-time code: the same pages, answers and work for people we do not know."""

from __future__ import annotations

from flask import abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from app.db import db, transaction
from app.domain.languages import Language
from app.models import Contact, Customer
from app.services import audit, contacts, customer_sessions, verification
from app.services.contacts import Origin
from app.services.verification import Address, Outcome
from app.settings import Settings
from app.web.clock import now
from app.web.customers.blueprint import blueprint
from app.web.customers.session import IN_BROWSER, forget, visit
from app.web.i18n import current_language

_PURPOSE = "LOGIN"
_ASKED = "customer_code"
NUMBER_MAX_CHARS = 40


class AddressForm(FlaskForm):
    """Where the code is to go."""

    address = StringField(
        _l("Mobile phone number or e-mail address"),
        [InputRequired(_l("Enter a phone number or an e-mail address")), Length(max=254)],
    )
    customer_number = StringField(
        _l("Customer number (not always needed)"), [Length(max=NUMBER_MAX_CHARS)]
    )


class CodeForm(FlaskForm):
    """The code that came."""

    code = StringField(
        _l("Code"), [InputRequired(_l("Enter the code from the message")), Length(max=20)]
    )


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> ResponseReturnValue:
    """Ask where the code is to go, and send it if somebody of that address is known."""
    if visit() is not None:
        return redirect(url_for(".home"))
    ended = session.pop("customer_ended", False)
    form = AddressForm()
    status = 200
    if form.validate_on_submit():
        address = customer_sessions.read_address(form.address.data or "")
        if address is None:
            form.address.errors = [gettext("This is not a phone number or an e-mail address")]
        elif _send(address, (form.customer_number.data or "").strip()):
            return redirect(url_for(".enter_code"), 303)
        else:
            form.address.errors = [gettext("Too many codes were asked for. Try again in an hour.")]
            status = 429
    if form.errors and status == 200:
        status = 422
    return render_template("customers/login.html", form=form, ended=ended), status


@blueprint.route("/login/code", methods=["GET", "POST"])
def enter_code() -> ResponseReturnValue:
    """Take the code; whoever has it holds the address."""
    asked = session.get(_ASKED)
    if not isinstance(asked, dict):
        return redirect(url_for(".log_in"))
    form = CodeForm()
    if form.validate_on_submit():
        outcome = _open(asked["token"], form.code.data or "")
        if outcome is Outcome.OK:
            return redirect(url_for(".home"), 303)
        form.code.errors = [code_fault(outcome)]
    page = render_template("customers/code.html", form=form, to=asked["to"])
    return page, 422 if form.errors else 200


@blueprint.route("/choose", methods=["GET", "POST"])
def choose() -> ResponseReturnValue:
    """Choose among several customers that the address belongs to."""
    found = visit()
    if found is None:
        return redirect(url_for(".log_in"))
    wanted = request.form.get("customer_id")
    if request.method == "POST":
        if wanted not in {one.customer_id for one in found.contacts}:
            abort(400)
        with transaction() as db_session:
            customer_sessions.choose_customer(db_session, found.session_id, wanted)
        forget()
        return redirect(url_for(".home"), 303)
    names = {
        row.cis_id: row.name
        for row in db.session()
        .query(Customer)
        .where(Customer.cis_id.in_([one.customer_id for one in found.contacts]))
    }
    return render_template("customers/choose.html", contacts=found.contacts, names=names)


@blueprint.route("/invitation", methods=["GET", "POST"])
def invitation() -> ResponseReturnValue:
    """A third party says yes, or no, to what the customer approved."""
    found = visit()
    if found is None or found.contact is None:
        return redirect(url_for(".log_in"))
    if not found.third_party or found.contact.state == "VERIFIED":
        return redirect(url_for(".home"))
    if request.method == "POST":
        with transaction() as db_session:
            contact = db_session.get_one(Contact, found.contact.id, with_for_update=True)
            origin = Origin("PORTAL", customer_sessions.actor(contact), now())
            yes = request.form.get("answer") == "yes"
            (contacts.confirm if yes else contacts.remove)(db_session, contact, origin)
        forget()
        return redirect(url_for(".home" if yes else ".log_in"), 303)
    owner = db.session().get_one(Customer, found.contact.customer_id)
    return render_template(
        "customers/invitation.html",
        owner=owner,
        contact=found.contact,
        # What answers to a name reaches nobody (REQ-29).
        stop_number=_settings().sms_senders.stop_number,
    )


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session, here and in the database."""
    found = visit()
    if found is not None:
        with transaction() as db_session:
            customer_sessions.end(db_session, found.session_id, now())
            if found.contact is not None:
                actor = customer_sessions.actor(found.contact)
                subject = f"contact:{found.contact.id}"
                audit.record(db_session, actor, "CUSTOMER_LOGOUT", subject, {}, now())
    session.clear()
    forget()
    flash(gettext("You have logged out."), "ok")
    return redirect(url_for(".log_in"))


def code_fault(outcome: Outcome) -> str:
    """What to do about a code that did not do."""
    if outcome is Outcome.WRONG:
        return gettext("The code is not right. Check it and try again.")
    return gettext("The code is no longer good. Ask for a new one.")


def source_address() -> str:
    """The network address of the browser, by which requests for codes are counted."""
    return request.remote_addr or "unknown"


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings


def _send(address: Address, customer_number: str) -> bool:
    """Send a code, or do as if; False when too many were asked for."""
    settings, moment = _settings(), now()
    with transaction() as db_session:
        found = customer_sessions.openable(db_session, address, customer_number)
        if not verification.may_send(db_session, address, source_address(), settings, moment):
            allowed = within = False
        else:
            allowed = True
            # Strangers are counted under a number that nobody has: as much work as anybody.
            customers = {one.customer_id for one in found} or {f"nobody {address.value}"}
            within = verification.within_customers(db_session, customers, settings, moment)
    if not allowed:
        return False
    with transaction() as db_session:
        token = verification.send_code(
            db_session,
            address,
            purpose=_PURPOSE,
            language=Language(current_language()),
            now=moment,
            settings=settings,
            facts={"contacts": [one.id for one in found]},
            contact_id=found[0].id if found else None,
            customer_id=found[0].customer_id if found else None,
            known=bool(found) and within,
        )
    session[_ASKED] = {"token": token, "to": address.value}
    return True


def _open(token: str, code: str) -> Outcome:
    settings, moment = _settings(), now()
    with transaction() as db_session:
        proof = verification.check_code(
            db_session,
            token,
            code,
            purposes=[_PURPOSE],
            source_address=source_address(),
            settings=settings,
            now=moment,
        )
    if proof.outcome is not Outcome.OK or proof.address is None or proof.facts is None:
        return proof.outcome
    with transaction() as db_session:
        session_token = customer_sessions.begin(
            db_session, proof.address, proof.facts["contacts"], moment
        )
    if session_token is None:
        return Outcome.SPENT
    # Nothing that was in the browser before the log-in may live on in the session.
    session.clear()
    session[IN_BROWSER] = session_token
    session.permanent = True
    forget()
    return Outcome.OK
