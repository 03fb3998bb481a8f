"""The person's own addresses for tests of texts: add one, tell its code back."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.db import db, transaction
from app.domain.notice_types import Channel
from app.domain.roles import Permission
from app.models.staff_account import StaffAccount
from app.services import staff_addresses
from app.services.phones import parse_email, parse_phone
from app.services.staff_addresses import TooManyCodes, Verification
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators import text_views
from app.web.operators.text_blueprint import blueprint


@blueprint.get("/texts/addresses")
@role_required(Permission.EDIT_TEXTS)
def addresses() -> ResponseReturnValue:
    """The person's phone and e-mail for tests."""
    return _page({})


@blueprint.post("/texts/addresses/<channel>/code")
@role_required(Permission.EDIT_TEXTS)
def send_code(channel: str) -> ResponseReturnValue:
    """Take an address and send a code to it."""
    found = _channel(channel)
    written = request.form.get("value", "")[:300]
    value = parse_phone(written) if found is Channel.SMS else parse_email(written)
    if value is None:
        words = (
            gettext("Enter a phone number, such as 040 123 4567")
            if found is Channel.SMS
            else gettext("Enter an e-mail address, such as name@example.fi")
        )
        return _page({found: (written, words)}), 422
    try:
        with transaction() as session:
            staff_addresses.send_code(
                session,
                session.get_one(StaffAccount, current_user.id),
                found,
                value,
                by=actor(),
                now=now(),
                settings=text_views.settings(),
            )
    except TooManyCodes:
        words = gettext("You have asked for many codes. Wait an hour before the next.")
        return _page({found: (written, words)}), 429
    flash(gettext("A code is on its way to %(address)s.", address=value), "ok")
    return redirect(url_for(".addresses"))


@blueprint.post("/texts/addresses/<channel>/verify")
@role_required(Permission.EDIT_TEXTS)
def verify(channel: str) -> ResponseReturnValue:
    """Take the code that came to the address."""
    found = _channel(channel)
    code = "".join(request.form.get("code", "").split())[:20]
    with transaction() as session:
        outcome = staff_addresses.verify(
            session,
            session.get_one(StaffAccount, current_user.id),
            found,
            code,
            by=actor(),
            now=now(),
            settings=text_views.settings(),
        )
    if outcome is Verification.OK:
        flash(gettext("The address is proven: tests can be sent to it."), "ok")
    elif outcome is Verification.WRONG:
        flash(gettext("This is not the code that was sent."), "fail")
    else:
        flash(gettext("The code is no longer good. Ask for a new one."), "fail")
    return redirect(url_for(".addresses"))


def _page(faults: dict[Channel, tuple[str, str]]) -> str:
    session = db.session()
    return render_template(
        "operators/text_addresses.html",
        channels=[
            (channel, staff_addresses.find_address(session, current_user.id, channel))
            for channel in Channel
        ],
        faults=faults,
    )


def _channel(name: str) -> Channel:
    try:
        return Channel(name)
    except ValueError:
        abort(404)
