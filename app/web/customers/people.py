"""Third parties: family, a friend, a house sitter whom the customer lets hear of their points."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from app.db import db
from app.domain.notice_values import short_address
from app.models import MeteringPoint
from app.services import customer_sessions
from app.services.contacts import ThirdParty
from app.services.preference_matrix import find_matrix
from app.web.customers.blueprint import blueprint
from app.web.customers.contact_pages import NewAddressForm, add, send_to
from app.web.customers.session import gsrns, here, owner_required


class PersonForm(NewAddressForm, FlaskForm):
    """Who it is, and how to reach them."""

    name = StringField(
        _l("Name of the person"), [InputRequired(_l("Enter the person's name")), Length(max=80)]
    )


@blueprint.get("/people")
@owner_required
def people_page() -> ResponseReturnValue:
    """Those whom the customer has approved."""
    people = [
        one
        for one in find_matrix(db.session(), here().customer_id).contacts
        if one.third_party_name is not None
    ]
    return render_template("customers/people.html", people=people, addresses=_addresses())


@blueprint.route("/people/new", methods=["GET", "POST"])
@owner_required
def person_new() -> ResponseReturnValue:
    """Approve somebody, for all points or some; they must say yes by a code sent to them."""
    form = PersonForm()
    known = _addresses()
    points_fault = ""
    if form.validate_on_submit():
        chosen = tuple(gsrn for gsrn in request.form.getlist("gsrn") if gsrn in known)
        everywhere = request.form.get("points") != "some"
        address = customer_sessions.read_address(form.address.data or "")
        if address is None:
            form.address.errors = [gettext("This is not a phone number or an e-mail address")]
        elif not everywhere and not chosen:
            points_fault = gettext("Choose at least one metering point")
        else:
            person = ThirdParty((form.name.data or "").strip(), None if everywhere else chosen)
            contact, fault = add(address, person)
            if contact is not None:
                return send_to(contact)
            form.address.errors = [fault]
    bad = bool(form.errors or points_fault)
    page = render_template(
        "customers/person_new.html",
        form=form,
        addresses=known,
        points_fault=points_fault,
        some=request.form.get("points") == "some",
        chosen=request.form.getlist("gsrn"),
    )
    return page, 422 if bad else 200


def _addresses() -> dict[str, str]:
    found = db.session().query(MeteringPoint).where(MeteringPoint.gsrn.in_(gsrns()))
    return {
        one.gsrn: short_address(one.street_name, one.house_number, one.staircase, one.apartment)
        or one.gsrn
        for one in found
    }
